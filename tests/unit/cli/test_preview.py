from __future__ import annotations

import json

import pytest
from graphs import Workshop
from PIL import Image

ASKED = {"m0000:float_asked", "m0000:int8_asked", "m0000:mix_asked", "m0000:preview_asked"}


@pytest.fixture
def street(workshop: Workshop) -> str:
    """An image, as a user names it."""
    Image.new("RGB", (64, 48)).save(workshop.root / "street.jpg")
    return "street.jpg"


def preview(workshop: Workshop, *arguments: str) -> set[str]:
    workshop.ran.clear()
    assert workshop.doit("preview", *arguments) == 0
    return set(workshop.ran)


def results(workshop: Workshop) -> list[str]:
    return sorted(path.name for path in (workshop.root / "build" / "m0000").glob("*_asked_*"))


def test_without_an_image_it_is_the_stage_of_this_name(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.measure()
    workshop.build()
    assert preview(workshop, "m0000") == {"m0000:preview"}
    assert "the picture is build/m0000/m0000_preview.png" in capsys.readouterr().err
    assert workshop.build("m0000:preview") == []
    assert preview(workshop, "m0000:preview") == set()


def test_named_images_are_seen_by_every_network_of_a_model_that_is_not_measured(
    workshop: Workshop, street: str
) -> None:
    ran = preview(workshop, "m0000", street)
    assert ran > ASKED
    assert not [name for name in ran if name.endswith("_accuracy")]
    assert len(results(workshop)) == 12
    assert preview(workshop, "m0000", street) == set()
    # The graph of a build is the same as before.
    assert workshop.build() == []


def test_only_an_image_that_has_changed_is_seen_again(workshop: Workshop, street: str) -> None:
    preview(workshop, "m0000", street)
    assert preview(workshop, "m0000", street, "--field") == {"m0000:preview_asked"}
    Image.new("RGB", (64, 48), "red").save(workshop.root / street)
    assert preview(workshop, "m0000", street, "--field") == ASKED


def test_an_image_is_relative_to_the_folder_of_the_user(
    workshop: Workshop, street: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVIMAKE_INVOKED_FROM", str(workshop.root / "models"))
    assert workshop.doit("preview", "m0000", street) == 2
    assert preview(workshop, "m0000", f"../{street}") > ASKED


def test_options_make_another_picture_of_the_same_detections(workshop: Workshop) -> None:
    workshop.measure()
    workshop.build()
    assert preview(workshop, "m0000", "--count", "3") == {"m0000:preview_asked"}
    assert preview(workshop, "m0000", "--count=3") == set()
    assert preview(workshop, "--camera", "m0000") == {"m0000:preview_asked"}


def test_clean_removes_what_was_asked_for(workshop: Workshop, street: str) -> None:
    preview(workshop, "m0000", street)
    assert workshop.doit("clean", "-n", "m0000") == 0
    assert len(results(workshop)) == 12
    assert workshop.doit("clean", "m0000:int8") == 0
    assert len(results(workshop)) == 12
    assert workshop.doit("clean", "m0000") == 0
    assert results(workshop) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "takes a model, and images if you have any"),
        (("other",), "there is no model 'other'"),
        (("m0000",), "m0000 has no preview: it declares no images to measure on"),
        (("m0000", "--count", "3"), "m0000 has no preview: it declares no images to measure on"),
        (("m0000", "a.jpg", "models"), "a.jpg: there is no such file\nmodels: is a folder"),
        (("m0000", "dodo.py"), "dodo.py: is no image that can be read: .bmp, .jfif, .jpeg, .jpg, .png"),
        (("m0000", "--count", "-1"), "a preview has 1 to 100 images"),
        (("m0000", "--camera", "--field"), "--camera and --field exclude each other"),
    ],
)
def test_a_wrong_command_line_is_one_clear_error(
    workshop: Workshop, arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workshop.doit("preview", *arguments) == 2
    shown = capsys.readouterr()
    assert told in (shown.out + shown.err).replace("\n  ", "\n")
    assert workshop.ran == []


def test_a_model_that_cannot_be_built_says_why(workshop: Workshop) -> None:
    workshop.declare('source = "tiny.onnx"', 'source = "missing.onnx"')
    assert workshop.doit("preview", "-o", "told.txt", "m0000") != 0
    assert "m0000 waits for its source" in (workshop.root / "told.txt").read_text(encoding="utf-8")


def test_the_container_gets_no_name_of_an_image(workshop: Workshop) -> None:
    name = "\u202ea\x1b[31m'b.jpg"
    Image.new("RGB", (64, 48)).save(workshop.root / name)
    assert preview(workshop, "m0000", f"./{name}") > ASKED
    assert len(results(workshop)) == 12


def test_the_same_image_twice_is_shown_once(workshop: Workshop, street: str) -> None:
    preview(workshop, "m0000", street)
    assert preview(workshop, "m0000", street, street) == set()


def test_a_program_gets_the_events(
    workshop: Workshop, street: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    preview(workshop, "--json", "m0000", street)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1]["exit_code"] == 0
