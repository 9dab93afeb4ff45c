from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import breakdown, gantt, publish, report
from bench.breakdown import Breakdown, Ran
from cvimake.builder.events import AnyEvent, Done, Finished, Grew, Progress, Started

NEEDED = {
    "m:mlir": ["m:onnx"],
    "m:f16": ["m:mlir"],
    "m:calibration": ["m:mlir", "datasets"],
    "m:int8": ["m:calibration"],
    "m:mlir_info": ["m:calibration"],
}


def started(stage: str) -> Started:
    return Started(stage=stage, expected_seconds=None, estimated=False)


def done(stage: str) -> Done:
    return Done(stage=stage, result="built", seconds=1.0, files=())


def build() -> Breakdown:
    """A build on two cores: calibration takes both, so f16 waits for it."""
    told: list[tuple[float, AnyEvent]] = [
        (1.0, started("m:onnx")),
        (3.0, done("m:onnx")),
        (3.1, started("m:mlir")),
        (4.0, Progress(stage="m:mlir", seconds=0.9, percent=None, doing="")),
        (10.0, done("m:mlir")),
        (10.1, started("m:calibration")),
        (50.0, done("m:calibration")),
        (50.2, started("m:f16")),
        (50.3, started("m:int8")),
        # Soon after f16 has begun; it has nothing to do with its wait.
        (50.4, started("m:mlir_info")),
        (50.6, done("m:mlir_info")),
        (60.0, done("m:int8")),
        (70.0, done("m:f16")),
        (70.5, Finished(built=5, restored=0, unchanged=0, failed=0, left_out=0, seconds=70, exit_code=0)),
    ]
    found = breakdown.stages(told, NEEDED, {"m:calibration": 2})
    return Breakdown(name="from nothing", seconds=71.0, cores=2, idle=30.5, stages=found)


def test_each_stage_has_its_times_its_cores_and_what_it_needed_last() -> None:
    found = {ran.stage: (ran.began, ran.ended, ran.cores, ran.after, ran.ready) for ran in build().stages}
    assert found == {
        "m:onnx": (1.0, 3.0, 1, "", 1.0),
        "m:mlir": (3.1, 10.0, 1, "m:onnx", 3.0),
        "m:calibration": (10.1, 50.0, 2, "m:mlir", 10.0),
        "m:f16": (50.2, 70.0, 1, "m:mlir", 10.0),
        "m:int8": (50.3, 60.0, 1, "m:calibration", 50.0),
        "m:mlir_info": (50.4, 50.6, 1, "m:calibration", 50.0),
    }


def test_a_stage_that_waits_for_a_core_names_the_stage_that_had_it() -> None:
    of = build()
    waits = {ran.stage: (round(ran.waited, 1), of.freed_by(ran)) for ran in of.stages if ran.waited}
    assert waits == {"m:f16": (40.2, "m:calibration")}
    assert breakdown.rows(of)[3] == (
        "m:f16", "1", "50.2 s", "70.0 s", "19.8 s", "m:mlir", "40.2 s, until the end of m:calibration",
    )  # fmt: skip


def test_the_core_seconds_without_a_stage_are_counted() -> None:
    of = build()
    assert of.core_seconds == 142.0
    assert of.unused == pytest.approx(142.0 - (2.0 + 6.9 + 2 * 39.9 + 19.8 + 9.7 + 0.2))
    assert breakdown.summary(of) == (
        "from nothing: 71.0 s on 2 cores are 142.0 core seconds. In 23.6 of them no stage had the core "
        "(16.6%), and in 30.5 the processor had nothing to do (21.5%)."
    )


def test_a_build_without_work_has_a_breakdown_too(tmp_path: Path) -> None:
    of = Breakdown(name="nothing to do", seconds=0.5, cores=2, idle=0.5, stages=breakdown.stages([], {}, {}))
    assert of.stages == ()
    gantt.draw(of, tmp_path / "build.svg")


def test_a_breakdown_is_kept_beside_the_results(tmp_path: Path) -> None:
    path = breakdown.beside(tmp_path / "bench.json")
    assert path.name == "bench-build.json"
    breakdown.save(build(), path)
    assert breakdown.load(path) == build()


def test_the_picture_shows_every_stage_and_is_the_same_every_time(tmp_path: Path) -> None:
    pictures = [tmp_path / name for name in ("one.svg", "two.svg")]
    for path in pictures:
        gantt.draw(build(), path)
    one, two = (path.read_text(encoding="utf-8") for path in pictures)
    assert one == two
    for text in ("m:onnx", "m:f16", "39.9 s, 2 cores", "from nothing, 71 s on 2 cores", "waits for a core"):
        assert text in one


def test_the_page_has_the_picture_and_the_table() -> None:
    page = publish.page(f"{publish.BEGIN}\n{publish.END}\n", [], build())
    assert "![when each stage ran](performance-build.svg)" in page
    assert "| m:calibration | 2 | 10.1 s | 50.0 s | 79.8 s | m:mlir | - |" in page


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    report.show_breakdown(build())
    assert "until the end of m:calibration" in capsys.readouterr().out


def test_a_build_that_fails_is_told_with_its_errors(tmp_path: Path) -> None:
    launcher = tmp_path / "doit"
    launcher.write_text(
        f"#!{sys.executable}\nimport sys\nprint('no room', file=sys.stderr)\nsys.exit(2)\n", encoding="utf-8"
    )
    launcher.chmod(0o755)
    with pytest.raises(RuntimeError, match=r"exit code 2:\nno room"):
        breakdown.measure("from nothing", launcher, tmp_path)


def test_a_short_wait_is_none() -> None:
    ran = Ran(stage="m:f16", began=1.9, ended=2.0, cores=1, after="", ready=1.0)
    assert ran.waited == 0.0


def test_a_stage_that_got_more_cores_has_them_from_then_on(tmp_path: Path) -> None:
    told: list[tuple[float, AnyEvent]] = [
        (1.0, started("m:calibration")),
        (31.0, Grew(stage="m:calibration", before=1, cores=2)),
        (41.0, Grew(stage="m:calibration", before=2, cores=4)),
        (46.0, done("m:calibration")),
    ]
    # On record is the average of the whole time.
    found = breakdown.stages(told, {}, {"m:calibration": 2})
    of = Breakdown(name="from nothing", seconds=50.0, cores=4, idle=0.0, stages=found)
    (ran,) = of.stages
    assert ran.parts == ((1.0, 31.0, 1), (31.0, 41.0, 2), (41.0, 46.0, 4))
    assert ran.core_seconds == 30 + 20 + 20
    assert of.unused == 200 - 70
    assert breakdown.rows(of)[0][:5] == ("m:calibration", "1, then 2, then 4", "1.0 s", "46.0 s", "70.0 s")
    gantt.draw(of, tmp_path / "build.svg")
    assert "45.0 s, 1, then 2, then 4 cores" in (tmp_path / "build.svg").read_text(encoding="utf-8")
    breakdown.save(of, tmp_path / "build.json")
    assert breakdown.load(tmp_path / "build.json") == of
