"""How much of the machine a stage takes while it runs, and how much there is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cvimake.action import GIBIBYTE

# Of a machine's memory, what stages may take together.
_SHARE_OF_MEMORY = 0.8


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a stage is expected to take.

    Attributes:
        memory: bytes that it holds at its peak.
        cores: that it keeps busy.
    """

    memory: int
    cores: int = 1


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

    def bears(self, running: Iterable[Load], another: Load) -> bool:
        """Whether one more fits. A stage that is larger than the machine runs alone."""
        loads = [*running, another]
        if len(loads) == 1:
            return True
        fits = self.memory is None or sum(load.memory for load in loads) <= self.memory
        return fits and sum(load.cores for load in loads) <= self.cores


# Peaks seen for networks of up to 640x640: YOLOv5s' calibration holds 3.3 GB, its transform 1.4.
CONVERSION = Load(memory=GIBIBYTE)
TRANSFORM = Load(memory=2 * GIBIBYTE)
CALIBRATION = Load(memory=4 * GIBIBYTE)
SEARCH = Load(memory=4 * GIBIBYTE)
DEPLOYMENT = Load(memory=2 * GIBIBYTE)
LISTING = Load(memory=GIBIBYTE // 4)
