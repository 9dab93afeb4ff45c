"""Shares samples out to processes, and counts their values; plain functions without effects."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLOAT = 4
# The number of values that are counted at a time: as many as the processor's cache holds.
_BLOCK = 65536
# The bytes that a process holds before it has read a network: the interpreter and the toolchain's libraries.
BARE_PROCESS = 200 * 1024**2
# The time of computing all samples again, where they come in rounds, as a fraction of the time of one pass.
_SECOND_INFERENCE = 0.5


@dataclass(frozen=True)
class Layer:
    """A layer as the toolchain's calibrator goes through it.

    Attributes:
        outputs: names of its tensors; the calibrator asks for the layer by the first of them.
        sizes: the number of values in each of them.
        operands: the tensors that it computes from, without weights.
        found: the operands that the calibrator finds and hands over. It finds no output of a layer that has
            several.
    """

    outputs: tuple[str, ...]
    sizes: tuple[int, ...]
    operands: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True)
class Walk:
    """The needs of one sample on its way through the calibrator.

    Attributes:
        live: the most bytes of its tensors that are held at one time.
        leftovers: some layer computes from a tensor that the calibrator does not hand over. So it computes
            from the values that the sample before has left in the network.
    """

    live: int
    leftovers: bool


def walk(layers: Sequence[Layer]) -> Walk:
    """Follow the calibrator's reference counts through the network."""
    uses: dict[str, int] = {}
    for layer in layers:
        for name in layer.operands:
            uses[name] = uses.get(name, 0) + 1
    sizes = {name: size for layer in layers for name, size in zip(layer.outputs, layer.sizes, strict=True)}
    held: dict[str, int] = {}
    most, leftovers = 0, False
    for layer in layers:
        if any(name not in layer.found or name not in held for name in layer.operands):
            leftovers = True
        outputs = [name for index, name in enumerate(layer.outputs) if index == 0 or uses.get(name)]
        held |= {name: uses.get(name, 0) for name in outputs}
        most = max(most, sum(sizes[name] for name in held))
        for name in outputs:
            if held.get(name) == 0:
                del held[name]
            # The calibrator looks for the layer by its tensor. It does not find a layer with several tensors,
            # and then releases nothing.
            for operand in layer.found if len(layer.outputs) == 1 else ():
                if operand in held:
                    held[operand] -= 1
                    if held[operand] == 0:
                        del held[operand]
    return Walk(most * _FLOAT, leftovers)


