from __future__ import annotations

from pathlib import Path

import pytest
from reports import HOSTILE, Page, model, report, variant

from cvimake.report import pages
from cvimake.report.data import Breakdown, Change, Model, Preview, Series, Suggestion
from cvimake.report.variant_data import Trouble

FOLDER = Path("build/report")


def page_of(shown: Model) -> str:
    return pages.of_model(report(), shown, FOLDER, "<svg/>", dated=True)


def test_hostile_names_are_text_on_every_page() -> None:
    bad = variant("bad", hostile=HOSTILE, works="no", state="failed")
    shown = model(hostile=HOSTILE, variants=(variant(hostile=HOSTILE), bad)).model_copy(
        update={
            "release": HOSTILE,
            "changes": (Change(subject=HOSTILE, what=HOSTILE, old=HOSTILE, new=HOSTILE),),
            "troubles": (Trouble(cause=HOSTILE, remedy=HOSTILE),),
        }
    )
    for html in (page_of(shown), pages.overview(report(shown), FOLDER, dated=True)):
        page = Page(html)
        assert "script" not in page.tags
        # Only the graph is an image.
        assert page.tags.count("img") == html.count('<img src="data:image/svg+xml,')
        assert not [name for name in page.attributes if name.startswith("on")]
        assert "<script>alert(1)</script>" in page.text
        assert "{{ 7*7 }}" in page.text
        assert "\x1b" not in html
        assert "\u202e" not in html


def test_a_page_has_no_script_and_no_style_but_its_own() -> None:
    html = page_of(model())
    page = Page(html)
    assert "script" not in page.tags
    assert "style" not in page.attributes
    assert page.tags.count("style") == 1
    assert "default-src &#39;none&#39;; img-src data:; style-src &#39;sha256-" in html


def test_no_two_elements_of_a_page_have_the_same_id() -> None:
    page = Page(page_of(model(variants=(variant("a"), variant("b")))))
    assert len(page.ids) == len(set(page.ids))


def test_links_are_relative_to_the_page() -> None:
    found = Page(page_of(model()))
    assert "../../../models/m/model.toml" in found.links
    assert "../../m/layer" in found.links
    overview = Page(pages.overview(report(model()), FOLDER, dated=True))
    assert "models/m.html" in overview.links


def test_every_figure_names_the_files_that_it_comes_from() -> None:
    html = page_of(model())
    figures = html.count("<figure>")
    assert figures == html.count("<figcaption>")
    assert figures >= 4


def test_the_suggested_variant_is_marked() -> None:
    html = pages.overview(report(model(variants=(variant("a"), variant("b")))), FOLDER, dated=True)
    assert html.count(">suggested<") == 1


def test_the_page_tells_why_the_camera_refuses_a_variant() -> None:
    text = Page(page_of(model(variants=(variant(works="no"),)))).text
    assert "The camera refuses it" in text
    assert "Because no kind of model has the outputs layer." in text


def test_without_dates_nothing_on_a_page_depends_on_the_time_of_the_build() -> None:
    assert "2024-01-01" in page_of(model())
    for html in (
        pages.of_model(report(), model(), FOLDER, "", dated=False),
        pages.overview(report(model()), FOLDER, dated=False),
    ):
        assert "2024-01-01" not in html


def unbuildable(name: str, state: str, cause: str) -> Model:
    return Model(
        name=name, description="", declaration=f"models/{name}/model.toml", state=state,
        troubles=(Trouble(cause=cause, remedy="Correct it."),), suggestion=Suggestion(variant="", reason=""),
    )  # fmt: skip


def test_a_model_that_cannot_be_built_has_a_page() -> None:
    shown = unbuildable("wrong", "cannot run", "models/wrong/model.toml:3: no such option")
    assert "models/wrong/model.toml:3: no such option" in Page(page_of(shown)).text
    assert "cannot run" in Page(pages.overview(report(shown), FOLDER, dated=True)).text


def test_a_model_that_waits_is_named_once() -> None:
    shown = unbuildable("m", "waits", "m waits for its source")
    text = " ".join(Page(pages.overview(report(shown), FOLDER, dated=True)).text.split())
    assert "m waits for its source" in text
    assert "m waits m waits" not in text


@pytest.mark.parametrize("drop", [0.004, -0.004])
def test_a_difference_within_the_standard_error_is_told(drop: float) -> None:
    one = variant()
    assert one.accuracy
    seen = one.accuracy.model_copy(update={"drop": drop})
    text = Page(page_of(model(variants=(one.model_copy(update={"accuracy": seen}),)))).text
    assert "less than the standard error" in text


@pytest.mark.parametrize(("value", "warned"), [(0.39, True), (0.41, False)])
def test_a_variant_that_finds_less_than_half_is_warned_of(value: float, *, warned: bool) -> None:
    one = variant(value=value)
    assert one.accuracy
    lost = one.model_copy(update={"accuracy": one.accuracy.model_copy(update={"drop": 0.8 - value})})
    assert any("less than half" in text for text in lost.warnings) is warned
    assert (
        "It finds less than half of what the float network finds" in page_of(model(variants=(lost,)))
    ) is warned


@pytest.mark.parametrize(
    ("ours", "told", "figures"),
    [
        (0.5, "top1 of each class.", 5),
        (0.79, "top1 of each class: difference from the float network.", 5),
        (0.8, "In every class, the top1 of each variant is that of the float network", 4),
    ],
)
def test_small_differences_are_drawn_as_such_and_none_at_all_is_told(
    ours: float, told: str, figures: int
) -> None:
    shown = Breakdown(
        metric="top1", of="class", parts=("cat",), counts=(),
        series=(Series(name="float", values=(0.8,)), Series(name="int8", values=(ours,))),
    )  # fmt: skip
    html = page_of(model().model_copy(update={"breakdowns": (shown,)}))
    assert told in Page(html).text
    assert html.count("<figure>") == figures


def test_a_classifier_shows_which_classes_are_confused() -> None:
    text = Page(page_of(model())).text
    assert "Images of one class that were taken for another" in text


def test_a_search_shows_the_mixtures_that_it_tried() -> None:
    assert "Each point is a mixture that the search has tried" in Page(page_of(model())).text


def test_what_has_changed_is_told_in_sentences_on_both_pages() -> None:
    told = "int8 was rebuilt, because quant_output is now given."
    shown = model().model_copy(update={"release": "r-1.0", "changes_in_words": (told,)})
    for html in (page_of(shown), pages.overview(report(shown), FOLDER, dated=True)):
        assert told in Page(html).text


@pytest.mark.parametrize("content", [b"no picture", b""])
def test_a_damaged_preview_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m_preview.png"
    path.write_bytes(content)
    damaged = Preview(path=str(path), sha256="0", state="up to date")
    html = page_of(model().model_copy(update={"previews": (damaged,)}))
    assert "cannot be read" in Page(html).text
    assert "data:image/jpeg" not in html
