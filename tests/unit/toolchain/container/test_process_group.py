from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cvimake.toolchain.container import process_group

STEPS = Path(process_group.__file__).parent
HEAD = """
import os, signal, sys, time
from process_group import ProcessGroup
group = ProcessGroup({size})
"""


def run(size: int, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HEAD.format(size=size) + program],
        cwd=STEPS,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("size", [1, 2, 5])
def test_all_learn_what_each_has_found(size: int) -> None:
    done = run(size, "for turn in range(3): values = group.all_gather((turn, group.rank))\nprint(values)")
    assert done.stdout == f"{[(2, rank) for rank in range(size)]}\n", "only the first one speaks"
    assert (done.returncode, done.stderr) == (0, "")


def test_large_values_go_round() -> None:
    program = "parts = group.all_gather(bytes(3_000_000))\nprint(sum(map(len, parts)))\ngroup.wait()"
    assert run(3, program).stdout == "9000000\n"


def test_no_number_is_taken_twice() -> None:
    program = "numbers = [group.take() for _ in range(500)]\nfound = sum(group.all_gather(numbers), [])"
    assert run(3, program + "\nprint(sorted(found))").stdout == f"{list(range(1500))}\n"


def test_fewer_go_on() -> None:
    done = run(4, "group.all_gather(0)\ngroup.shrink(2)\nprint(group.all_gather(group.rank))\ngroup.wait()")
    assert (done.returncode, done.stdout) == (0, "[0, 1]\n")


def test_an_exception_elsewhere_is_told() -> None:
    done = run(3, "if group.rank == 2: raise ValueError('bad sample')\ngroup.all_gather(1)")
    assert done.returncode == 1
    assert "ValueError: bad sample" in done.stderr
    assert done.stderr.endswith("process 2 of 3 failed\n")
    assert done.stderr.count("Traceback") == 1


@pytest.mark.parametrize(
    ("death", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed by signal 9: there was not enough memory"),
        ("os._exit(7)", "ended with exit code 7"),
    ],
)
@pytest.mark.parametrize("then", ["group.all_gather(1)", "group.wait()"])
def test_a_death_is_told(death: str, told: str, then: str) -> None:
    done = run(2, f"if group.rank: {death}\n{then}")
    assert done.returncode == 1
    assert f"process 1 of 2 {told}" in done.stderr


def test_the_first_ones_death_ends_all() -> None:
    program = """
if group.rank == 0:
    print(group.all_gather(os.getpid())[1:], flush=True)
    os._exit(3)
group.all_gather(os.getpid())
group.all_gather(None)
"""
    done = run(3, program)
    assert done.returncode == 3
    for process in eval(done.stdout):
        for _ in range(100):
            if not Path(f"/proc/{process}").exists():
                break
            subprocess.run(["sleep", "0.05"], check=True)
        else:
            pytest.fail("it is still there")


HELPERS = """
known = ["before"]
if group.rank == 0:
    group.grow({to})
    known += [group.rank]
"""


@pytest.mark.parametrize(("size", "to"), [(1, 2), (1, 4), (2, 3), (3, 3)])
def test_helpers_go_on_where_the_first_one_is(size: int, to: int) -> None:
    program = """
found = group.all_gather(known)
group.dismiss()
print(found, group.all_gather(group.rank), group.size)
group.wait()
"""
    done = run(size, HELPERS.format(to=to) + program)
    known = [["before", 0], *([["before"]] * (size - 1)), *([["before", rank] for rank in range(size, to)])]
    assert done.stdout == f"{known} {list(range(size))} {size}\n"
    assert (done.returncode, done.stderr) == (0, "")


def test_helpers_can_come_twice_and_again() -> None:
    program = """
for turn in range(3):
    if group.rank == 0:
        group.grow(2)
    if group.rank == 0:
        group.grow(4)
    numbers = group.all_gather([group.take() for _ in range(50)])
    group.dismiss()
print(len(numbers), sorted(sum(numbers, [])) == list(range(400, 600)))
group.wait()
"""
    done = run(1, program)
    assert (done.stdout, done.stderr, done.returncode) == ("4 True\n", "", 0)


def test_the_death_of_a_helper_is_told() -> None:
    program = "group.grow(2)\nif group.rank: os.kill(os.getpid(), signal.SIGKILL)\ngroup.all_gather(1)"
    done = run(1, program)
    assert done.returncode == 1
    assert "process 1 of 2 was killed by signal 9: there was not enough memory" in done.stderr


def test_an_exception_in_a_helper_is_told() -> None:
    done = run(1, "group.grow(3)\nif group.rank == 2: raise ValueError('bad')\ngroup.all_gather(1)")
    assert done.returncode == 1
    assert "ValueError: bad" in done.stderr
    assert done.stderr.endswith("process 2 of 3 failed\n")


def test_what_is_granted_later_replaces_the_first_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(process_group.PROCESSES, raising=False)
    monkeypatch.delenv(process_group.MEMORY, raising=False)
    assert process_group.bounds() == process_group.Bounds(1, None)
    monkeypatch.setenv(process_group.PROCESSES, "2")
    monkeypatch.setenv(process_group.MEMORY, "500")
    assert process_group.bounds() == process_group.Bounds(2, 500)
    (tmp_path / process_group.GRANT).write_text("4 900\n")
    assert process_group.bounds() == process_group.Bounds(4, 900)
    (tmp_path / process_group.GRANT).write_text("")
    assert process_group.bounds() == process_group.Bounds(2, 500)


def test_a_stage_tells_whether_it_could_use_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    process_group.take_more(can=False)
    assert not (tmp_path / process_group.TAKES).exists()
    process_group.take_more(can=True)
    process_group.take_more(can=True)
    assert (tmp_path / process_group.TAKES).exists()
    process_group.take_more(can=False)
    assert not (tmp_path / process_group.TAKES).exists()
