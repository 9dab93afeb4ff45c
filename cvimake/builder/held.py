"""The shares of the machine that running stages have, and how they grow."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

from cvimake.core.capacity import Capacity, Load, Share
from cvimake.execution.growth import Growth

Name = TypeVar("Name", bound=Hashable)


class Held:
    """The share that one running stage has.

    Attributes:
        growth: the way to its tool.
    """

    def __init__(self, share: Share) -> None:
        self.growth = Growth()
        self._began = time.monotonic()
        # Its share, since when it has this, and the core seconds before. One value: other threads read it.
        self._now = (share, self._began, 0.0)

    @property
    def share(self) -> Share:
        """The share that it has now."""
        return self._now[0]

    def grow(self, share: Share) -> bool:
        """Take a larger share; return False if the tool cannot use it now."""
        if not self.growth.grant(share):
            return False
        before, since, taken = self._now
        now = time.monotonic()
        self._now = (share, now, taken + before.cores * (now - since))
        return True

    @property
    def cores(self) -> float:
        """The number of cores that it had; the average since it began if they have become more."""
        share, since, taken = self._now
        if not taken:
            return share.cores
        now = time.monotonic()
        return (taken + share.cores * (now - since)) / (now - self._began)


class Running(NamedTuple):
    """A running stage.

    Attributes:
        share: what it has.
        load: what it was expected to take.
        chain: seconds of the longest chain of stages that begins with it.
    """

    share: Share
    load: Load
    chain: float


def larger(capacity: Capacity, running: Mapping[Name, Running]) -> dict[Name, Share]:
    """Return the larger shares of running stages while cores are free.

    Each core goes to the stage with the most seconds of its chain for each core that it has.

    Args:
        capacity: what all stages together may take.
        running: all that run.
    """
    shares = {name: stage.share for name, stage in running.items()}
    growing = [name for name, stage in running.items() if stage.load.grows]
    while growing:
        name = max(growing, key=lambda each: running[each].chain / shares[each].cores)
        others = [share for other, share in shares.items() if other != name]
        more = capacity.share(others, running[name].load, shares[name].cores + 1)
        if more and more.cores > shares[name].cores:
            shares[name] = more
        else:
            growing.remove(name)
    return {name: share for name, share in shares.items() if share != running[name].share}
