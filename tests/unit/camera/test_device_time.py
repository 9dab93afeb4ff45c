from __future__ import annotations

from cvimake.camera.device_time import Clock, Estimate


def at(megahertz: int, together: int) -> Clock:
    return Clock(megahertz=megahertz, compute=1, memory=1, together=together)


def test_a_range_goes_from_the_shorter_to_the_longer_time() -> None:
    estimate = Estimate(clocks=(at(500, 39_927_474), at(750, 27_608_963)))
    assert str(estimate) == "28 to 40 ms"
    assert estimate.milliseconds == 39.927474


def test_short_times_are_shown_with_more_digits() -> None:
    assert str(Estimate(clocks=(at(500, 2_757_587), at(750, 1_980_608)))) == "2.0 to 2.8 ms"
    assert str(Estimate(clocks=(at(500, 91_000), at(750, 61_000)))) == "0.06 to 0.09 ms"


def test_without_an_estimate_nothing_is_shown() -> None:
    estimate = Estimate(unknown="another processor")
    assert str(estimate) == ""
    assert estimate.milliseconds is None
