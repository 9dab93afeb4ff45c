"""`./doit shell`: a shell with a stage's rights, files and command; on a terminal and without one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from lab import EXAMPLE, HANGS_AFTER, ROOT, containers_of, environment
from projects import Project

from cvimake.core import digest
from cvimake.execution.engine.docker import FILES_VARIABLE, DockerEngine

COMMAND = (sys.executable, "-m", "cvimake.cli", "shell")
STAGE = "tiny:f16"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny model with its cvimodel in F16."""
    folder = tmp_path_factory.mktemp("shell")
    shutil.copy(ROOT / "dodo.py", folder)
    for name in ("models", "datasets"):
        shutil.copytree(EXAMPLE / name / "tiny", folder / name / "tiny")
    return Project(folder, "tiny").built(STAGE)


@dataclass(frozen=True)
class Piped:
    """A shell that has run a script."""

    process: int
    returncode: int
    stdout: str
    stderr: str


def piped(project: Project, script: str, *arguments: str, **variables: str) -> Piped:
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=project.folder, env=environment(**variables), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            printed, told = process.communicate(script, HANGS_AFTER)
        finally:
            process.kill()
    return Piped(process.pid, process.returncode, printed, told)


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, project: Project, *arguments: str) -> None:
        self.ours, self.theirs = pty.openpty()
        self.resize(30, 100)
        self.before = termios.tcgetattr(self.theirs)
        self.shown = ""
        self.process = subprocess.Popen(
            # The terminal tells a change of its size to the session that it belongs to.
            ["setsid", "--ctty", *COMMAND, *arguments], cwd=project.folder, env=environment(TERM="xterm"),
            stdin=self.theirs, stdout=self.theirs, stderr=self.theirs,
        )  # fmt: skip

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def see(self, pattern: str, seconds: float = HANGS_AFTER) -> str:
        """Wait until the terminal shows something; forget everything up to there and return it."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.shown)):
            assert time.monotonic() < end, f"{pattern!r} was not shown: {self.shown!r}"
            if select.select([self.ours], [], [], 1.0)[0]:
                self.shown += os.read(self.ours, 65536).decode(errors="replace")
        seen, self.shown = self.shown[: found.end()], self.shown[found.end() :]
        return seen

    def prompt(self) -> None:
        """Wait until the shell waits for a command: it shows its prompt, and nothing after it for a while."""
        end = time.monotonic() + HANGS_AFTER
        while True:
            assert time.monotonic() < end, f"no prompt: {self.shown!r}"
            if select.select([self.ours], [], [], 1.0)[0]:
                self.shown += os.read(self.ours, 65536).decode(errors="replace")
            elif self.shown.endswith("$ "):
                self.shown = ""
                return

    def ended(self) -> int:
        """Wait for the end; return the exit code."""
        end = time.monotonic() + HANGS_AFTER
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it goes on: {self.shown!r}"
            # Otherwise a full terminal would hold it up.
            if select.select([self.ours], [], [], 0.2)[0]:
                self.shown += os.read(self.ours, 65536).decode(errors="replace")
        return self.process.returncode


@contextlib.contextmanager
def terminal(project: Project, *arguments: str) -> Iterator[Terminal]:
    opened = Terminal(project, *arguments)
    try:
        yield opened
    finally:
        opened.process.kill()
        opened.process.wait()
        os.close(opened.ours)
        os.close(opened.theirs)


def test_the_stages_command_gives_the_stages_bytes(project: Project) -> None:
    result = piped(project, "./command.sh\n", STAGE)
    assert result.returncode == 0, result.stdout + result.stderr
    folder = project.folder / "build" / "shell" / "tiny" / "f16"
    (name,) = [path.name for path in folder.glob("*.cvimodel")]
    assert digest.of_file(folder / name) == digest.of_file(project.folder / "build" / "tiny" / name)
    # The inputs were only mounted.
    assert not (folder / "tiny.mlir").exists()


def test_an_edited_command_stays_and_that_is_told(project: Project) -> None:
    folder = project.folder / "build" / "shell" / "tiny" / "mlir"
    assert (
        piped(
            project, "echo '#!/bin/sh' >command.sh; echo 'echo mine' >>command.sh\n", "tiny:mlir"
        ).returncode
        == 0
    )
    result = piped(project, "./command.sh\n", "tiny:mlir")
    assert result.stdout == "mine\n"
    assert "command.sh differs from the stage's command, and stays" in result.stderr
    assert "model_transform" in (folder / ".history").read_text(encoding="utf-8")


def test_the_shell_has_the_rights_of_a_stage(project: Project) -> None:
    script = (
        "id -u; grep -c . /proc/net/route; grep CapEff /proc/self/status; "
        "echo x >tiny.mlir; rm -f tiny.mlir; touch /elsewhere; unshare -n true; "
        "echo kept >mine.txt; exit 7"
    )
    result = piped(project, script, STAGE)
    assert result.returncode == 7
    user, routes, capabilities = result.stdout.splitlines()
    assert user != "0"
    assert routes == "1"
    assert set(capabilities.split()[1]) == {"0"}
    for refusal in (
        "tiny.mlir: Read-only file system",
        "cannot remove 'tiny.mlir'",
        "'/elsewhere': Read-only",
    ):
        assert refusal in result.stderr
    assert "unshare failed: Operation not permitted" in result.stderr
    assert (project.folder / "build/shell/tiny/f16/mine.txt").read_text(encoding="utf-8") == "kept\n"


def test_the_guides_commands_and_a_models_results_are_there(project: Project) -> None:
    script = (
        "model_tool --info tiny_cv181x_f16.cvimodel | grep -ci cvimodel; "
        "model_deploy.py --help | grep -c usage; ls *.sh"
    )
    result = piped(project, script, "tiny")
    assert result.returncode == 0, result.stderr
    told, helped, *scripts = result.stdout.splitlines()
    assert int(told) > 0
    assert helped == "1"
    assert {"mlir.sh", "f16.sh", "f16_info.sh"} <= set(scripts)
    assert "tiny:onnx has other files under the same names: ./doit shell tiny:onnx" in result.stderr
    assert "not built yet: build/tiny/tiny_calibration_table" in result.stderr
    assert "`./doit tiny:calibration" in result.stderr


def test_links_do_not_stay(project: Project) -> None:
    assert (
        piped(project, "ln -s /etc/passwd link; mkfifo pipe; mkdir folder; echo 1 >folder/file\n").returncode
        == 0
    )
    folder = project.folder / "build" / "shell" / "_tools"
    assert sorted(path.name for path in folder.iterdir()) == [".history", "folder"]


def test_with_archives_the_folder_goes_in_and_comes_back(project: Project, engine: DockerEngine) -> None:
    first = piped(
        project, "mkdir deep; echo 1 >deep/file; ln -s /etc link; ls\n", STAGE, **{FILES_VARIABLE: "archive"}
    )
    assert first.returncode == 0, first.stderr
    assert "tiny.mlir" in first.stdout
    folder = project.folder / "build" / "shell" / "tiny" / "f16"
    assert not (folder / "tiny.mlir").exists()
    assert not (folder / "link").is_symlink()
    second = piped(
        project, "cat deep/file; rm -r deep; echo x >tiny.mlir; rm -f tiny.mlir; exit 3\n", STAGE,
        **{FILES_VARIABLE: "archive"},
    )  # fmt: skip
    assert (second.returncode, second.stdout) == (3, "1\n")
    assert "tiny.mlir: Permission denied" in second.stderr
    assert "cannot remove 'tiny.mlir'" in second.stderr
    assert not (folder / "deep").exists()
    assert containers_of(engine, first.process) == containers_of(engine, second.process) == []


def test_inputs_that_are_not_built_are_named_with_their_command(project: Project) -> None:
    before = sorted(project.folder.glob("build/tiny/*"))
    result = piped(project, "echo never", "tiny:mix")
    assert result.returncode == 2
    assert "tiny:mix: its inputs are not there: " in result.stderr
    assert "`./doit tiny:calibration tiny:mix_qtable` builds them" in result.stderr
    assert result.stdout == ""
    assert sorted(project.folder.glob("build/tiny/*")) == before


def test_a_terminal(project: Project, engine: DockerEngine) -> None:
    with terminal(project, STAGE) as shell:
        shell.see(r"read-only: .*tiny\.mlir")
        shell.prompt()
        # The up key brings the stage's command, which Ctrl-C gives up.
        shell.type("\x1b[A")
        shell.see(r"model_deploy\.py")
        # bash takes Ctrl-C otherwise while it draws the line, and draws the prompt at the next key alone.
        time.sleep(2)
        shell.type("\x03")
        shell.prompt()
        shell.type("stty size\r")
        shell.see(r"30 100\r\n")
        shell.prompt()
        shell.resize(40, 120)
        shell.type("sleep 1; stty size\r")
        shell.see(r"40 120\r\n")
        shell.prompt()
        shell.type("sleep 300\r")
        shell.see("sleep 300\r\n")
        time.sleep(1)
        shell.type("\x03")
        shell.prompt()
        shell.type("test -t 0 && (exit 5)\r")
        shell.prompt()
        shell.type("\x04")
        assert shell.ended() == 5
        assert termios.tcgetattr(shell.theirs) == shell.before
    assert containers_of(engine, shell.process.pid) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_shell_and_restores_the_terminal(
    project: Project, engine: DockerEngine, number: signal.Signals, code: int
) -> None:
    with terminal(project) as shell:
        shell.prompt()
        assert len(containers_of(engine, shell.process.pid)) == 1
        shell.process.send_signal(number)
        assert shell.ended() == code
        assert termios.tcgetattr(shell.theirs) == shell.before
    assert containers_of(engine, shell.process.pid) == []


def test_the_container_of_a_killed_shell_is_swept(project: Project, engine: DockerEngine) -> None:
    with terminal(project) as shell:
        shell.prompt()
        shell.process.kill()
        shell.process.wait()
    DockerEngine(engine.client, environment())
    assert containers_of(engine, shell.process.pid) == []


def test_a_shell_whose_files_take_too_much_room_is_ended(project: Project, engine: DockerEngine) -> None:
    settings = project.folder / "pyproject.toml"
    settings.write_text("[tool.cvimake.limits]\nworkspace = 0.01\n", encoding="utf-8")
    try:
        script = "for i in 1 2 3; do head -c 8000000 /dev/zero >big$i; done; sleep 300; echo never\n"
        result = piped(project, script)
    finally:
        settings.unlink()
    assert result.returncode == 2
    assert result.stdout == ""
    assert "build/shell/_tools take more than 10737418 bytes" in result.stderr
    assert containers_of(engine, result.process) == []
    shutil.rmtree(project.folder / "build" / "shell" / "_tools")


def test_one_shell_at_a_time_in_a_folder(project: Project) -> None:
    with terminal(project) as shell:
        shell.prompt()
        result = piped(project, "true")
        assert result.returncode == 2
        assert "has a shell open in" in result.stderr
        shell.type("exit\r")
        assert shell.ended() == 0
