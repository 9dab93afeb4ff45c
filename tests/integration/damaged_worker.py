"""A worker on a damaged machine: the last bit of each file flips after a tool has written it."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from cvimake.cli.__main__ import main
from cvimake.core import digest
from cvimake.core.action import Action
from cvimake.execution.sandbox import Ran, Sandbox

_run = Sandbox.run


def _run_and_damage(sandbox: Sandbox, action: Action, *arguments: Any, **options: Any) -> Ran:  # noqa: ANN401 - those of the sandbox
    ran = _run(sandbox, action, *arguments, **options)
    if not action.name.startswith("tiny:"):
        # The image must pass for a sound one.
        return ran
    outputs = {}
    for name in ran.outputs:
        path = Path(name)
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        outputs[name] = digest.of_file(path)
    return dataclasses.replace(ran, outputs=outputs)


Sandbox.run = _run_and_damage  # type: ignore[method-assign,assignment]

if __name__ == "__main__":
    sys.exit(main())
