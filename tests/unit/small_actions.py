"""One action with an input of each kind, for tests of values; nothing runs it."""

from __future__ import annotations

from pathlib import Path

from cvimake.core.action import Action, FileKind, Folder, Input, Output, Text

ACTION = Action(
    name="net:mlir",
    argv=("tool", "--fast"),
    environment={"TZ": "UTC"},
    inputs=(Input(name="in", path=Path("models/net/in")),),
    outputs=(Output(name="out", path=Path("build/net/out"), kind=FileKind.TEXT),),
    texts=(Text(name="list", text="a\n"),),
    folders=(Folder(target="/dataset", files={"1.png": Path("data/1.png")}),),
)
