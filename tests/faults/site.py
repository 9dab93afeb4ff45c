"""A project that is built and disturbed, and what its build is where nobody disturbs it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from docker.models.containers import Container

import docker
from cvimake.cli.answers.request import FOLDER as ANSWERS
from cvimake.core import digest, filesystem
from cvimake.core.invocation import INVOKED_FROM
from cvimake.execution.engine.docker import LABEL

CHECKOUT = Path(__file__).resolve().parents[2]
# The model that sees the whole toolchain in seconds lies with the tests, the bundled one with the project.
PLACES = {"tiny": CHECKOUT / "tests", "shapes": CHECKOUT}
# A build that takes longer hangs, also on a machine with much other work.
SECONDS = 2400.0
# A build that is told to end, or whose stage is killed, ends within this; other stages may go on to theirs.
ENDING_SECONDS = 1800.0
# An answer is kept only if nothing has changed shortly before its command began; this is longer, in seconds.
_REST = 5 * filesystem.CLOCK_STEP
_MOST_BUILDS_TO_ANSWER = 4
DATABASES = ("doit.sqlite", "history.sqlite")


@dataclass(frozen=True)
class Undisturbed:
    """A build that nobody disturbed.

    Attributes:
        results: the sha256 of every file in the model's folder.
        seconds: how long each stage took, in the order in which they ended.
    """

    results: Mapping[str, str]
    seconds: Mapping[str, float]

    @property
    def stages(self) -> list[str]:
        """Those of the model: all but the toolchain's."""
        return [stage for stage in self.seconds if ":" in stage]


@dataclass(frozen=True)
class Site:
    """A project of one model.

    Attributes:
        variables: of the environment, for its builds.
    """

    folder: Path
    model: str
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, model: str, variables: Mapping[str, str] | None = None) -> Site:
        """Makes a project with a copy of a model and its datasets."""
        folder.mkdir(parents=True)
        shutil.copy(CHECKOUT / "dodo.py", folder)
        shutil.copytree(PLACES[model] / "models" / model, folder / "models" / model)
        # One to calibrate with, and for shapes one to measure on.
        for dataset in (PLACES[model] / "datasets").glob(f"{model}*"):
            shutil.copytree(dataset, folder / "datasets" / dataset.name)
        return cls(folder, model, dict(variables or {}))

    @property
    def build(self) -> Path:
        """Where everything is built."""
        return self.folder / "build"

    @property
    def results_folder(self) -> Path:
        """Where the model's files are."""
        return self.build / self.model

    @contextlib.contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Starts a build, in a process group of its own; it does not outlive who started it."""
        mine = {name: value for name, value in os.environ.items() if name != INVOKED_FROM}
        # A result that comes from elsewhere says nothing of how it would have been built.
        own = {"PYTHONPATH": str(CHECKOUT), "CVIMAKE_STORE": "none", **self.variables}
        with subprocess.Popen(
            [sys.executable, "-m", "cvimake.cli", *arguments],
            cwd=self.folder, env={**mine, **own}, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                    process.communicate(timeout=ENDING_SECONDS)

    def run(self, *arguments: str) -> tuple[int, str, int]:
        """Runs a command to its end; returns its exit code, what it said, and its process number."""
        with self.started(*arguments) as process:
            output, _ = process.communicate(timeout=SECONDS)
        return process.returncode, output, process.pid

    def answer(self) -> None:
        """Builds, with nothing to do, until the answer is kept: a later build could give it again.

        Raises:
            RuntimeError: it is not kept.
        """
        # The first build records the new times of files that were put in place. The next one keeps its answer
        # if all that the first one wrote was at rest when it began.
        output = ""
        for _ in range(_MOST_BUILDS_TO_ANSWER):
            _, output, _ = self.run()
            if any((self.folder / ANSWERS).glob("*")):
                return
            time.sleep(_REST)
        raise RuntimeError(f"no answer is kept of this build:\n{output}")

    def undisturbed(self) -> Undisturbed:
        """Builds everything.

        Raises:
            RuntimeError: that failed; with all that it said.
        """
        code, output, _ = self.run()
        if code != 0:
            raise RuntimeError(f"the undisturbed build ended with {code}:\n{output}")
        with contextlib.closing(sqlite3.connect(self.build / "history.sqlite")) as history:
            seconds = dict(history.execute("select task, seconds from runs order by ended"))
        return Undisturbed(self.results(), seconds)

    def results(self) -> dict[str, str]:
        """The sha256 of every file in the model's folder; empty for what is no file."""
        return {
            path.name: digest.of_file(path) if path.is_file() else ""
            for path in sorted(self.results_folder.glob("*"))
        }

    def has_begun(self, stage: str) -> bool:
        """Whether a stage has begun since the build's folder was made."""
        return (self.build / "logs" / f"{stage.replace(':', '/')}.log").exists()

    def clear(self) -> None:
        """Removes everything that was built."""
        shutil.rmtree(self.build, ignore_errors=True)

    def restore(self, kept: Path) -> None:
        """Puts a kept copy of the build's folder in its place."""
        self.clear()
        shutil.copytree(kept, self.build, symlinks=True)


def containers(client: docker.DockerClient, process: int) -> list[Container]:
    """The containers of a build, running or not."""
    found: list[Container] = client.containers.list(
        all=True, ignore_removed=True, filters={"label": f"{LABEL}={process}"}
    )
    return found


def faults_after(site: Site, undisturbed: Undisturbed, client: docker.DockerClient) -> Iterator[str]:
    """Builds once more, to the end, and tells everything that is not as if nothing had happened."""
    code, output, process = site.run()
    if code != 0:
        yield f"the next build ended with {code}: {last_lines(output)}"
    if died(output):
        yield f"the next build died: {last_lines(output)}"
    yield from differences(site, undisturbed)
    if containers(client, process):
        yield "the next build left a container"
    yield from leftovers(site)
    code, output, _ = site.run("plan")
    if (code, output) != (0, "nothing to do\n"):
        yield f"something is left to do: {last_lines(output)}"


def differences(site: Site, undisturbed: Undisturbed) -> Iterator[str]:
    """Files that an undisturbed build does not have, or has otherwise."""
    results, right = site.results(), undisturbed.results
    for name in sorted(right.keys() | results.keys()):
        if results.get(name) != right.get(name):
            there = (
                "is missing" if name not in results else "is left over" if name not in right else "differs"
            )
            yield f"{name} {there}"


def leftovers(site: Site) -> Iterator[str]:
    """A lock that is held, a workspace that is there, a database that is damaged."""
    with (site.build / ".lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield "the lock is held"
    if left := sorted(path.name for path in site.build.glob(".work/*")):
        yield f"workspaces are left: {', '.join(left)}"
    for name in DATABASES:
        with contextlib.closing(sqlite3.connect(site.build / name)) as database:
            try:
                (found,) = database.execute("pragma integrity_check").fetchone()
            except sqlite3.Error as error:
                found = str(error)
        if found != "ok":
            yield f"{name}: {found}"


def died(output: str) -> bool:
    """Whether cvimake itself ended with a traceback; of a failed tool's, it shows no frames."""
    return "Traceback" in output and 'File "' in output


def last_lines(output: str) -> str:
    """The end of what a build said, in one line."""
    return " | ".join(output.strip().splitlines()[-4:])


def until(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = SECONDS) -> bool:
    """Waits until something holds; false where the build ended, or the time, before it did."""
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
