from __future__ import annotations

import pytest

from cvimake.pipeline.accuracy import Figure, Measured, difference, over_budget
from cvimake.project.model import Budget


def measured(value: float | None, agreement: float | None = None) -> Measured:
    return Measured(
        network="net.cvimodel",
        sha256="ab",
        images=10,
        kind="YOLO11",
        figure=Figure(metric="mAP50-95", value=value),
        camera=None,
        agreement=Figure(metric="same detections", value=agreement) if agreement is not None else None,
    )


@pytest.mark.parametrize(
    ("budget", "excesses"),
    [
        ({"accuracy": 0.8}, []),
        ({"accuracy": 0.801}, ["accuracy: mAP50-95 is 0.800, at least 0.801 is declared"]),
        ({"accuracy_drop": 0.05}, []),
        (
            {"accuracy_drop": 0.04},
            ["accuracy_drop: 0.0500 less than the float network, at most 0.04 is declared"],
        ),
        ({"agreement": 0.9}, []),
        ({"agreement": 0.91}, ["agreement: 0.900 with the float network, at least 0.91 is declared"]),
    ],
)
def test_a_budget_of_accuracy_is_held_or_its_excess_is_told(
    budget: dict[str, float], excesses: list[str]
) -> None:
    assert list(over_budget(measured(0.8, 0.9), measured(0.85), Budget.model_validate(budget))) == excesses


def test_an_accuracy_that_is_not_known_does_not_reach_a_budget() -> None:
    assert list(over_budget(measured(None), None, Budget(accuracy=0.1)))


@pytest.mark.parametrize("budget", [{"accuracy": 0.1}, {"accuracy_drop": 0.9}])
def test_a_budget_of_a_figure_that_was_not_measured_is_not_kept(budget: dict[str, float]) -> None:
    nothing = measured(0.8).model_copy(update={"figure": None, "figure_reason": "the images have no labels"})
    (excess,) = over_budget(nothing, nothing, Budget.model_validate(budget))
    assert excess == f"{next(iter(budget))}: there is no figure: the images have no labels"
    assert not list(over_budget(nothing, None, Budget(accuracy_drop=0.9, agreement=0.1)))


def test_a_difference_has_its_sign() -> None:
    ours, theirs = Figure(metric="top1", value=0.8), Figure(metric="top1", value=0.85)
    assert difference(ours, theirs) == " (-0.050)"
    assert difference(ours, ours) == " (+0.000)"
    assert not difference(ours, None)
