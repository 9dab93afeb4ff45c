from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cvimake.core.action import Action
from cvimake.core.errors import ImageError, StageFailedError
from cvimake.execution.image import fingerprint

IDENTITY = {"files": {"packages": "00"}}


class FakeSandbox:
    """A step in an image finds these files changed, or fails."""

    image = "sha256:abc"

    def __init__(self, changed: list[str] | None) -> None:
        self.changed = changed
        self.engine = self
        self.actions: list[Action] = []

    def removal(self, image: str) -> str:
        return f"remove {image}"

    def run(self, action: Action) -> None:
        self.actions.append(action)
        if self.changed is None:
            raise StageFailedError("image:check: its tool ended with exit code 1")
        text = json.dumps(self.changed)
        Path(action.outputs[0].path).write_text(text, encoding="utf-8")


def check(changed: list[str] | None) -> Action:
    sandbox: Any = FakeSandbox(changed)
    fingerprint.check(sandbox, IDENTITY)
    (action,) = sandbox.actions
    return action  # type: ignore[no-any-return]


def test_an_image_as_it_was_built_is_accepted() -> None:
    action = check([])
    assert action.texts[0].text == json.dumps(IDENTITY["files"])
    assert action.argv[-3] == "/opt/cvimake/files.sha256"


def test_changed_files_are_named_with_a_remedy() -> None:
    with pytest.raises(ImageError, match=r"changed: a, b, c, d, e and 2 more") as caught:
        check(list("abcdefg"))
    assert caught.value.remedy.endswith("remove sha256:abc")


def test_an_image_that_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ImageError, match="exit code 1") as caught:
        check(None)
    assert "remove sha256:abc" in caught.value.remedy
