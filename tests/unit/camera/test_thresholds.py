from __future__ import annotations

from cvimake.camera.kinds import KINDS
from cvimake.camera.thresholds import of_firmware


def test_a_classifier_has_a_threshold_of_its_own() -> None:
    assert {kind.name for kind in KINDS if of_firmware(kind.name).score == 0.5} == {"classifier"}
    assert {(of_firmware(kind.name).score, of_firmware(kind.name).overlap) for kind in KINDS} == {
        (0.25, 0.45),
        (0.5, 0.45),
    }
