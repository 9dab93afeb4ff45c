"""What the sandbox hands out: whole and plain files, all of them or none, and a log that can be used."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import HANGS_AFTER, PROBES, Lab

from cvimake.core.action import FileKind
from cvimake.core.errors import CvimakeError, StageFailedError

WRITE = "open('out.json', 'w').write('{}')\n"
READ = "import json\nwith open('out.json', 'w') as file: json.dump([open({!r}).read()], file)"
TWO = {"out.json": FileKind.JSON, "other.npz": FileKind.NPZ}


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        ("pass", "its tool did not write out.json"),
        ("open('out.json', 'w')", "its tool left out.json empty"),
        ("open('out.json', 'w').write('no json')", "out.json is not a file of the kind JSON"),
        ("import os; os.symlink('/etc/passwd', 'out.json')", "out.json is not a plain file"),
        ("import os; os.symlink('probe.py', 'out.json')", "out.json is not a plain file"),
        ("import os; os.symlink('nowhere', 'out.json')", "out.json is not a plain file"),
        (WRITE + "import os; os.link('out.json', 'second')", "out.json is not a plain file"),
        ("import os; os.mkfifo('out.json')", "its tool ended with exit code 1"),
        (
            "import socket; socket.socket(socket.AF_UNIX).bind('out.json')",
            "out.json is not a plain file",
        ),
        ("import os; os.mkdir('out.json')", "out.json is not a plain file"),
    ],
    ids=["missing", "empty", "wrong kind", "link to the host's", "link to an input", "link to nothing",
         "second name", "pipe", "socket", "folder"],
)  # fmt: skip
def test_only_complete_plain_files_are_published(lab: Lab, program: str, fault: str) -> None:
    with pytest.raises(StageFailedError, match=fault):
        lab.run(lab.action(program))
    assert lab.published() == []
    assert lab.left_over() == []


def test_if_one_of_two_outputs_is_missing_neither_is_published(lab: Lab) -> None:
    with pytest.raises(StageFailedError, match=r"its tool did not write other\.npz"):
        lab.run(lab.action(WRITE, outputs=TWO))
    assert lab.published() == []


def test_a_failure_leaves_former_results_as_they_are(lab: Lab) -> None:
    program = WRITE + "open('other.npz', 'wb').write(b'PK\\x03\\x04')\n"
    lab.run(lab.action(program, outputs=TWO))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in lab.root.glob("out/*")}
    for broken in ("open('out.json', 'w').write('[]')", program.replace("{}", "[]") + "raise SystemExit(3)"):
        with pytest.raises(StageFailedError):
            lab.run(lab.action(broken, outputs=TWO))
    assert len(before) == 2
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in lab.root.glob("out/*")}


def test_the_exit_code_of_a_failed_tool_is_told(lab: Lab) -> None:
    with pytest.raises(StageFailedError, match="its tool ended with exit code 7"):
        lab.run(lab.action(WRITE + "raise SystemExit(7)"))


def test_a_published_file_is_the_callers_and_readable_by_all(lab: Lab) -> None:
    lab.run(lab.action(WRITE + "import os; os.chmod('out.json', 0o4711)"))
    status = (lab.root / "out" / "out.json").stat()
    assert stat.S_IMODE(status.st_mode) == 0o644
    assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())


def test_an_output_that_its_tool_made_unreadable_is_published_all_the_same(lab: Lab) -> None:
    assert lab.run(lab.action(WRITE + "import os; os.chmod('out.json', 0)")) == {}


def test_undeclared_files_of_a_tool_are_removed(lab: Lab) -> None:
    program = (
        "import os, socket\n"
        "os.makedirs('deep/er/est')\n"
        "open('deep/er/est/junk', 'w').write('x')\n"
        "os.chmod('deep/er', 0)\n"
        "os.symlink('loop', 'loop')\n"
        "os.symlink('..', 'deep/up')\n"
        "os.symlink('/', 'root')\n"
        "open('read-only', 'w').close()\n"
        "os.chmod('read-only', 0o400)\n"
        "os.chmod('deep', 0o500)\n"
        "socket.socket(socket.AF_UNIX).bind('socket')\n"
        "open(b'not \\xff unicode', 'w').close()\n"
        "open('new\\nline', 'w').close()\n"
        "open('-rf', 'w').close()\n"
        "os.chmod('.', 0o500)\n"
    )
    lab.run(lab.action(WRITE + program))
    assert lab.published() == ["out.json"]
    assert lab.left_over() == []
    assert sorted(path.name for path in lab.root.iterdir()) == ["build", "in", "out"]


def test_a_private_input_can_be_read_by_the_tool(lab: Lab) -> None:
    lab.add_input("private.txt", "for the caller's eyes").chmod(0o600)
    assert lab.run(lab.action(READ.format("private.txt"))) == ["for the caller's eyes"]


def test_a_private_input_can_have_any_name(lab: Lab) -> None:
    lab.add_input("files", "x").chmod(0o600)
    assert lab.run(lab.action(WRITE)) == {}


def test_an_input_can_be_a_link_and_have_an_odd_name(lab: Lab) -> None:
    target = lab.root / 'odd, "name" with = and $HOME'
    target.write_text("x", encoding="utf-8")
    lab.add_input("probe.py", WRITE)
    (lab.root / "in" / "a, b=c $d.txt").symlink_to(target)
    assert lab.run(lab.action(READ.format("a, b=c $d.txt"))) == ["x"]


def test_a_missing_input_is_said_before_anything_runs(lab: Lab) -> None:
    lab.add_input("there.txt", "x")
    action = lab.action(WRITE)
    (lab.root / "in" / "there.txt").unlink()
    with pytest.raises(CvimakeError, match=r"its input .*there\.txt is missing"):
        lab.run(action)


def test_a_full_disk_is_one_clear_error(lab: Lab) -> None:
    action = lab.action(WRITE)
    log_path = lab.sandbox.log_path(action)
    log_path.parent.mkdir(parents=True)
    log_path.symlink_to("/dev/full")
    with pytest.raises(CvimakeError, match="the disk is full"):
        lab.run(action)
    assert lab.left_over() == []


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_the_log_holds_all_that_the_tool_printed(lab: Lab, stream: str) -> None:
    program = (
        "import sys\n"
        f"stream = sys.{stream}\n"
        "for number in range(20000): stream.write(f'line {number}\\n')\n"
        "stream.buffer.write(b'\\xff\\xfe no text\\n')\n"
        "stream.write('the end')\n"
    )
    action = lab.action(WRITE + program)
    lab.run(action)
    printed = lab.sandbox.log_path(action).read_bytes().partition(b"\n\n")[2]
    lines = b"".join(b"line %d\n" % number for number in range(20000))
    assert printed == lines + b"\xff\xfe no text\nthe end"


# The engine reads the two streams one beside the other.
def test_the_error_of_a_failed_tool_ends_with_its_last_lines_and_the_logs_path(lab: Lab) -> None:
    action = lab.action("for number in range(100): print('line', number)\nraise SystemExit('why')")
    with pytest.raises(StageFailedError) as caught:
        lab.run(action)
    lines = [line.strip() for line in str(caught.value).splitlines()]
    assert "line 99" in lines
    assert "line 1" not in lines
    assert lines[-2] == "why"
    assert lines[-1] == f"The whole log: {lab.sandbox.log_path(action)}"


def by_hand(lab: Lab, log_path: Path) -> Path:
    """Pastes the log's line into a shell; returns the folder that holds the results."""
    head = log_path.read_text(encoding="utf-8").splitlines()
    assert head[0].endswith("paste the next line; the results are then in $W.")
    elsewhere = Path(tempfile.mkdtemp(prefix="some where ", dir=lab.root.parent))
    variables = {**os.environ, "TMPDIR": str(elsewhere)}
    shell = subprocess.run(
        ["bash", "-c", f'{head[1]}; code=$?; ls -A "$W"; exit $code'],
        cwd=elsewhere, env=variables, capture_output=True, text=True, check=False, timeout=HANGS_AFTER,
    )  # fmt: skip
    assert shell.returncode == 0, shell.stderr
    (folder,) = elsewhere.iterdir()
    assert "out.json" in shell.stdout.splitlines()
    return folder


