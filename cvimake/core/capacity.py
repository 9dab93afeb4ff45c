"""How much of the machine a stage takes while it runs, how much there is, and what each gets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from cvimake.core.action import GIBIBYTE

# Of a machine's memory, what stages may take together.
_SHARE_OF_MEMORY = 0.8


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a stage is expected to take.

    Attributes:
        memory: bytes that it holds at its peak, on one core.
        cores: that it can keep busy, at most.
        memory_per_core: bytes for each further core that it gets.
        seconds: that it takes on one core, as far as that can be told from the network's size.
    """

    memory: int
    cores: int = 1
    memory_per_core: int = 0
    seconds: float = 1.0

    def memory_on(self, cores: int) -> int:
        """Bytes that it holds on so many cores."""
        return self.memory + (cores - 1) * self.memory_per_core


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a stage gets of the machine.

    Attributes:
        cores: that it may keep busy.
        memory: bytes that it is expected to hold.
        free: bytes that nothing else is expected to hold, its own among them; None for no limit.
    """

    cores: int = 1
    memory: int = 0
    free: int | None = None


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What may be taken at one time.

    Attributes:
        memory: bytes; None for no limit.
        cores: that there are.
    """

    cores: int
    memory: int | None = None

    @classmethod
    def of_machine(cls, cores: int, memory: int) -> Capacity:
        """What a machine leaves to stages: its cores, and most of its memory; 0 where that is not known."""
        return cls(cores=max(1, cores), memory=int(memory * _SHARE_OF_MEMORY) or None)

    def share(self, running: Iterable[Share], load: Load, wanted: int) -> Share | None:
        """What one more stage gets; None where it has to wait. One larger than the machine runs alone.

        Args:
            running: what the others have.
            load: the stage's.
            wanted: cores that it is to get, if it can use them and they are free.
        """
        others = list(running)
        cores = self.cores - sum(share.cores for share in others)
        free = None if self.memory is None else self.memory - sum(share.memory for share in others)
        for count in range(max(1, min(load.cores, wanted, cores)), 0, -1):
            memory = load.memory_on(count)
            if count <= cores and (free is None or memory <= free):
                return Share(cores=count, memory=memory, free=free)
        return None if others else Share(memory=load.memory, free=free)


# What the stage that this thread runs has got.
_GRANTED: ContextVar[Share] = ContextVar("granted")


@contextmanager
def granted(share: Share) -> Iterator[None]:
    """Runs what is within with a share of the machine."""
    token = _GRANTED.set(share)
    try:
        yield
    finally:
        _GRANTED.reset(token)


def own_share() -> Share:
    """What the stage that runs in this thread has got; one core where nobody shares out."""
    return _GRANTED.get(Share())


# The engine builds it, mostly waiting for what is downloaded.
FRAMEWORKS_IMAGE = Load(memory=GIBIBYTE, seconds=150)


def cores_for(chain: float, all_seconds: float, capacity: Capacity) -> int:
    """Cores that a stage is to get: the part that it and what follows from it are of all work, rounded up.

    Several stages beside each other lose nothing to waiting for one another's processes, so each gets few
    cores as long as there is work for all; what all others will have to wait for gets them from the start.

    Args:
        chain: seconds of the longest chain that begins with it.
        all_seconds: of all the work that is left.
        capacity: what may be taken.
    """
    return max(1, math.ceil(capacity.cores * chain / all_seconds)) if all_seconds > 0 else capacity.cores
