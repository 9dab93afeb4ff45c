"""Calls a function for each of many items, in processes that all begin with the same memory."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """Yield the function's value for each item, in the order of the items; see `each_group`."""
    ended: dict[int, Value] = {}
    following = 0
    groups = {place: [item] for place, item in enumerate(items)}
    for place, (value,) in each_group(groups, function, processes, name):
        ended[place] = value
        while following in ended:
            yield ended.pop(following)
            following += 1


def each_group(
    groups: Mapping[int, Sequence[Item]],
    function: Callable[[Item], Value],
    processes: int,
    name: Callable[[Item], str] = str,
) -> Iterator[tuple[int, list[Value]]]:
    """Yield the number of each group with the function's values for its items, as groups end.

    The items of a group are computed in one process, one after another. Every process is forked from this
    one, so all groups begin with the same memory. A value can therefore not depend on other groups, or on the
    number of processes, even if the function reads memory that it has not written, as some operators of the
    toolchain do. It can depend on earlier items of its group.

    Args:
        groups: by their numbers, none of them empty; they begin in this order.
        function: gets an item; its value must be picklable.
        processes: how many groups are computed at one time.
        name: returns an item's name for messages.

    Raises:
        SystemExit: a call failed or its process died; the text names the item.
    """
    left = list(groups.items())[::-1]
    running: dict[Connection, tuple[int, ForkProcess]] = {}
    values: dict[int, list[Value]] = {}
    try:
        while left or running:
            while left and len(running) < max(1, processes):
                number, items = left.pop()
                ours, theirs = _FORK.Pipe(duplex=False)
                process = _FORK.Process(target=_call, args=(function, items, theirs), daemon=True)
                process.start()
                theirs.close()
                running[ours], values[number] = (number, process), []
            for pipe in cast(list[Connection], wait(list(running))):
                number, process = running[pipe]
                of_group = values[number]
                of_group.append(value_of(name(groups[number][len(of_group)]), pipe, process))
                if len(of_group) == len(groups[number]):
                    del running[pipe]
                    pipe.close()
                    process.join()
                    yield number, values.pop(number)
    finally:
        for _, process in running.values():
            process.kill()


def value_of(name: str, pipe: Connection, process: ForkProcess) -> Any:  # noqa: ANN401 - what was sent
    """Return the next value that a process sends.

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
    if failed:
        sys.exit(f"{value}{name}: it could not be computed")
    return value


def _call(function: Callable[[Item], Value], items: Sequence[Item], pipe: Connection) -> None:
    """Send the function's values, or the text of its error; what is printed meanwhile is dropped."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    try:
        for item in items:
            pipe.send((False, function(item)))
    except Exception:  # noqa: BLE001 - every error is handed on
        pipe.send((True, traceback.format_exc()))
    pipe.close()
    # Without this, the ending of the forked simulator would be waited for.
    os._exit(0)