def samples(files: Sequence[str], batch: int, rows: Callable[[str], list[int]] | None) -> list[list[str]]:
    """Return the files of each sample; one "sample" of all files if it is not known which belong together.

    Args:
        files: all files, in their order; a line with several inputs counts as one.
        batch: the number of rows of the network's inputs.
        rows: the number of rows of the arrays in each file, for files that are stacked to a batch by their
            rows (npz). None for images, which are stacked file by file, and for npy files with a batch of 1,
            which are not stacked.
    """
    if rows and batch > 1:
        found = {count for file in files for count in rows(file)}
        if min(found) > 1:
            batch = 1
        elif found != {1}:
            # Some files are whole batches and others are stacked: only the loader knows the samples.
            return [list(files)]
        elif len(files) < batch:
            return [list(files)]
        else:
            # Files that do not fill a batch are left out.
            files = files[: len(files) // batch * batch]
    return [list(files[start : start + batch]) for start in range(0, len(files), batch)]


def arrangement(  # noqa: PLR0913, PLR0917 - all that decides it
    processes: int, count: int, memory: int | None, process: int, sample: int, least: int = 1
) -> tuple[int, int]:
    """Return how many processes to use, and in how many rounds each goes through its samples.

    Args:
        processes: the most processes that are allowed.
        count: the number of samples.
        memory: the bytes that all processes together may hold; None for no limit.
        process: the bytes that each process holds beside its samples.
        sample: the bytes of one sample.
        least: the number of samples that each process has to hold at some time, whatever its share.
    """

    def rounds(size: int) -> int:
        share = math.ceil(count / size)
        if memory is None:
            return 1
        at_once = (memory // size - process) // sample
        return math.ceil(share / at_once) if at_once > 0 else share

    def cost(size: int) -> float:
        return math.ceil(count / size) * (1 + _SECOND_INFERENCE * (rounds(size) > 1))

    def fits(size: int) -> bool:
        return memory is None or size * (process + least * sample) <= memory

    sizes = [size for size in range(1, min(processes, count) + 1) if size == 1 or fits(size)]
    best = min(sizes, key=cost)
    return best, rounds(best)


def most_processes(  # noqa: PLR0913, PLR0917 - all that decides it
    processes: int, count: int, memory: int | None, process: int, sample: int, least: int = 1
) -> int:
    """Return how many processes may go on with work that one has begun, each with its share of it in memory.

    Args:
        processes: the most processes that are allowed.
        count: the number of samples that are shared out.
        memory: the bytes that all processes together may hold; None for no limit.
        process: the bytes that each process holds beside its samples.
        sample: the bytes of one sample.
        least: the number of samples that each process holds, whatever its share.
    """

    def fits(size: int) -> bool:
        held = max(least, math.ceil(count / size))
        return memory is None or size * (process + held * sample) <= memory

    return max((size for size in range(1, processes + 1) if size == 1 or fits(size)), default=1)


def shares(count: int, size: int) -> list[range]:
    """Return the samples of each process: neighbours, in shares that are as equal as possible."""
    return [range(count * rank // size, count * (rank + 1) // size) for rank in range(size)]


def percentile(largest: Sequence[Any], size: int, share: float, kept: int) -> Any:  # noqa: ANN401 - one of numpy's scalars
    """Return a percentile of the magnitudes of all samples, as the toolchain computes it.

    Args:
        largest: the largest magnitudes of each sample.
        size: the number of values in a sample.
        share: the percentile, in percent.
        kept: the number of magnitudes that are kept, of each sample and of all.
    """
    every = np.zeros(len(largest) * kept)
    for index, values in enumerate(largest):
        every[index * kept : (index + 1) * kept] = values
    every = np.sort(every)[-kept:]
    last = len(largest) * size - 1
    ratio = (share / 100) * last - int((share / 100) * last)
    return every[0] + ratio * (every[1] - every[0]) if kept != 1 else every[0]


def histogram(values: NDArray[Any], largest: Any, bins: int) -> tuple[NDArray[np.int32], Any]:  # noqa: ANN401 - any of numpy's scalars
    """Do the same as the toolchain's `BaseKldCalibrator.histogram`, faster.

    The toolchain rounds magnitudes to whole numbers, and lets `numpy.histogram` find the bin of each number
    between edges that are closer together than 1: number N is in bin N. A number above the last bin is in
    none, and so is a value that is no number. So it is enough to count the numbers. The toolchain leaves out
    zeros, which are therefore subtracted from the first bin. Blocks of float32 are computed in place.

    Returns:
        The number of values in each bin, and the width of a bin.
    """
    width = largest / (bins - 1)
    flat = values.reshape(-1)
    counts: NDArray[np.int64] = np.zeros(bins, dtype=np.int64)
    with np.errstate(all="ignore"):
        # If the width is no number, or 0, zeros are in no bin.
        is_plain = flat.dtype == np.result_type(flat, width) == np.float32 and 0 < np.float32(width) < np.inf
        room = np.empty(min(flat.size, _BLOCK) if is_plain else 0, np.float32)
        for start in range(0, flat.size, _BLOCK):
            block = flat[start : start + _BLOCK]
            if is_plain:
                magnitudes = np.abs(block, out=room[: block.size])
                counts[0] -= np.count_nonzero(magnitudes == 0)
                places = np.divide(magnitudes, width, out=magnitudes)
                places += np.float32(0.5)
            else:
                magnitudes = np.abs(block)
                magnitudes = magnitudes[magnitudes != 0]
                places = magnitudes / width + 0.5
            # The least value of an integer type has no magnitude, and stays negative.
            if magnitudes.dtype.kind != "f" or not places.max(initial=0) < bins:
                places = places[(places >= 0) & (places < bins)]
            counts += np.bincount(places.astype(np.int64), minlength=bins)
    return counts.astype(np.int32), width
