from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.core.errors import DeclarationError
from cvimake.project.labels.findings import Findings
from cvimake.project.labels.matching import matched


def test_case_and_separators_make_no_difference() -> None:
    names = ["Traffic_Light", "stop-sign", "cat"]
    assert matched(Path("x"), names, ["cat", "traffic light", "Stop Sign"], Findings()) == {
        "Traffic_Light": 1, "stop-sign": 2, "cat": 0,
    }  # fmt: skip


def test_if_the_model_has_two_such_names_only_the_exact_one_fits() -> None:
    assert matched(Path("x"), ["Cat", "CAT"], ["cat", "Cat"], Findings()) == {"Cat": 1}


def test_if_no_name_fits_each_is_a_mistake() -> None:
    findings = Findings()
    matched(Path("x"), ["a", "b"], ["cat"], findings)
    with pytest.raises(DeclarationError, match="the model has no class 'a'\nx: the model has no class 'b'"):
        findings.stop_at_mistakes()
