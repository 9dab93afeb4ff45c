"""Memory, cores and time that a stage is expected to take, and the limits that it must keep."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from cvimake.core.action import GIBIBYTE, Limits
from cvimake.core.capacity import Load
from cvimake.project.dataset import Samples
from cvimake.project.declarations import DeclaredModel
from cvimake.project.settings import Settings

# Samples that the tools take to tune and to search with, where none are declared.
TUNED, SEARCHED = 5, 10
# The limit for a stage of several processes: each may have as many threads as there are cores, for every
# network that it loads.
MANY_PROCESSES = 4096


@dataclass(frozen=True, kw_only=True)
class NetworkSize:
    """The size of a network, as far as it is known before the network is read.

    Attributes:
        values: numbers in all its inputs together.
    """

    values: int

    @classmethod
    def of_shapes(cls, shapes: Iterable[Iterable[int]] | None) -> NetworkSize:
        """Return the size for these input shapes; where none are declared, for 640x640 and three channels."""
        return cls(values=sum(map(math.prod, shapes)) if shapes else 3 * 640 * 640)

    @property
    def inputs(self) -> int:
        """Bytes of its inputs."""
        return 4 * self.values

    def loaded(self, times: int) -> int:
        """Return the bytes of a process that has loaded it so many times, with its weights and all tensors.

        One takes 42 times the bytes of the input for YOLO11n, and 70 times for YOLOv5s.
        """
        return GIBIBYTE // 4 + times * 70 * self.inputs

    @property
    def inference(self) -> float:
        """Seconds of one inference on one core: about 0.25 for YOLO11n, 0.5 for YOLOv5s."""
        return 0.05 + self.values / 4e6


# Memory that a sample takes, in sizes of the input: measured 3 for YOLO11n, 5.3 for YOLOv5s.
_LIVE = 6
# Inferences that tuning runs for each of its samples.
_TUNING = 22


def conversion(network: NetworkSize) -> Load:
    """Estimate a conversion: two networks run side by side, to prove that they are the same."""
    return Load(memory=network.loaded(2), seconds=1 + 8 * network.inference)


def export(network: NetworkSize) -> Load:
    """Estimate the export of a checkpoint: PyTorch is loaded, and a network of up to 25 million weights."""
    return Load(memory=GIBIBYTE + network.loaded(1), seconds=10 + 8 * network.inference)


def transform(network: NetworkSize) -> Load:
    """Estimate a transform: the network is read, made into MLIR, and compared."""
    return Load(memory=network.loaded(4), seconds=5 + 8 * network.inference)


def calibration(network: NetworkSize, samples: int, tuned: int) -> Load:
    """Estimate a calibration: samples are shared out to processes, each of which loads the network."""
    # A process holds the float network and the one that is tuned.
    process = network.loaded(2)
    return Load(
        memory=process + samples * _LIVE * network.inputs,
        cores=max(1, samples),
        # Each process tunes with all samples that are tuned with.
        memory_per_core=process + tuned * _LIVE * network.inputs,
        seconds=5 + 1.5 * network.inference * samples + _TUNING * network.inference * tuned,
        grows=True,
    )


def search(network: NetworkSize, samples: int) -> Load:
    """Estimate a search: samples are shared out to processes, each of which loads three networks."""
    process = network.loaded(3)
    return Load(
        memory=process + samples * _LIVE * network.inputs,
        cores=max(1, samples),
        memory_per_core=process,
        seconds=10 + 40 * network.inference * samples,
    )


def deployment(network: NetworkSize) -> Load:
    """Estimate a compilation, with the run on the simulator."""
    return Load(memory=network.loaded(4), seconds=3 + 20 * network.inference)


def accuracy(network: NetworkSize, images: int, seconds: float) -> Load:
    """Estimate an evaluation: images in groups, each in a process of its own, several at a time.

    Args:
        network: the size of the network.
        images: how many are evaluated.
        seconds: for each image.
    """
    # Besides the network, a process has the decoded detections, which are few.
    return Load(
        memory=network.loaded(2),
        cores=max(1, images),
        memory_per_core=network.loaded(1),
        seconds=2 + images * seconds,
        grows=True,
    )


def preview(images: int, columns: int) -> Load:
    """Estimate the drawing of so many images in so many columns."""
    return Load(memory=GIBIBYTE // 2, seconds=2 + 0.1 * images * columns)


LISTING = Load(memory=GIBIBYTE // 4, seconds=0.5)


def size(model: DeclaredModel) -> NetworkSize:
    """Return the size of a model's network."""
    return NetworkSize.of_shapes(model.inputs.shapes)


def count(samples: Samples, wanted: int | None) -> int:
    """Return how many samples the tool takes: as many as are wanted, and at most those that there are."""
    return min(wanted, samples.count) if wanted else samples.count


def limits(model: DeclaredModel) -> Limits:
    """Return the limits that the project's settings declare."""
    return declared_limits(model.settings)


def declared_limits(settings: Settings) -> Limits:
    """Return the limits that settings declare."""
    declared = settings.limits
    return Limits(
        memory=int(declared.memory * GIBIBYTE),
        seconds=declared.hours * 3600,
        workspace=int(declared.workspace * GIBIBYTE),
        files=declared.file_count,
    )
