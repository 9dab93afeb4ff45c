"""The key of an action: the digest of everything that decides the bytes of its outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cvimake.core import digest
from cvimake.core.action import Action


def action_key(action: Action, fingerprint: str, sha256_of: Callable[[Path], str]) -> str:
    """Return the key of an action, a sha256 in hexadecimal. It is equal in all projects and on all machines.

    Args:
        action: the action.
        fingerprint: the fingerprint of the toolchain that it would run in.
        sha256_of: returns the sha256 of a file.

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
