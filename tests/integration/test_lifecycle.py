"""No container outlives the build that started it, however that ends."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import pytest
from lab import ASLEEP, ROOT, Lab, containers, environment, is_running, wait_until

from cvimake.core.action import FileKind, Limits
from cvimake.core.errors import EngineError, StageFailedError
from cvimake.execution.engine import connection
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image.making import ToolchainImage

# A sleeping container reacts to nothing and is killed. That takes well under a second on a quiet machine. It
# must be over before the sleep is.
SECONDS = 200.0
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Build:
    """A `doit` that runs a stage which sleeps."""

    folder: Path
    process: subprocess.Popen[str]

    @property
    def action(self) -> str:
        return f"sleeper:{self.folder.name}"

    def end(self) -> tuple[int, str]:
        """Waits for it; its exit code and all that it said."""
        output, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, output

    def is_asleep(self) -> bool:
        logs = self.folder.glob("build/logs/*/*")
        return any("\nasleep" in path.read_text(encoding="utf-8") for path in logs)

    def work_folders(self) -> list[Path]:
        return list(self.folder.glob("build/.work/*"))


def run_doit(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cvimake.cli", *arguments],
        cwd=folder,
        env=environment(PYTHONPATH=f"{ROOT}{os.pathsep}{HERE}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def start_another_engine() -> None:
    with contextlib.closing(connection.find(os.environ)) as client:
        DockerEngine(client, os.environ)


@pytest.fixture
def start(
    tmp_path: Path, engine: DockerEngine, toolchain_image: ToolchainImage
) -> Iterator[Callable[..., Build]]:
    """Starts builds; each has its container running when it is handed over."""
    builds: list[Build] = []

    def start_one(*arguments: str) -> Build:
        assert toolchain_image.id
        folder = tmp_path / uuid.uuid4().hex
        folder.mkdir()
        shutil.copy(HERE / "sleeping_dodo.py", folder / "dodo.py")
        build = Build(folder, run_doit(folder, *arguments))
        builds.append(build)
        # The container runs, and its caller waits for what it prints.
        wait_until(build.is_asleep, "the stage ran")
        return build

    yield start_one
    for build in builds:
        # Its workers too; they can outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(build.process.pid, signal.SIGKILL)
        build.process.communicate()
        for container in containers(engine, build.action):
            container.remove(force=True)


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_ends_the_container_before_the_build(
    start: Callable[..., Build], engine: DockerEngine, number: signal.Signals, exit_code: int
) -> None:
    build = start()
    build.process.send_signal(number)
    code, output = build.end()
    assert containers(engine, build.action) == []
    assert code == exit_code
    assert "cvimake: interrupted" in output
    assert "Traceback" not in output
    assert build.work_folders() == []
    assert not (build.folder / "build" / "out.json").exists()


def test_a_closed_terminal_ends_the_container(start: Callable[..., Build], engine: DockerEngine) -> None:
    build = start()
    build.process.send_signal(signal.SIGHUP)
    build.end()
    assert containers(engine, build.action) == []


def test_an_impatient_second_interrupt_ends_the_container_too(
    start: Callable[..., Build], engine: DockerEngine
) -> None:
    build = start()
    build.process.send_signal(signal.SIGINT)
    wait_until(lambda: not is_running(engine, build.action), "the first one had its effect", SECONDS)
    if build.process.poll() is None:
        build.process.send_signal(signal.SIGINT)
    build.end()
    # If the second one came in between, the next engine removes it.
    start_another_engine()
    assert containers(engine, build.action) == []


def test_an_exception_in_the_process_ends_the_container(lab: Lab, engine: DockerEngine) -> None:
    class UnforeseenError(Exception):
        pass

    def fail(_signal: int, _frame: FrameType | None) -> None:
        raise UnforeseenError

    action = lab.action(f"print('asleep'); {ASLEEP}")
    log = lab.sandbox.log_path(action)

    def interrupt() -> None:
        wait_until(lambda: log.exists() and "\nasleep" in log.read_text(encoding="utf-8"), "the stage ran")
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, fail)
    try:
        with ThreadPoolExecutor() as pool:
            pool.submit(interrupt)
            with pytest.raises(UnforeseenError):
                lab.run(action)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert containers(engine, action.name) == []
    assert lab.left_over() == []


def test_the_next_engine_removes_only_what_a_killed_build_left(
    start: Callable[..., Build], engine: DockerEngine
) -> None:
    killed, living = start(), start()
    killed.process.kill()
    killed.end()
    start_another_engine()
    assert containers(engine, killed.action) == []
    assert is_running(engine, living.action)
    assert living.process.poll() is None


def test_the_workspace_of_a_killed_build_is_removed_by_the_next_build(start: Callable[..., Build]) -> None:
    build = start()
    build.process.kill()
    build.end()
    again = run_doit(build.folder)
    left = set(build.work_folders())
    try:
        wait_until(lambda: bool(set(build.work_folders()) - left), "the next build ran its stage")
        assert not left & set(build.work_folders())
    finally:
        again.send_signal(signal.SIGINT)
        again.communicate(timeout=SECONDS)


def test_a_container_that_somebody_kills_is_a_failed_stage(lab: Lab, engine: DockerEngine) -> None:
    action = lab.action(ASLEEP)
    with ThreadPoolExecutor() as pool:
        run = pool.submit(lab.run, action)
        wait_until(lambda: is_running(engine, action.name), "the stage ran")
        for container in containers(engine, action.name):
            subprocess.run(["docker", "kill", str(container.id)], check=True, capture_output=True)
        with pytest.raises(StageFailedError, match="the tool was killed"):
            run.result(SECONDS)
    assert containers(engine, action.name) == []
    assert lab.published() == []


def test_a_container_that_somebody_removes_is_a_clear_error(lab: Lab, engine: DockerEngine) -> None:
    action = lab.action(ASLEEP)
    with ThreadPoolExecutor() as pool:
        run = pool.submit(lab.run, action)
        wait_until(lambda: is_running(engine, action.name), "the stage ran")
        for container in containers(engine, action.name):
            container.remove(force=True)
        with pytest.raises((StageFailedError, EngineError), match=f"^{action.name}: "):
            run.result(SECONDS)
    assert lab.published() == []
    assert lab.left_over() == []


def test_stages_that_run_at_once_do_not_see_each_other(lab: Lab) -> None:
    program = (
        "import json, os, sys, time\n"
        "open(sys.argv[1], 'w').close()\n"
        "time.sleep(0.5)\n"
        "open(sys.argv[1], 'w').write(json.dumps(sorted(os.listdir())))\n"
    )
    names = ["a.json", "b.json", "c.json"]
    actions = [lab.action(program, name, outputs={name: FileKind.JSON}) for name in names]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lab.sandbox.run, actions))
    seen = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in lab.root.glob("out/*")}
    assert seen == {name: [name, "probe.py"] for name in names}


def test_a_stage_leaves_no_connection_open(lab: Lab) -> None:
    action = lab.action("open('out.json', 'w').write('{}')")

    def open_files() -> int:
        lab.run(action)
        return len(list(Path("/proc/self/fd").iterdir()))

    gc.collect()
    gc.disable()
    try:
        # The SDK keeps up to ten connections for the next request.
        counts = [open_files() for _ in range(6)]
    finally:
        gc.enable()
    assert counts[-1] == counts[-2] == counts[-3]


def test_the_timer_of_a_stage_cannot_hold_the_process_up(lab: Lab, engine: DockerEngine) -> None:
    action = lab.action("import time; time.sleep(2); open('out.json', 'w').write('{}')")
    with ThreadPoolExecutor() as pool:
        run = pool.submit(lab.run, action)
        wait_until(lambda: is_running(engine, action.name), "the stage ran")
        wait_until(lambda: bool(timers()), "its timer ran")
        seen = timers()
        run.result(SECONDS)
    assert all(timer.daemon for timer in seen)


def timers() -> list[threading.Timer]:
    return [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_a_process_that_the_tool_leaves_behind_does_not_delay_the_stage(lab: Lab) -> None:
    program = f"import os\nopen('out.json', 'w').write('{{}}')\nif os.fork() == 0: {ASLEEP}"
    assert lab.run(lab.action(program, limits=Limits(seconds=60.0))) == {}
