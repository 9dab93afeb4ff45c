"""Every command with an output that nobody reads, and its help."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import save
from small_networks import model

from cvimake.cli.closed_output import EXIT_UNREAD
from cvimake.cli.program import Main
from cvimake.core.errors import EXIT_NOT_POSSIBLE

CHECKOUT = Path(__file__).parents[3]
COMMANDS = sorted(Main(config_filenames=()).get_cmds())
# Command lines that print something without an engine.
PRINTING = (
    "--help", "--version", "help", "help run", "help task", "list --all", "plan", "plan --json", "why",
    "info tiny", "init net.onnx", "new another", "schema", "tabcompletion", "log tiny", "store", "nonsense",
    "plan --nonsense",
)  # fmt: skip
# Of these the exit code says that nobody read what they printed.
NOTICING = frozenset({"--help", "help", "help run", "list --all", "plan", "plan --json"})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of one model, made as a user makes it."""
    folder = tmp_path_factory.mktemp("parent") / "project"
    made = run(["new", str(folder)], CHECKOUT, stdout=subprocess.PIPE)
    assert made.returncode == 0, made.stderr
    save(model([("Relu", ["x"], ["y"], {})], ["y"]), folder / "net.onnx")
    return folder


def run(
    arguments: list[str],
    folder: Path,
    *,
    unbuffered: bool = False,
    stdout: int,
    stderr: int = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONPATH": str(CHECKOUT), "CVIMAKE_STORE": "none"}
    if unbuffered:
        environment["PYTHONUNBUFFERED"] = "1"
    return subprocess.run(
        [sys.executable, "-m", "cvimake.cli", *arguments], cwd=folder, env=environment, text=True,
        check=False, stdout=stdout, stderr=stderr, timeout=120,
    )  # fmt: skip


def unread() -> int:
    """The end for writing of a pipe whose other end is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def ended(
    arguments: list[str], folder: Path, *, unbuffered: bool = False
) -> subprocess.CompletedProcess[str]:
    pipe = unread()
    try:
        return run(arguments, folder, unbuffered=unbuffered, stdout=pipe)
    finally:
        os.close(pipe)


@pytest.mark.parametrize("line", sorted(NOTICING | {"schema"}))
def test_an_output_on_a_full_disk_is_one_error(line: str, project: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        result = run(line.split(), project, stdout=full.fileno())
    assert result.stderr.splitlines() == [
        "cvimake: the output cannot be written: No space left on device",
        "  Free some space where it goes, and run the command again.",
    ]
    assert result.returncode == EXIT_NOT_POSSIBLE


@pytest.mark.parametrize("line", PRINTING)
def test_a_command_whose_output_nobody_reads_ends_in_order(line: str, project: Path) -> None:
    result = ended(line.split(), project)
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr
    # Others may fail, or print nothing, before they notice.
    assert result.returncode in ({EXIT_UNREAD} if line in NOTICING else {0, 1, 2, 3, EXIT_UNREAD})


@pytest.mark.parametrize("line", ["--help", "help", "list --all", "init net.onnx --name other"])
def test_a_closed_output_is_noticed_with_and_without_buffering(line: str, project: Path) -> None:
    result = ended(line.split(), project, unbuffered=True)
    assert (result.returncode, result.stderr) == (EXIT_UNREAD, "")


def test_the_first_line_alone_can_be_read(project: Path) -> None:
    """As in `./doit help | head -1`."""
    command = f"{sys.executable} -m cvimake.cli help run | head -1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["bash", "-c", command], cwd=project, env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    first, code = result.stdout.splitlines()
    assert (first, result.stderr) == ("PURPOSE", "")
    # All of it may be written before `head` has read its line.
    assert code in {"0", f"{EXIT_UNREAD}"}


def test_both_streams_can_be_closed_at_once(project: Path) -> None:
    pipe = unread()
    assert run(["help"], project, stdout=pipe, stderr=pipe).returncode == EXIT_UNREAD
    os.close(pipe)


def test_an_output_that_the_caller_closed_is_none(project: Path) -> None:
    line = [sys.executable, "-m", "cvimake.cli", "list"]
    result = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *line],
        cwd=project, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, stderr=subprocess.PIPE,
        text=True, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_ends_in_order_in_it(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--help", "-h"):
        assert Main(config_filenames=()).run([command, option]) == 0
        assert "USAGE" in capsys.readouterr().out
    with os.fdopen(unread(), "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert Main(config_filenames=()).run([command, "--help"]) == EXIT_UNREAD


def test_a_pipe_that_breaks_elsewhere_is_no_closed_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from doit.cmd_list import List  # noqa: PLC0415 - the command that is broken here

    def broken(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(List, "parse_execute", broken)
    with open(os.devnull, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a stream with a number
        monkeypatch.setattr(sys, "stdout", stream)
        assert Main(config_filenames=()).run(["list"]) == 3
    assert "BrokenPipeError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "build/.lock"), "build/.lock: Permission denied"),
        (OSError(errno.EROFS, "Read-only file system", "build/.lock"), "build/.lock: Read-only file system"),
        (sqlite3.OperationalError("unable to open database file"), "the records in build/: unable to open"),
    ],
)
def test_files_that_are_closed_to_this_user_are_said_by_every_command(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from doit.cmd_list import List  # noqa: PLC0415 - the command that fails here

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(List, "parse_execute", fails)
    assert Main(config_filenames=()).run(["list"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"cvimake: {said}")
    assert "chown" in shown
    assert "Traceback" not in shown
