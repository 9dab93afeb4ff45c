"""Checks that a network is not measured on the images that it was calibrated with."""

from __future__ import annotations

from cvimake.core import digest
from cvimake.core.errors import CvimakeError
from cvimake.pipeline.checks import OverlapCheck
from cvimake.project.labels import shared_samples


def check(stage: str, overlap: OverlapCheck) -> None:
    """Check that no image is used both to calibrate and to measure.

    Raises:
        CvimakeError: some are; the error has the first of them.
        OSError: a sample cannot be read.
    """
    shared = shared_samples(overlap.calibration, overlap.measured, digest.of_file)
    if shared:
        measured, calibrated = shared[0]
        raise CvimakeError(
            f"{stage}: {len(shared)} of its {overlap.measured.count} images are also used to calibrate, "
            f"such as {measured} ({calibrated}), so its figures would be better than for new images",
            "Measure on other images, or allow it: calibrated_too = true in [accuracy] of "
            f"{overlap.declared}.",
        )
