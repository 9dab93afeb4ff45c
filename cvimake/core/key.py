"""What names the result of an Action: all that decides its bytes, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cvimake.core import digest
from cvimake.core.action import Action


def action_key(action: Action, fingerprint: str, sha256_of: Callable[[Path], str]) -> str:
    """The sha256 of an action, the same in every project and on every machine, in hexadecimal.

    Args:
        action: what would run.
        fingerprint: of the toolchain that it would run in.
        sha256_of: gives the sha256 of a file by its path.

    Raises:
        OSError: an input cannot be read.
    """
    return digest.of_value(
        {
            "definition": action.definition(),
            "toolchain": fingerprint,
            "inputs": {file.name: sha256_of(file.path) for file in action.inputs},
            "folders": {
                folder.target: {name: sha256_of(path) for name, path in folder.files.items()}
                for folder in action.folders
            },
        }
    )