@pytest.fixture(scope="module")
def observed_both_ways(
    new_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory
) -> tuple[bytes, bytes]:
    """What one and the same program wrote in the sandbox and by hand."""
    lab = new_lab(tmp_path_factory.mktemp("by hand, with 'odd' characters"))
    lab.add_input("a 'quoted', $name.txt", "x")
    action = lab.action(PROBES / "observe.py", "out.json")
    lab.run(action)
    folder = by_hand(lab, lab.sandbox.log_path(action))
    return (lab.root / "out" / "out.json").read_bytes(), (folder / "out.json").read_bytes()


def test_the_command_in_the_log_repeats_a_stage_under_the_same_restrictions(
    observed_both_ways: tuple[bytes, bytes],
) -> None:
    in_sandbox, by_hand_run = map(json.loads, observed_both_ways)
    for facts in (in_sandbox, by_hand_run):
        # Their numbers, which tell nothing.
        del facts["process"], facts["processes"]
    assert int(in_sandbox["status"]["CapBnd"], 16) == 0
    assert by_hand_run == in_sandbox


def test_the_logs_line_gives_the_same_bytes(lab: Lab) -> None:
    action = lab.action(WRITE + "open('junk', 'w').close()")
    lab.run(action)
    folder = by_hand(lab, lab.sandbox.log_path(action))
    assert (folder / "out.json").read_bytes() == (lab.root / "out" / "out.json").read_bytes() == b"{}"
    # Here nothing is cleaned up.
    assert sorted(path.name for path in folder.iterdir()) == ["junk", "out.json", "probe.py"]


def test_the_command_in_the_log_repeats_a_stage_with_a_private_input(lab: Lab) -> None:
    lab.add_input("private.txt", "x").chmod(0o600)
    action = lab.action(WRITE)
    lab.run(action)
    assert (by_hand(lab, lab.sandbox.log_path(action)) / "out.json").read_text(encoding="utf-8") == "{}"


def test_the_logs_line_names_the_same_limits(lab: Lab) -> None:
    action = lab.action(WRITE)
    lab.run(action)
    words = shlex.split(lab.sandbox.log_path(action).read_text(encoding="utf-8").splitlines()[1])
    assert words[words.index("--memory") + 1] == words[words.index("--memory-swap") + 1]
    assert words[words.index("--memory") + 1] == str(action.limits.memory)
    assert words[words.index("--pids-limit") + 1] == str(action.limits.processes)
