"""Calls a function for each of many items, in processes that all begin with the same memory."""

from __future__ import annotations

import functools
import gc
import mmap
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, TypeVar, cast

Item = TypeVar("Item")
Value = TypeVar("Value")

Begin = Callable[[int], None]
"""Is told the place of the item of a group whose computation begins, so that a failure can name it."""
Function = Callable[[Sequence[Item], Begin], Iterable[Sequence[Value]]]
"""Yields the values of the items of a group in their order, several values at one time or one."""

_FORK = get_context("fork")
_PLACE_BYTES = 8


def one_by_one(function: Callable[[Item], Value]) -> Function[Item, Value]:
    """Return the function of a group that calls a function for each of its items."""

    def of_group(items: Sequence[Item], begin: Begin) -> Iterator[list[Value]]:
        for place, item in enumerate(items):
            begin(place)
            yield [function(item)]

    return of_group


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
    for place, (value,) in each_group(groups, one_by_one(function), lambda: processes, name):
        ended[place] = value
        while following in ended:
            yield ended.pop(following)
            following += 1


def each_group(
    groups: Mapping[int, Sequence[Item]],
    function: Function[Item, Value],
    processes: Callable[[], int],
    name: Callable[[Item], str] = str,
    ended: Callable[[int], object] = bool,
) -> Iterator[tuple[int, list[Value]]]:
    """Yield the number of each group with the function's values for its items, as groups end.

    The items of a group are computed in one process. Every process is forked from this
    one, so all groups begin with the same memory. A value can therefore not depend on other groups, or on the
    number of processes, even if the function reads memory that it has not written, as some operators of the
    toolchain do. It can depend on earlier items of its group.

    Args:
        groups: by their numbers, none of them empty; they begin in this order.
        function: gets the items of a group; its values must be picklable.
        processes: returns how many groups may be computed at one time; asked again as they end.
        name: returns an item's name for messages.
        ended: is called after some items, with their number.

    Raises:
        SystemExit: a call failed or its process died; the text names the item.
    """
    left = list(groups.items())[::-1]
    running: dict[Connection, tuple[int, ForkProcess, mmap.mmap]] = {}
    values: dict[int, list[Value]] = {}
    # A collection of garbage in a forked process would look at every object, and so copy all their memory.
    gc.freeze()
    try:
        while left or running:
            while left and len(running) < max(1, processes()):
                number, items = left.pop()
                ours, theirs = _FORK.Pipe(duplex=False)
                # Memory that both processes see.
                begun = mmap.mmap(-1, _PLACE_BYTES)
                process = _FORK.Process(target=_call, args=(function, items, theirs, begun), daemon=True)
                process.start()
                theirs.close()
                running[ours], values[number] = (number, process, begun), []
            for pipe in cast(list[Connection], wait(list(running))):
                number, process, begun = running[pipe]
                of_group = values[number]
                of_item = functools.partial(_name, name, groups[number], begun)
                some = value_of(of_item, pipe, process)
                of_group += some
                ended(len(some))
                if len(of_group) == len(groups[number]):
                    del running[pipe]
                    pipe.close()
                    process.join()
                    begun.close()
                    yield number, values.pop(number)
    finally:
        gc.unfreeze()
        for _, process, _ in running.values():
            process.kill()


def _name(name: Callable[[Item], str], items: Sequence[Item], begun: mmap.mmap) -> str:
    """Return the name of the item that was begun last."""
    return name(items[int.from_bytes(begun, "little")])


def value_of(name: Callable[[], str], pipe: Connection, process: ForkProcess) -> Any:  # noqa: ANN401 - what was sent
    """Return the next values that a process sends.

    Args:
        name: returns the name of the item that the process has begun.
        pipe: the process sends its values through it.
        process: the process.

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
        sys.exit(f"{name()}: the process that computed it {how}")
    if failed:
        sys.exit(f"{value}{name()}: it could not be computed")
    return value


def _call(function: Function[Item, Value], items: Sequence[Item], pipe: Connection, begun: mmap.mmap) -> None:
    """Send the function's values, or the text of its error; what is printed meanwhile is dropped."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)

    def begin(place: int) -> None:
        begun[:] = place.to_bytes(_PLACE_BYTES, "little")

    try:
        for values in function(items, begin):
            pipe.send((False, values))
    except Exception:  # noqa: BLE001 - every error is handed on
        pipe.send((True, traceback.format_exc()))
    pipe.close()
    # Without this, the ending of the forked simulator would be waited for.
    os._exit(0)
