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


@dataclass(frozen=True, kw_only=True)
class Network:
    """How large a network is, as far as that is known before it is read: the values of all its inputs."""

    values: int

    @classmethod
    def of_shapes(cls, shapes: Iterable[Iterable[int]] | None) -> Network:
        """One with inputs of these shapes; where they are not declared, of 640x640 and three channels."""
        return cls(values=sum(map(math.prod, shapes)) if shapes else 3 * 640 * 640)

    @property
    def inputs(self) -> int:
        """Bytes of its inputs."""
        return 4 * self.values

    def loaded(self, times: int) -> int:
        """Bytes of a process that has loaded it so many times: weights and a place for every tensor.

        That is 42 times the input for YOLO11n and 70 times for YOLOv5s.
        """
        return GIBIBYTE // 4 + times * 70 * self.inputs

    @property
    def inference(self) -> float:
        """Seconds for one, on one core: a quarter for YOLO11n, half for YOLOv5s."""
        return 0.05 + self.values / 4e6


# What is kept of a sample at one time, in sizes of the input: 3 for YOLO11n, 5.3 for YOLOv5s.
_LIVE = 6
# Inferences that tuning takes, for each sample that it tunes with.
_TUNING = 22


def conversion(network: Network) -> Load:
    """Two networks run side by side, to prove that they are the same."""
    return Load(memory=network.loaded(2), seconds=1 + 8 * network.inference)


def transform(network: Network) -> Load:
    """The network read, made MLIR and compared."""
    return Load(memory=network.loaded(4), seconds=5 + 8 * network.inference)


def calibration(network: Network, samples: int, tuned: int) -> Load:
    """Samples are shared out to processes, each of which loads the network."""
    # The float network and the one that is tuned.
    process = network.loaded(2)
    return Load(
        memory=process + samples * _LIVE * network.inputs,
        cores=max(1, samples),
        # Each process tunes with all samples that are tuned with.
        memory_per_core=process + tuned * _LIVE * network.inputs,
        seconds=5 + 1.5 * network.inference * samples + _TUNING * network.inference * tuned,
    )


def search(network: Network, samples: int) -> Load:
    """Candidates are tried on samples, which are shared out to processes; each loads three networks."""
    process = network.loaded(3)
    return Load(
        memory=process + samples * _LIVE * network.inputs,
        cores=max(1, samples),
        memory_per_core=process,
        seconds=10 + 40 * network.inference * samples,
    )


def deployment(network: Network) -> Load:
    """One variant compiled and run on the simulator."""
    return Load(memory=network.loaded(4), seconds=3 + 20 * network.inference)


# The engine builds it, mostly waiting for what is downloaded.
FRAMEWORKS_IMAGE = Load(memory=GIBIBYTE, seconds=150)
LISTING = Load(memory=GIBIBYTE // 4, seconds=0.5)


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
