from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cvimake.core.action import Ending, Limits
from cvimake.core.capacity import Share
from cvimake.core.errors import EngineError
from cvimake.execution.engine import PLACE, Command, Mount
from cvimake.execution.engine.local import LocalEngine
from cvimake.execution.workspace import sweep
from cvimake.toolchain.container.process_group import GRANT, TAKES


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    (tmp_path / "toolchain" / "bin").mkdir(parents=True)
    (tmp_path / "toolchain" / "bin" / "python3").symlink_to(sys.executable)
    return tmp_path / "toolchain"


@pytest.fixture
def engine(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> LocalEngine:
    # The Python of this test may lie where only its user can run it.
    monkeypatch.setattr(LocalEngine, "user", property(lambda _self: (os.geteuid(), os.getegid())))
    return LocalEngine(prefix, os.environ)


def command(tmp_path: Path, program: str, *arguments: str, limits: Limits | None = None) -> Command:
    """A command in a shell, with an input, a list of samples, and a folder of them."""
    files, samples = tmp_path / "work" / "files", tmp_path / "samples"
    files.mkdir(parents=True)
    samples.mkdir()
    (samples / "a.jpg").write_bytes(b"jpeg")
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    (tmp_path / "list.txt").write_text("/dataset/a.jpg\n", encoding="utf-8")
    return Command(
        name="net:mlir",
        image="unused",
        argv=("sh", "-c", program, "step", *arguments),
        environment={"PATH": "/opt/tpu_mlir/bin:/usr/bin:/bin", "LD_PRELOAD": "/nowhere.so", "WORD": "word"},
        mounts=(
            Mount(source=files, target="/workspace", read_only=False),
            Mount(source=tmp_path / "net.onnx", target="/workspace/net.onnx", read_only=True),
            Mount(source=tmp_path / "list.txt", target="/workspace/list.txt", read_only=True),
            Mount(source=samples, target="/dataset", read_only=True),
        ),
        working_directory="/workspace",
        user=(os.geteuid(), os.getegid()),
        limits=limits or Limits(seconds=20.0),
        results=("out", "missing"),
    )


def run(engine: LocalEngine, command: Command) -> tuple[Ending, str]:
    log = io.BytesIO()
    ending = engine.run(command, log)
    return ending, log.getvalue().decode()


def test_a_command_sees_its_inputs_and_its_results_come_back(engine: LocalEngine, tmp_path: Path) -> None:
    wanted = command(tmp_path, "cat net.onnx; echo aside >&2; echo result >out; echo other >other")
    assert run(engine, wanted) == (Ending(exit_code=0), "onnxaside\n")
    files = tmp_path / "work" / "files"
    assert [path.name for path in files.iterdir()] == ["out"]
    assert (files / "out").read_text() == "result\n"


def test_folders_are_found_wherever_they_are(engine: LocalEngine, tmp_path: Path) -> None:
    program = 'cat "${1#--dataset=}/a.jpg"; cat "$(cat list.txt)"'
    assert run(engine, command(tmp_path, program, "--dataset=/dataset"))[1] == "jpegjpeg"


def test_the_toolchains_folder_stands_for_the_images(
    engine: LocalEngine, tmp_path: Path, prefix: Path
) -> None:
    program = 'echo "$PATH $1 $WORD ${OTHER:-unset}"'
    _, said = run(engine, command(tmp_path, program, "/opt/tpu_mlir/tool"))
    assert said.split() == [f"{prefix}/bin:/usr/bin:/bin", f"{prefix}/tool", "word", "unset"]


def test_an_input_is_a_copy(engine: LocalEngine, tmp_path: Path) -> None:
    run(engine, command(tmp_path, "chmod u+w net.onnx; echo changed >net.onnx"))
    assert (tmp_path / "net.onnx").read_bytes() == b"onnx"


@pytest.mark.parametrize("program", ["ln -s /etc/passwd out", "mkdir out", "true"])
def test_only_plain_files_come_back(engine: LocalEngine, tmp_path: Path, program: str) -> None:
    assert run(engine, command(tmp_path, program))[0].exit_code == 0
    assert list((tmp_path / "work" / "files").iterdir()) == []


def test_a_failed_command_gives_its_exit_code_and_no_results(engine: LocalEngine, tmp_path: Path) -> None:
    assert run(engine, command(tmp_path, "echo x >out; exit 7"))[0] == Ending(exit_code=7)
    assert list((tmp_path / "work" / "files").iterdir()) == []


def test_parts_of_a_command_that_failed_come_back(engine: LocalEngine, tmp_path: Path) -> None:
    wanted = command(tmp_path, "mkdir parts; echo one >parts/0.json; ln -s /etc/passwd parts/1.json; exit 3")
    ending, _ = run(engine, dataclasses.replace(wanted, parts="parts"))
    assert ending.exit_code == 3
    parts = tmp_path / "work" / "files" / "parts"
    assert (parts / "0.json").read_text(encoding="utf-8") == "one\n"
    assert (parts / "1.json").is_symlink()


def test_a_killed_command_has_the_code_that_docker_would_give(engine: LocalEngine, tmp_path: Path) -> None:
    assert run(engine, command(tmp_path, "kill -9 $$"))[0] == Ending(exit_code=137)


def test_a_command_that_takes_too_long_ends_with_all_that_it_started(
    engine: LocalEngine, tmp_path: Path
) -> None:
    slow = command(tmp_path, "sleep 60 & sleep 60", limits=Limits(seconds=0.3))
    started = time.monotonic()
    assert run(engine, slow)[0] == Ending(exit_code=137, timed_out=True)
    assert time.monotonic() - started < 20


def test_after_cancelling_running_commands_end_and_none_starts(engine: LocalEngine, tmp_path: Path) -> None:
    timer = threading.Timer(0.3, engine.cancel)
    timer.start()
    with pytest.raises(EngineError, match="cancelled"):
        run(engine, command(tmp_path, "sleep 60"))
    timer.join()
    (tmp_path / "again").mkdir()
    with pytest.raises(EngineError, match="cancelled"):
        run(engine, command(tmp_path / "again", "sleep 60"))


def test_standard_input_of_a_command_is_empty(engine: LocalEngine, tmp_path: Path) -> None:
    assert run(engine, command(tmp_path, "cat; ls -l /proc/self/fd | grep -c pipe"))[1] == "2\n"


KILLED = """
import os, sys
from pathlib import Path
from cvimake.core.action import Limits
from cvimake.execution.workspace import sweep
from cvimake.execution.engine import Command, Mount
from cvimake.execution.engine.local import LocalEngine
work = Path(sys.argv[1])
(work / "files").mkdir(parents=True)
# With a child, which the death of its parent does not reach.
LocalEngine(work, os.environ).run(Command(
    name="net:mlir", image="", argv=("sh", "-c", "sleep 61.25 & echo begun; wait"),
    environment={"PATH": "/usr/bin:/bin"},
    mounts=(Mount(source=work / "files", target="/workspace", read_only=False),),
    working_directory="/workspace", user=(os.geteuid(), os.getegid()), limits=Limits(seconds=60.0),
), os.fdopen(1, "wb", 0))
"""


def sleepers() -> list[Path]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == b"sleep\x0061.25\x00":
                found.append(path)
    return found


def test_a_killed_build_leaves_no_process_and_the_next_one_removes_its_place(tmp_path: Path) -> None:
    work = tmp_path / "build" / ".work" / "step"
    killed = subprocess.Popen([sys.executable, "-c", KILLED, str(work)], stdout=subprocess.PIPE)
    assert killed.stdout
    with killed.stdout:
        assert killed.stdout.readline() == b"begun\n"
    (place,) = [work.joinpath(PLACE).readlink()]
    assert place.is_dir()
    killed.kill()
    killed.wait()
    end = time.monotonic() + 10
    while sleepers():
        assert time.monotonic() < end, "its child goes on"
        time.sleep(0.02)
    sweep(tmp_path)
    assert not place.exists()
    assert not work.exists()


def test_no_working_folder_is_left(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    run(engine, command(tmp_path, "mkdir -p deep/er; echo x >out"))
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["files"]


def test_a_clock_of_the_toolchains_own_is_found_first(prefix: Path) -> None:
    clock = prefix / "lib" / "libfaketime.so.1"
    clock.parent.mkdir()
    clock.touch()
    engine = LocalEngine(prefix, os.environ)
    assert engine.clock == clock
    assert "clock" not in engine.shortcomings()


def test_a_preloaded_library_that_is_not_installed_is_left_out(
    engine: LocalEngine, tmp_path: Path, prefix: Path
) -> None:
    engine.clock = None
    wanted = command(tmp_path, 'echo "${LD_PRELOAD:-nothing}"')
    libraries = "/usr/lib/clock.so:/opt/tpu_mlir/lib/simulator.so"
    wanted = dataclasses.replace(wanted, environment={**wanted.environment, "LD_PRELOAD": libraries})
    assert run(engine, wanted)[1] == "nothing\n"
    (prefix / "lib").mkdir(exist_ok=True)
    (prefix / "lib" / "simulator.so").touch()
    # The loader says itself that an empty file is no library.
    assert run(engine, wanted)[1].splitlines()[-1] == f"{prefix}/lib/simulator.so"


def test_missing_programs_are_reported(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvimake.execution.engine.local._FAKETIME", ())
    said = LocalEngine(prefix, os.environ).shortcomings()
    assert "no isolation of files and network" in said
    assert "no fixed clock" in said


def test_the_machines_cores_and_memory_are_its_capacity(engine: LocalEngine) -> None:
    assert engine.capacity().cores == len(os.sched_getaffinity(0))
    assert (engine.capacity().memory or 0) > 0


# What leaves the command's session, and its process group

ESCAPED = "setsid sh -c 'echo $$ >{pid}; exec sleep 61.25' &\nwhile ! test -s {pid}; do sleep 0.02; done"


def is_gone(path: Path) -> bool:
    return not Path("/proc", path.read_text(encoding="ascii").strip()).exists()


def test_a_process_in_its_own_session_ends_with_the_command(engine: LocalEngine, tmp_path: Path) -> None:
    # It holds the pipe that the command prints to.
    program = ESCAPED.format(pid=tmp_path / "pid")
    started = time.monotonic()
    assert run(engine, command(tmp_path, f"{program}\necho done")) == (Ending(exit_code=0), "done\n")
    assert time.monotonic() - started < 20
    assert is_gone(tmp_path / "pid")


def test_a_process_in_its_own_session_ends_at_the_time_limit(engine: LocalEngine, tmp_path: Path) -> None:
    program = f"{ESCAPED.format(pid=tmp_path / 'pid')}\nsleep 60"
    ending, _ = run(engine, command(tmp_path, program, limits=Limits(seconds=2.0)))
    assert ending == Ending(exit_code=137, timed_out=True)
    assert is_gone(tmp_path / "pid")


def test_a_process_in_its_own_session_ends_when_the_build_is_cancelled(
    engine: LocalEngine, tmp_path: Path
) -> None:
    program = f"{ESCAPED.format(pid=tmp_path / 'pid')}\nsleep 60"
    timer = threading.Timer(2.0, engine.cancel)
    timer.start()
    with pytest.raises(EngineError, match="cancelled"):
        run(engine, command(tmp_path, program))
    assert is_gone(tmp_path / "pid")


def test_a_process_in_its_own_session_ends_with_a_killed_build(tmp_path: Path) -> None:
    work, pid = tmp_path / "work", tmp_path / "pid"
    program = KILLED.replace(
        '"sleep 61.25 & echo begun; wait"', repr(f"{ESCAPED.format(pid=pid)}; echo begun; wait")
    )
    with subprocess.Popen([sys.executable, "-c", program, str(work)], stdout=subprocess.PIPE) as killed:
        assert killed.stdout
        assert killed.stdout.readline() == b"begun\n"
        killed.kill()
    end = time.monotonic() + 10
    while not is_gone(pid):
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.02)


def test_a_command_that_closes_its_output_is_waited_for(engine: LocalEngine, tmp_path: Path) -> None:
    program = "exec >/dev/null 2>&1; sleep 0.5; echo late >out"
    assert run(engine, command(tmp_path, program))[0] == Ending(exit_code=0)
    assert (tmp_path / "work" / "files" / "out").read_text() == "late\n"


# Room on the disk


@pytest.mark.parametrize(
    "program",
    [
        "i=0; while :; do i=$((i+1)); : >$i; done",
        "cd $TMPDIR; i=0; while :; do i=$((i+1)); head -c 300000 /dev/zero >$i; done",
        "exec 5>x 6>y; rm x y; head -c 900000 /dev/zero >&5; head -c 900000 /dev/zero >&6; sleep 60",
    ],
    ids=["files", "temporary", "deleted"],
)
def test_a_command_that_writes_too_much_is_ended(engine: LocalEngine, tmp_path: Path, program: str) -> None:
    limits = Limits(seconds=60.0, workspace=1_000_000, files=50)
    ending, _ = run(engine, command(tmp_path, program, limits=limits))
    assert ending == Ending(exit_code=137, overfull=True)


def test_no_file_is_larger_than_all_may_be(engine: LocalEngine, tmp_path: Path) -> None:
    limits = Limits(seconds=60.0, workspace=1_000_000)
    ending, _ = run(engine, command(tmp_path, "exec head -c 2M /dev/zero >out", limits=limits))
    assert ending.exit_code == 128 + signal.SIGXFSZ


def test_a_running_command_can_be_told_of_more_cores(engine: LocalEngine, tmp_path: Path) -> None:
    wanted = command(tmp_path, f"touch {TAKES}; until [ -f {GRANT} ]; do sleep 0.01; done; cat {GRANT}")
    ended = threading.Event()

    def grant() -> None:
        while not wanted.growth.grant(Share(cores=3, free=100)) and not ended.is_set():
            time.sleep(0.01)

    build = threading.Thread(target=grant)
    build.start()
    try:
        assert run(engine, wanted) == (Ending(exit_code=0), "3 85\n")
    finally:
        ended.set()
        build.join()
