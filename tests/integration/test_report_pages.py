"""The pages of a report in a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import browsing
import pytest
from lab import ROOT
from projects import ACCURACY, copy_shapes, done
from reports import HOSTILE, model, report, variant

from cvimake.execution.image.making import ToolchainImage
from cvimake.report import writing
from cvimake.report.data import Breakdown, Change, Model, Series, Suggestion
from cvimake.report.variant_data import File, Trouble

FOLDER = Path("build/report")
LONG = "a_very_long_name_without_any_place_to_break_it_as_layers_of_networks_have_them" * 2


def test_pages_with_hostile_and_long_names_are_in_order(tmp_path: Path) -> None:
    with browsing.browser() as opened:
        writing.write(report(*_models(tmp_path)), {}, tmp_path)
        assert browsing.faults(opened, tmp_path / FOLDER) == []


def _models(root: Path) -> list[Model]:
    """Models with all that a page can have, and with the files that their pages link to."""
    named = {
        "hostile": HOSTILE,
        "long": LONG,
        "chinese": "\u5355\u7eaf\u7684\u540d\u5b57",
        "arabic": "\u0627\u0633\u0645",
    }
    found = [_full(name, text, place) for place, (name, text) in enumerate(named.items())]
    for one in found:
        for file in [*one.files, *(file for each in one.variants for file in each.files)]:
            path = root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    cause = f"models/wrong/model.toml:3: no option {LONG}\n{HOSTILE}"
    wrong = Model(
        name="wrong", description="", declaration="models/wrong/model.toml", state="cannot run",
        troubles=(Trouble(cause=cause, remedy="Correct it."),),
        suggestion=Suggestion(variant="", reason=""),
    )  # fmt: skip
    return [*found, wrong]


def _full(name: str, text: str, place: int) -> Model:
    files = (
        File(label="accuracy", path=f"build/{name}/a'\"#? &.json"),
        File(label="losses", path="build/l.txt"),
    )
    variants = tuple(
        one.model_copy(update={"files": files})
        for one in (
            variant("f16", hostile=text, value=0.9 - place / 9, size=900_000 - place * 50_000),
            variant("int8", hostile=text, works="no", state="failed"),
            variant("mix", hostile=text, state="will run"),
        )
    )
    classes = tuple(f"{text} {number}" for number in range(30))
    values = tuple(number / 30 for number in range(30))
    many = Breakdown(
        metric="mAP50-95", of="class", parts=classes, counts=(),
        series=tuple(Series(name=each, values=values) for each in ("float", "f16", "int8", "mix")),
    )  # fmt: skip
    change = Change(subject=text, what=text, old=f"{text}\n{text}", new=text)
    shown = model(name, hostile=text, variants=variants)
    update = {"breakdowns": (*shown.breakdowns, many), "release": text, "changes": (change,)}
    return shown.model_copy(update=update)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Path:
    """The bundled model, built and with a preview, beside a model with a wrong declaration."""
    assert toolchain_image.id
    folder = tmp_path_factory.mktemp("reported")
    for name in ("dodo.py", ".gitignore", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    copy_shapes(folder, f"{ACCURACY}input_num = 8\n")
    text = (folder / "models" / "shapes" / "model.toml").read_text(encoding="utf-8")
    broken = folder / "models" / "broken"
    broken.mkdir()
    (broken / "model.toml").write_text(text.replace("quantize", "quantise"), encoding="utf-8")
    done(folder, "shapes", "shapes:preview")
    return folder


def test_the_report_of_the_bundled_model_and_a_broken_one_is_in_order(built: Path) -> None:
    assert "3 of 3 pages made" in done(built, "report").stdout
    with browsing.browser() as opened:
        assert browsing.faults(opened, built / FOLDER) == []


def test_a_second_report_makes_nothing(built: Path) -> None:
    done(built, "report")
    assert "up to date, 3 pages" in done(built, "report").stdout
