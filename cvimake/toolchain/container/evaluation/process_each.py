"""Calls a function for each of many items, every call in a process of its own."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, TypeVar, cast

Item = TypeVar("Item")
Value = TypeVar("Value")

_FORK = get_context("fork")


def each(
    items: Sequence[Item],
    function: Callable[[Item], Value],
    processes: int,
    name: Callable[[Item], str] = str,
) -> Iterator[Value]:
    """Yield the function's value for each item, in the order of the items.

    Every process is forked from this one, so all calls begin with the same memory. A call can therefore not
    depend on those before it, or on the number of processes, even if the function reads memory that it has
    not written, as some operators of the toolchain do.

    Args:
        items: the items.
        function: gets an item; its value must be picklable.
        processes: how many calls run at one time.
        name: returns an item's name for messages.

    Raises:
        SystemExit: a call failed or its process died; the text names the item.
    """
    left = list(enumerate(items))[::-1]
    running: dict[Connection, tuple[int, ForkProcess]] = {}
    ended: dict[int, Value] = {}
    following = 0
    try:
        while left or running:
            while left and len(running) < max(1, processes):
                place, item = left.pop()
                ours, theirs = _FORK.Pipe(duplex=False)
                process = _FORK.Process(target=_call, args=(function, item, theirs), daemon=True)
                process.start()
                theirs.close()
                running[ours] = place, process
            for pipe in cast(list[Connection], wait(list(running))):
                place, process = running.pop(pipe)
                ended[place] = value_of(name(items[place]), pipe, process)
            while following in ended:
                yield ended.pop(following)
                following += 1
    finally:
        for _, process in running.values():
            process.kill()


def value_of(name: str, pipe: Connection, process: ForkProcess) -> Any:  # noqa: ANN401 - what was sent
    """Return the value that a process has sent.

    Raises:
        SystemExit: its call failed, or it died.
    """
    try:
        failed, value = pipe.recv()
    except (EOFError, OSError):
        # The second one if it ended within a value.
        process.join()
        code = process.exitcode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        sys.exit(f"{name}: the process that computed it {how}")
    pipe.close()
    process.join()
    if failed:
        sys.exit(f"{value}{name}: it could not be computed")
    return value


def _call(function: Callable[[Item], Value], item: Item, pipe: Connection) -> None:
    """Send the function's value, or the text of its error; what is printed meanwhile is dropped."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    try:
        pipe.send((False, function(item)))
    except Exception:  # noqa: BLE001 - every error is handed on
        pipe.send((True, traceback.format_exc()))
    pipe.close()
    # Without this, the ending of the forked simulator would be waited for.
    os._exit(0)
