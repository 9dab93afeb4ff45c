"""A stage and the store: its key there, taking its outputs from the store, and putting them in."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cvimake.core import digest
from cvimake.core.action import Action
from cvimake.core.content import Contents, State
from cvimake.core.errors import CvimakeError
from cvimake.core.key import action_key
from cvimake.core.paths import TOOLCHAIN
from cvimake.core.publication import publish
from cvimake.execution.logs import write_note
from cvimake.execution.workspace import workspace

if TYPE_CHECKING:
    from cvimake.builder.build import Build
    from cvimake.builder.store import Entry


@dataclass(frozen=True)
class Found:
    """An action's result in the store.

    Attributes:
        inputs: the states of its inputs that the key was made of, by their paths.
    """

    key: str
    entry: Entry
    inputs: Mapping[str, State]


def key_of(action: Action, toolchain: str, inputs: Mapping[str, State]) -> str:
    """Return the key of an action.

    Args:
        action: what would run, or has run.
        toolchain: the text of the record of what it runs in.
        inputs: the states of its inputs, by their paths.
    """
    return action_key(action, _fingerprint_of(toolchain), lambda path: str(inputs[str(path)][-1]))


def recorded_toolchain(path: Path, contents: Contents) -> tuple[str, State]:
    """Return the text of a record of a toolchain, and the state of the file that holds it.

    Raises:
        CvimakeError: it was edited while it was read, or is no text.
        OSError: it cannot be read.
    """
    state, held = contents.state(str(path)), path.read_bytes()
    try:
        text = held.decode()
    except UnicodeDecodeError as error:
        raise CvimakeError(
            f"{path} is no text", f"Remove it; `./doit {path.stem}` writes it anew."
        ) from error
    if digest.of_text(text) != state[-1]:
        raise CvimakeError(f"{path} was edited while it was read", "Start again.")
    return text, state


def _fingerprint(build: Build, toolchain: Path) -> str:
    return _fingerprint_of(recorded_toolchain(build.root / toolchain, build.contents)[0])


# Thousands of stages share one or two records of a toolchain.
@functools.lru_cache(maxsize=8)
def _fingerprint_of(identity: str) -> str:
    return digest.of_value(json.loads(identity))


def find(build: Build, action: Action, toolchain: Path = TOOLCHAIN) -> Found | None:
    """Find an action's result in the store; return None if it is not there."""
    store = build.store.store
    if store is None:
        return None
    try:
        text, state = recorded_toolchain(build.root / toolchain, build.contents)
        inputs = {str(path): build.contents.state(str(path)) for path in action.paths()}
        key = key_of(action, text, inputs)
    except (CvimakeError, OSError, ValueError):
        # The stage itself reports a missing file.
        return None
    entry = store.find(key)
    if entry is None:
        build.store.miss()
        return None
    return Found(key, entry, {**inputs, str(toolchain): state})


def restore(build: Build, action: Action, found: Found) -> bool:
    """Publish an action's outputs from the store, and note that it did not run here.

    Returns:
        True if they are there now; otherwise the reason has been printed.

    Raises:
        OSError: the results cannot be written.
    """
    store = build.store.store
    started = time.monotonic()
    if store is None or not take(build, action, found):
        return False
    write_note(
        build.root,
        action.name,
        f"did not run here: its outputs came from the store {store.label}, key {found.key}\n"
        f"./doit --always-execute --single {action.name} runs it",
    )
    build.store.hit(found.entry.seconds - (time.monotonic() - started))
    return True


def take(build: Build, action: Action, found: Found) -> bool:
    """Publish an action's outputs from the store; see `restore`."""
    store, root = build.store.store, build.root
    if store is None:
        return False
    with workspace(root) as folder:
        targets = {file.name: folder / file.name for file in action.outputs}

        def beat() -> None:
            written = sum(path.stat().st_size for path in targets.values() if path.exists())
            build.activities.tell(action.name, "from the store", 100 * written // max(1, found.entry.size))

        if not store.restore(found.key, found.entry, targets, beat):
            return False
        publish({targets[file.name]: root / file.path for file in action.outputs})
    return True


def foresee(build: Build, stages: Iterable[tuple[Iterable[str], Action | None, Path]]) -> list[bool]:
    """Tell for each stale stage whether its outputs would come from the store.

    Args:
        build: looks into its store.
        stages: in the order in which they run: the files that each makes, its action where it has one, and
            the record of what it would run in.
    """
    store = build.store.store
    # The sha256 that files will have; None if it is not known before they are made.
    foreseen: dict[str, str | None] = {}

    def sha256_of(path: Path) -> str:
        sha256 = foreseen[str(path)] if str(path) in foreseen else build.contents.state(str(path))[-1]
        if sha256 is None:
            raise FileNotFoundError(path)
        return str(sha256)

    def entry_of(action: Action, toolchain: Path) -> Entry | None:
        if store is None or str(toolchain) in foreseen:
            return None
        try:
            return store.find(action_key(action, _fingerprint(build, toolchain), sha256_of))
        except (CvimakeError, OSError):
            return None

    found: list[bool] = []
    for targets, action, toolchain in stages:
        entry = entry_of(action, toolchain) if action else None
        foreseen |= dict.fromkeys(targets)
        if action and entry:
            outputs = {file.name: str(file.path) for file in action.outputs}
            foreseen |= {
                outputs[name]: blob.sha256 for name, blob in entry.outputs.items() if name in outputs
            }
        found.append(entry is not None)
    return found


def keep(build: Build, key: str, action: Action, seconds: float, outputs: Mapping[str, str]) -> None:
    """Put the outputs of an action that has just finished into the store.

    Args:
        build: has the store.
        key: by what its inputs held while it ran.
        action: that ran.
        seconds: how long.
        outputs: the sha256 of what it wrote, by the paths of its outputs. The store keeps nothing else.
    """
    if build.store.store is None:
        return
    from cvimake.builder.store import Blob, Entry  # noqa: PLC0415 - slow to import, and only needed where something ran

    blobs = {
        file.name: Blob(sha256=outputs[str(file.path)], size=file.path.stat().st_size)
        for file in action.outputs
    }
    entry = Entry(
        action=action.name,
        seconds=seconds,
        cores=max(1, round(build.held[action.name].cores)) if action.name in build.held else 1,
        outputs=blobs,
    )
    build.store.keep(key, entry, {file.name: Path(file.path).absolute() for file in action.outputs})
