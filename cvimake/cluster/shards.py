"""Shards: the parts of one action's work that several workers do, before another run puts them together.

Each shard is an action of its own, with a key and a result in the store. So it alone runs again elsewhere if
its worker is lost, and the next build finds it there if this one is killed. The action itself then runs with
the parts in the place of those that a killed run had finished: its key and its outputs do not depend on how
its work was shared out.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cvimake.builder.store import Blob, Entry
from cvimake.cluster.comparison import GivenUpError
from cvimake.core.action import Action, FileKind, Folder, Output, Shared
from cvimake.toolchain.container.evaluation.parts import name_of

Value = TypeVar("Value")

# A result in the store has at most 1000 files, and each part is one.
_MOST_PARTS = 500


@dataclass(frozen=True)
class Shard:
    """A shard of an action's work.

    Attributes:
        parts: the numbers of the parts that it does.
        action: the action that does them; it publishes nothing.
    """

    parts: range
    action: Action


@dataclass(frozen=True, kw_only=True)
class Computed:
    """Parts of an action's work that are in the store.

    Attributes:
        parts: their files, by their numbers.
        spent: the seconds of one core that they took.
        workers: the names of the workers that did them.
    """

    parts: dict[str, Blob] = field(default_factory=dict)
    spent: float = 0.0
    workers: tuple[str, ...] = ()


def shared_out(action: Action, workers: int) -> list[Shard]:
    """Return the shards of an action's work, one for each worker; none if it is not shared out.

    Args:
        action: the action.
        workers: how many workers could begin now.
    """
    shared = action.shared
    count = len(shared.files) if shared else 0
    if shared is None or min(workers, count) < 2:  # noqa: PLR2004 - one has nobody to share with
        return []
    size = min(max(workers, -(-count // _MOST_PARTS)), count)
    cuts = [count * number // size for number in range(size + 1)]
    return [_shard(action, shared, range(*ends)) for ends in itertools.pairwise(cuts)]


def computed(results: Sequence[tuple[Shard, Entry, Sequence[str]]]) -> Computed:
    """Return the parts of all shards.

    Args:
        results: each shard with its result and the names of the workers that made it.
    """
    return Computed(
        parts={
            str(number): entry.outputs[name_of(number)]
            for shard, entry, _ in results
            for number in shard.parts
        },
        spent=sum(entry.seconds * entry.cores for _, entry, _ in results),
        workers=tuple(dict.fromkeys(worker for _, _, workers in results for worker in workers)),
    )


def has_all(shard: Shard, entry: Entry) -> bool:
    """Tell whether a result in the store has the files of a shard."""
    return entry.outputs.keys() == {name_of(number) for number in shard.parts}


def all_at_once(
    shards: Sequence[Shard], run: Callable[[int, Shard, Callable[[], None]], Value]
) -> list[Value]:
    """Run all shards at one time, each in a thread; if one fails, the others are given up.

    Args:
        shards: at least one.
        run: gets a shard with its place, and a function that raises an exception to give up.
    """
    over = threading.Event()

    def goes_on() -> None:
        if over.is_set():
            raise GivenUpError("cancelled")

    with ThreadPoolExecutor(len(shards), thread_name_prefix="shard") as pool:
        futures = [pool.submit(run, place, shard, goes_on) for place, shard in enumerate(shards)]
        try:
            ended = wait(futures, return_when=FIRST_EXCEPTION).done
            for future in ended:
                future.result()
        finally:
            over.set()
    return [future.result() for future in futures]


def _shard(action: Action, shared: Shared, parts: range) -> Shard:
    files = {name for part in parts for name in shared.files[part]}

    def cut(folder: Folder) -> Folder:
        if folder.target != shared.folder:
            return folder
        kept = {name: path for name, path in folder.files.items() if name in files}
        return dataclasses.replace(folder, files=kept)

    names = [name_of(number) for number in parts]
    return Shard(
        parts,
        dataclasses.replace(
            action,
            argv=(*action.argv, f"--only={parts.start}:{parts.stop}"),
            outputs=tuple(Output(name=name, path=Path(name), kind=FileKind.JSON) for name in names),
            folders=tuple(map(cut, action.folders)),
            parts="",
            shared=None,
        ),
    )
