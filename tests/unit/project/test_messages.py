"""Snapshots of what people read about a wrong declaration or a failed tool.

`CVIMAKE_TEST_WRITE=1` writes them anew; the difference is for a reviewer to read.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import declaration_mistakes
import pytest

from cvimake.core.action import Ending, Limits
from cvimake.core.errors import ToolFailedError
from cvimake.project import fetch, names, presence, rules, sampling
from cvimake.toolchain.diagnose import diagnose
from cvimake.toolchain.known_failures import KNOWN

DATA = Path(__file__).parents[1] / "data"
DECLARATIONS, FAILURES = DATA / "messages" / "declarations.txt", DATA / "messages" / "failures.txt"


def held(path: Path, text: str) -> str:
    """Return what a snapshot holds, after it was written anew if that is wanted."""
    if os.environ.get("CVIMAKE_TEST_WRITE"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")


def test_the_messages_of_wrong_declarations_are_those_of_the_snapshot(tmp_path: Path) -> None:
    text = declaration_mistakes.page(tmp_path)
    assert held(DECLARATIONS, text) == text


def test_the_messages_of_known_failures_are_those_of_the_snapshot() -> None:
    text = "".join(failures())
    assert held(FAILURES, text) == text


def failures() -> Iterator[str]:
    """Yield what is printed for the real log of every known failure."""
    yield "Known failures, as they are printed for the logs in tests/unit/data/logs.\n"
    order = {known.id: number for number, known in enumerate(KNOWN)}
    for path in sorted(DATA.glob("logs/*/*.log"), key=lambda path: (order[path.parent.name], path.name)):
        head, _, log = path.read_text(encoding="utf-8").partition("\n")
        found = diagnose(Ending(**json.loads(head)), log, Limits())
        assert found is not None
        error = ToolFailedError(
            f"MODEL:STAGE: {found.cause}", found.remedy, log=Path("LOG"), known=found.id, link=found.link
        )
        yield f"\n# {found.id} ({path.stem})\n\n{error}\n"


@pytest.mark.parametrize(
    "module", [fetch, names, presence, rules, sampling], ids=lambda module: module.__name__
)
def test_the_snapshot_has_every_message(module: ModuleType) -> None:
    text = DECLARATIONS.read_text(encoding="utf-8")
    assert [message for message in messages(module) if message not in text] == []


def messages(module: ModuleType) -> Iterator[str]:
    """Yield the longest fixed piece of every text that a module yields, raises or returns."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Yield | ast.Raise | ast.Return | ast.Assign):
            for inner in ast.walk(node):
                if isinstance(inner, ast.JoinedStr | ast.Constant):
                    parts = inner.values if isinstance(inner, ast.JoinedStr) else [inner]
                    texts = [part.value for part in parts if isinstance(part, ast.Constant)]
                    longest = max((text for text in texts if isinstance(text, str)), key=len, default="")
                    if " " in longest.strip() and len(longest) > 12:
                        yield longest
