from __future__ import annotations

import getopt
from pathlib import Path
from typing import Any

import pytest
from doit.cmd_base import Command
from doit.cmdparse import CmdParse
from doit.exceptions import InvalidCommand
from hypothesis import given
from hypothesis import strategies as st

from cvimake.cli.command_line import refusal, wrong_option
from cvimake.cli.loaders import Loader
from cvimake.cli.program import Main
from cvimake.core.errors import EXIT_REFUSED

COMMANDS = sorted(Main(config_filenames=()).get_cmds())


def command(name: str) -> Command:
    """A command as the program makes it."""
    commands = Main(config_filenames=()).get_cmds()
    kind: Any = commands.get_plugin(name)
    made: Command = kind(task_loader=Loader(), config={}, bin_name="./doit", cmds=commands)
    return made


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("plan", ["--jsn"], "there is no option --jsn; did you mean --json?"),
        ("run", ["shapes", "--contine"], "there is no option --contine; did you mean --continue?"),
        ("init", ["--quiet"], "there is no option --quiet"),
        ("new", ["--x"], "there is no option --x"),
        ("clean", ["-q"], "there is no option -q"),
        ("init", ["net.onnx", "--da=x"], "--da can mean --data or --dataset"),
        ("release", ["--name"], "--name needs a value: --name=VALUE"),
        ("graph", ["-o"], "-o needs a value: -o VALUE"),
        ("run", ["--json=3"], "--json takes no value"),
        ("run", ["-n", "x"], "-n needs a whole number, and is given 'x'"),
        ("preview", ["--count=1.5"], "--count needs a whole number, and is given '1.5'"),
        ("list", ["--sort=size"], "--sort needs one of name, definition, and is given 'size'"),
    ],
)
def test_a_wrong_option_is_told_in_a_short_sentence(
    name: str,
    arguments: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CVIMAKE_INVOKED_FROM", raising=False)
    assert Main(config_filenames=()).run([name, *arguments]) == EXIT_REFUSED
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err == f"cvimake: {name}: {told}\n  `cvimake help {name}` shows its options.\n"


PARSERS = [command(name).cmdparser for name in COMMANDS]


@given(st.sampled_from(PARSERS), st.lists(st.text("-=abcdijnoqsx1", max_size=8), max_size=3))
def test_what_getopt_refuses_has_a_reason_and_nothing_else_has(
    parser: CmdParse, arguments: list[str]
) -> None:
    try:
        getopt.gnu_getopt(list(arguments), parser.get_short(), parser.get_long())
    except getopt.GetoptError:
        assert wrong_option(parser, arguments) != ""
    else:
        assert wrong_option(parser, arguments) == "" or " needs " in wrong_option(parser, arguments)


def test_a_name_that_the_project_does_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CVIMAKE_INVOKED_FROM", raising=False)
    (tmp_path / "dodo.py").write_text('def task_shapes():\n    return {"actions": None}\n', encoding="utf-8")
    assert Main(config_filenames=()).run(["plam"]) == EXIT_REFUSED
    told = "cvimake: there is no command, model, stage or result 'plam'; did you mean plan?\n"
    assert capsys.readouterr().err.startswith(told)
    for name in ("forget", "clean", "list", "plan"):
        assert Main(config_filenames=()).run([name, "shapez"]) == EXIT_REFUSED
        told = "cvimake: there is no model, stage or result 'shapez'; did you mean shapes?\n"
        assert capsys.readouterr().err == f"{told}  `cvimake list` shows the models.\n"


def test_another_refusal_keeps_its_words() -> None:
    kept = refusal(InvalidCommand("-n is a number.\nNot a word."), command("run"), [])
    assert (kept.cause, kept.remedy, kept.exit_code) == ("-n is a number.", "Not a word.", EXIT_REFUSED)
