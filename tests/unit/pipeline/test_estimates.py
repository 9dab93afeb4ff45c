from __future__ import annotations

from cvimake.pipeline import estimates
from cvimake.pipeline.estimates import NetworkSize


def test_estimates_grow_with_the_network_and_its_samples() -> None:
    small, large = NetworkSize.of_shapes([[1, 3, 64, 64]]), NetworkSize.of_shapes([[1, 3, 640, 640]])
    assert NetworkSize.of_shapes(None) == large
    assert NetworkSize.of_shapes([[2, 3], [4]]).values == 10
    for of in (estimates.transform, estimates.deployment):
        assert of(small).memory < of(large).memory
        assert of(small).seconds < of(large).seconds
    few, many = estimates.calibration(large, 10, 5), estimates.calibration(large, 100, 5)
    assert few.memory < many.memory < 8 * 1024**3
    assert (few.cores, many.cores) == (10, 100)
    assert few.seconds < many.seconds
    assert estimates.search(large, 1).memory < estimates.search(large, 10).memory
