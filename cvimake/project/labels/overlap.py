"""Finds samples that a model would be both calibrated with and measured on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cvimake.project.dataset import Samples


def shared_samples(
    calibration: Samples, accuracy: Samples, sha256: Callable[[Path], str]
) -> tuple[tuple[Path, Path], ...]:
    """Return each sample of the second that the first has too, by its bytes, with its path in the first.

    Args:
        calibration: the samples to calibrate with.
        accuracy: the samples to measure on.
        sha256: returns the digest of a file. Only files of equal size are read.

    Raises:
        OSError: a sample cannot be read.
    """
    ours = {path: path.stat().st_size for path in calibration.files.values()}
    theirs = {path: path.stat().st_size for path in accuracy.files.values()}
    both = set(ours.values()) & set(theirs.values())
    digests = {sha256(path): path for path, size in ours.items() if size in both}
    found = ((path, digests.get(sha256(path))) for path, size in theirs.items() if size in both)
    return tuple((path, other) for path, other in found if other)
