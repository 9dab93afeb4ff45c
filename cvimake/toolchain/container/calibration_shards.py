"""How samples are shared out to processes, and what is counted of them; plain functions of values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLOAT = 4
# As many values at a time as the processor's cache holds.
_BLOCK = 65536
# What a process holds before it has read a network: the interpreter and the toolchain's libraries.
BARE_PROCESS = 200 * 1024**2
# Inference once more, where samples come in rounds: of the time that one pass takes.
_SECOND_INFERENCE = 0.5


@dataclass(frozen=True)
class Layer:
    """A layer as the toolchain's calibrator goes through it.

    Attributes:
        outputs: names of its tensors; the calibrator asks for it by the first.
        sizes: values in each of them.
        operands: the tensors that it computes from, weights left out.
        found: those of them that the calibrator finds and so hands over. Of a layer with several outputs
            it finds none.
    """

    outputs: tuple[str, ...]
    sizes: tuple[int, ...]
    operands: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True)
class Walk:
    """What one sample's way through the calibrator takes.

    Attributes:
        live: bytes of its tensors that are held at one time, at most.
        leftovers: some layer computes from a tensor that the calibrator does not hand over, and so from
            what the sample before has left in the network.
    """

    live: int
    leftovers: bool


def walk(layers: Sequence[Layer]) -> Walk:
    """Follows the calibrator's reference counts through the network."""
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
            # The calibrator looks a layer up by the tensor: with several of them it finds nothing to let go.
            for operand in layer.found if len(layer.outputs) == 1 else ():
                if operand in held:
                    held[operand] -= 1
                    if held[operand] == 0:
                        del held[operand]
    return Walk(most * _FLOAT, leftovers)


def samples(files: Sequence[str], batch: int, rows: Callable[[str], list[int]] | None) -> list[list[str]]:
    """The files of each sample; a single "sample" of all files where they cannot be told apart.

    Args:
        files: all of them, in their order; lines of several inputs count as one.
        batch: rows of the network's inputs.
        rows: of the arrays in a file, for files that are stacked to a batch by their rows (npz); None for
            images, which are stacked file by file, and for npy, with a batch of 1, which are not.
    """
    if rows and batch > 1:
        found = {count for file in files for count in rows(file)}
        if min(found) > 1:
            batch = 1
        elif found != {1}:
            # Rows are stacked, whole batches stand between them: the loader alone knows.
            return [list(files)]
        elif len(files) < batch:
            return [list(files)]
        else:
            # What does not fill a batch is left out.
            files = files[: len(files) // batch * batch]
    return [list(files[start : start + batch]) for start in range(0, len(files), batch)]


def arrangement(  # noqa: PLR0913, PLR0917 - all that decides it
    processes: int, count: int, memory: int | None, process: int, sample: int, least: int = 1
) -> tuple[int, int]:
    """How many processes to use, and in how many rounds each goes through its samples.

    Args:
        processes: how many there may be.
        count: samples.
        memory: bytes that all may hold; None for no limit.
        process: bytes that each holds beside its samples.
        sample: bytes of one sample.
        least: samples that each process has to hold at some time, whatever its share.
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


def shares(count: int, size: int) -> list[range]:
    """Which samples each process takes: neighbours, as even as can be."""
    return [range(count * rank // size, count * (rank + 1) // size) for rank in range(size)]


def histogram(values: NDArray[Any], largest: Any, bins: int) -> tuple[NDArray[np.int32], Any]:  # noqa: ANN401 - any of numpy's scalars
    """The toolchain's `BaseKldCalibrator.histogram`, faster.

    It rounds magnitudes to whole numbers and has `numpy.histogram` find the bin of each, between edges that
    lie closer than 1: number N is in bin N. What is above the last, or no number, is in none. So counting
    them is enough; the zeros, which it leaves out, are those taken off the first bin.

    Returns:
        How many values there are in each bin, and the width of one.
    """
    width = largest / (bins - 1)
    flat = values.reshape(-1)
    counts: NDArray[np.int64] = np.zeros(bins, dtype=np.int64)
    with np.errstate(all="ignore"):
        for start in range(0, flat.size, _BLOCK):
            magnitudes = np.abs(flat[start : start + _BLOCK])
            # Zeros would be counted in the first bin; where the width is no number they are in none anyway.
            magnitudes = magnitudes[magnitudes != 0]
            places = magnitudes / width + 0.5
            # Whole numbers of the least value have no magnitude, and stay below zero.
            if magnitudes.dtype.kind != "f" or not places.max(initial=0) < bins:
                places = places[(places >= 0) & (places < bins)]
            counts += np.bincount(places.astype(np.int64), minlength=bins)
    return counts.astype(np.int32), width
