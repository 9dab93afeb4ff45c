"""Cores and memory: what a stage takes, what the machine has, and what each stage gets."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from cvimake.core.action import GIBIBYTE

# Fraction of the machine's memory that all stages together may take.
_SHARE_OF_MEMORY = 0.8
_DIGITS = 9


@dataclass(frozen=True, kw_only=True)
class Load:
    """The cores, memory and time that a stage is expected to take.

    Attributes:
        memory: bytes at its peak, on one core.
        cores: the most cores that it can keep busy.
        memory_per_core: bytes for each further core that it gets.
        seconds: its time on one core, estimated from the size of the network.
        grows: it can use more cores while it runs.
    """

    memory: int
    cores: int = 1
    memory_per_core: int = 0
    seconds: float = 1.0
    grows: bool = False

    def memory_on(self, cores: int) -> int:
        """Return the bytes that it takes at its peak on a number of cores."""
        return self.memory + (cores - 1) * self.memory_per_core


@dataclass(frozen=True, kw_only=True)
class Share:
    """The cores and memory that a stage gets.

    Attributes:
        cores: number of cores that it may keep busy.
        memory: bytes that it is expected to take.
        free: bytes that no other stage is expected to take, including its own; None for no limit.
    """

    cores: int = 1
    memory: int = 0
    free: int | None = None


# The share of everything that got none from a build.
ONE_CORE = Share()


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """The cores and memory that all stages together may take at one time.

    Attributes:
        memory: bytes; None for no limit.
        cores: number of cores.
        cores_each: the most cores that one stage can get: those of the largest of several machines; None for
            one machine.
    """

    cores: int
    memory: int | None = None
    cores_each: int | None = None

    @classmethod
    def of_machine(cls, cores: int, memory: int) -> Capacity:
        """Return what stages may take of a machine: all its cores and most of its memory.

        Args:
            cores: the machine's cores; 0 if unknown.
            memory: its memory in bytes; 0 if unknown.
        """
        return cls(cores=max(1, cores), memory=int(memory * _SHARE_OF_MEMORY) or None)

    def share(self, running: Iterable[Share], load: Load, wanted: int) -> Share | None:
        """Return what one more stage gets, or None if it has to wait.

        A stage that needs more than the machine has runs when no other stage does.

        Args:
            running: what the running stages have got.
            load: what the stage takes.
            wanted: the most cores that it gets, if it can use them and they are free.
        """
        others = list(running)
        cores = self.cores - sum(share.cores for share in others)
        free = None if self.memory is None else self.memory - sum(share.memory for share in others)
        for count in range(max(1, min(load.cores, wanted, cores, self.cores_each or cores)), 0, -1):
            memory = load.memory_on(count)
            if count <= cores and (free is None or memory <= free):
                return Share(cores=count, memory=memory, free=free)
        return None if others else Share(memory=load.memory, free=free)


# The engine builds these images. Most of the time it waits for downloads.
FRAMEWORKS_IMAGE = Load(memory=GIBIBYTE, seconds=150)
EXPORT_IMAGE = Load(memory=GIBIBYTE, seconds=120)


def cores_for(chain: float, all_seconds: float, capacity: Capacity) -> int:
    """Return the number of cores that a stage gets.

    This is the fraction of all remaining work that the longest chain from this stage makes up, rounded up.
    Several stages of one core each waste less time than one stage of several processes that wait for each
    other. So a stage gets few cores while there is work for the others, and many if most of the work waits
    for it.

    Args:
        chain: seconds of the longest chain of stages that begins with it.
        all_seconds: seconds of all the work that is left.
        capacity: what stages may take.
    """
    if all_seconds <= 0:
        return capacity.cores
    # Both are sums, with errors in their last digits.
    return max(1, math.ceil(round(capacity.cores * chain / all_seconds, _DIGITS)))
