from __future__ import annotations

from collections import Counter

import pytest

from cvimake.cli.help import GROUPS, REFUSED, overview
from cvimake.cli.program import Main
from cvimake.core.errors import EXIT_NOT_POSSIBLE

COMMANDS = set(Main(config_filenames=()).get_cmds())


def test_every_command_is_in_one_group() -> None:
    grouped = Counter(name for names in (*GROUPS.values(), REFUSED) for name in names)
    assert set(grouped.values()) == {1}
    assert set(grouped) == COMMANDS


def test_commands_of_the_project_come_last_and_long_lines_are_broken() -> None:
    words = " ".join(["word"] * 40)
    purposes = {**dict.fromkeys(COMMANDS, "does something"), "mine": words, "silent": ""}
    lines = list(overview("./doit", purposes))
    place = lines.index("\nof this project")
    assert lines[place + 1].startswith("  mine ")
    assert " ".join(lines[place + 1 :]).split() == ["mine", *words.split(), "silent"]
    assert max(len(line) for text in lines for line in text.splitlines()) <= 110


@pytest.mark.parametrize("arguments", [["help"], ["--help"]])
def test_it_tells_all_commands_but_those_that_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert Main(config_filenames=()).run(arguments) == 0
    told = capsys.readouterr().out
    assert "doit --" not in told
    assert {line.split()[0] for line in told.splitlines() if line.startswith("  ")} >= COMMANDS - REFUSED
    assert not any(f"  {name} " in told for name in REFUSED)


def test_of_one_command_it_tells_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert Main(config_filenames=()).run(["help", "list"]) == 0
    told = capsys.readouterr().out
    assert "--all" in told
    assert "dodo file" not in told.partition("OPTIONS")[0]


@pytest.mark.parametrize("arguments", [["plna"], ["plna", "report"]])
def test_a_command_that_is_not_there_is_told_with_the_nearest(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert Main(config_filenames=()).run(["help", *arguments]) == EXIT_NOT_POSSIBLE
    told = capsys.readouterr().err
    assert f"there is no command {' '.join(arguments)!r}; did you mean plan?" in told
    assert "cvimake help` lists all" in told
