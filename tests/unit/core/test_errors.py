from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from cvimake.core.errors import (
    CvimakeError,
    DeclarationError,
    EngineError,
    ImageError,
    Problem,
    StageFailedError,
    ToolFailedError,
    harmless,
)


def test_an_error_says_what_is_wrong_and_then_every_line_of_its_remedy() -> None:
    assert (
        str(CvimakeError("no engine", "start it\nor install it")) == "no engine\n  start it\n  or install it"
    )


def test_an_error_without_a_remedy_is_one_line() -> None:
    assert str(CvimakeError("no engine")) == "no engine"


def test_a_failed_stage_exits_with_1() -> None:
    assert StageFailedError("x").exit_code == 1


@pytest.mark.parametrize("kind", [CvimakeError, DeclarationError, EngineError, ImageError])
def test_errors_outside_of_stages_exit_with_2(kind: type[CvimakeError]) -> None:
    assert kind("x").exit_code == 2


@pytest.mark.parametrize("text", ["\x1b[31mred", "bell\x07", "\x9b2J", "back\rover", "\u202eturned"])
def test_nothing_from_elsewhere_steers_a_terminal(text: str) -> None:
    printed = str(CvimakeError(text, text))
    assert not any(character in printed for character in "\x1b\x07\x9b\r\u202e")
    assert "\N{REPLACEMENT CHARACTER}" in printed


def test_lines_and_other_alphabets_stay() -> None:
    assert harmless("Größe:\n\t尺寸") == "Größe:\n\t尺寸"


# As data


def test_an_error_as_data_has_an_id_and_leaves_out_the_name_of_its_stage() -> None:
    assert EngineError("net:mlir: it is gone", "Start it.").problem("net:mlir") == Problem(
        id="engine", cause="it is gone", remedy="Start it."
    )


def test_a_known_failure_keeps_its_id_its_link_and_its_log() -> None:
    error = ToolFailedError(
        "net:mlir: no Mod", "Leave it out.", log=Path("a.log"), known="no-mod", link="https://example.org"
    )
    assert error.problem("net:mlir") == Problem(
        id="no-mod", cause="no Mod", remedy="Leave it out.", link="https://example.org", log="a.log"
    )
    assert str(error).splitlines() == [
        "net:mlir: no Mod",
        "  Leave it out.",
        "  More: https://example.org",
        "  The whole log: a.log",
    ]


def test_an_unknown_failure_shows_the_end_of_its_log() -> None:
    error = ToolFailedError("net:mlir: exit code 7", log=Path("a.log"), excerpt=["one", "two"])
    assert error.problem().id == "tool-failed"
    assert str(error).splitlines() == [
        "net:mlir: exit code 7",
        "  one",
        "  two",
        "  The whole log: a.log",
    ]


def test_nothing_in_the_data_steers_a_terminal() -> None:
    assert "\x1b" not in repr(CvimakeError("\x1b[31mred", "\x1b[31mred").problem())


def test_the_docs_list_every_id() -> None:
    for room in (
        "builder.store.exchange",
        "builder.task_failure",
        "builder.unbuildable",
        "cli.json_build",
        "cluster.address",
        "cluster.damage",
    ):
        importlib.import_module(f"cvimake.{room}")
    kinds = [CvimakeError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    page = (Path(__file__).parents[3] / "docs" / "json.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z-]+)` \|", page.rpartition("| id |")[2], re.MULTILINE)
    ours = {kind.id for kind in kinds if kind.__module__.startswith("cvimake.")}
    assert ours == set(listed)
