"""The key of an Action: all that decides the bytes of its results, as one sha256."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cvimake import digest
from cvimake.action import Action


def input_digests(action: Action, sha256_of_path: Callable[[Path], str]) -> dict[str, str]:
    """The sha256 of each file that an action reads, by the name under which its tool sees it."""
    inputs = {file.name: sha256_of_path(file.path) for file in action.inputs}
    for folder in action.folders:
        for name, path in folder.files.items():
            inputs[f"{folder.target}/{name}"] = sha256_of_path(path)
    return inputs


def action_key(action: Action, fingerprint: str, sha256_of_path: Callable[[Path], str]) -> str:
    """The key of an action: equal on every machine for equal definitions, toolchains and inputs.

    Args:
        action: the tool's run.
        fingerprint: the toolchain's.
        sha256_of_path: gives the sha256 of an input's bytes.
    """
    return digest.of_value(
        {
            "definition": action.definition(),
            "toolchain": fingerprint,
            "inputs": input_digests(action, sha256_of_path),
        }
    )
