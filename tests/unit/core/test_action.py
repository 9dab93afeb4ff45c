from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.core.action import Action, FileKind, Folder, Input, Limits, Output, Text


def action_on(*, inputs: tuple[str, ...] = (), outputs: tuple[str, ...] = ()) -> Action:
    return Action(
        name="tiny:bf16",
        argv=("tool",),
        environment={"TZ": "UTC"},
        inputs=tuple(Input(name=name, path=Path("models") / "file") for name in inputs),
        outputs=tuple(Output(name=name, path=Path("build") / "file", kind=FileKind.NPZ) for name in outputs),
    )


PLAIN_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: name not in {".", ".."}
)


@given(PLAIN_NAMES)
def test_a_plain_name_is_accepted(name: str) -> None:
    assert action_on(inputs=(name,)).inputs[0].name == name


@given(PLAIN_NAMES, PLAIN_NAMES)
def test_a_name_with_a_folder_is_refused(folder: str, name: str) -> None:
    for path in (f"{folder}/{name}", f"/{name}", f"{name}/", f"../{name}"):
        with pytest.raises(ValueError, match="not a plain file name"):
            action_on(inputs=(path,))
        with pytest.raises(ValueError, match="not a plain file name"):
            action_on(outputs=(path,))


@pytest.mark.parametrize("name", ["", ".", "..", "/"])
def test_a_name_of_no_file_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a plain file name"):
        action_on(outputs=(name,))


def test_two_inputs_under_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two files under one name"):
        action_on(inputs=("a", "a"))


def test_an_output_that_would_replace_an_input_is_refused() -> None:
    with pytest.raises(ValueError, match="two files under one name"):
        action_on(inputs=("a",), outputs=("a",))


def test_the_definition_is_a_json_value() -> None:
    definition = action_on(inputs=("a",), outputs=("b",)).definition()
    assert json.loads(json.dumps(definition)) == definition


def test_limits_and_places_on_the_host_are_not_part_of_the_definition() -> None:
    action = action_on(inputs=("a",), outputs=("b",))
    elsewhere = dataclasses.replace(
        action,
        inputs=(Input(name="a", path=Path("/elsewhere/a")),),
        outputs=(Output(name="b", path=Path("/elsewhere/b"), kind=FileKind.NPZ),),
        limits=Limits(memory=1, processes=1, seconds=1.0),
    )
    assert elsewhere.definition() == action.definition()


def test_everything_that_can_change_the_bytes_is_in_the_definition() -> None:
    action = action_on(inputs=("a",), outputs=("b",))
    for other in (
        dataclasses.replace(action, argv=("tool", "--option")),
        dataclasses.replace(action, environment={"TZ": "CET"}),
        action_on(inputs=("c",), outputs=("b",)),
        action_on(inputs=("a",), outputs=("c",)),
    ):
        assert other.definition() != action.definition()


# Generated files and folders


def action_with(text: str = "a\n", *names: str, place: str = "images") -> Action:
    return dataclasses.replace(
        action_on(inputs=("a",), outputs=("b",)),
        texts=(Text(name="list.txt", text=text),),
        folders=(Folder(target="/dataset", files={name: Path(place) / name for name in names}),),
    )


def test_a_generated_files_name_is_taken_too() -> None:
    with pytest.raises(ValueError, match="two files under one name"):
        dataclasses.replace(action_on(inputs=("a",)), texts=(Text(name="a", text=""),))
    with pytest.raises(ValueError, match="not a plain file name"):
        dataclasses.replace(action_on(), texts=(Text(name="a/b", text=""),))


def test_a_generated_files_text_and_a_folders_members_are_part_of_the_definition() -> None:
    definitions = [
        action_with("a\n", "0.png").definition(),
        action_with("b\n", "0.png").definition(),
        action_with("a\n", "0.png", "1.png").definition(),
        action_with("a\n", "1.png").definition(),
    ]
    assert all(definitions.count(definition) == 1 for definition in definitions)
    assert json.loads(json.dumps(definitions)) == definitions


def test_the_place_and_order_of_a_folders_members_are_not_part_of_the_definition() -> None:
    one, other = action_with("", "0.png", "1.png"), action_with("", "1.png", "0.png", place="/elsewhere")
    assert one.definition() == other.definition()


def test_the_result_depends_on_inputs_and_members() -> None:
    paths = action_with("", "0.png", "1.png").paths()
    assert set(paths) == {Path("models/file"), Path("images/0.png"), Path("images/1.png")}


# Kinds of files


@pytest.mark.parametrize(
    ("kind", "beginning"),
    [
        (FileKind.CVIMODEL, b"CviModel\x00\x01"),
        (FileKind.MLIR, b"module attributes"),
        (FileKind.MLIR, b"#loc = loc(unknown)"),
        (FileKind.NPZ, b"PK\x03\x04\x14"),
        (FileKind.JSON, b'{"a": 1}'),
        (FileKind.JSON, b"[1]"),
        (FileKind.TABLE, b"# sample number: 2"),
    ],
)
def test_a_kind_is_known_by_its_first_bytes_and_fits_no_other(kind: FileKind, beginning: bytes) -> None:
    told_apart = set(FileKind) - {FileKind.TABLE, FileKind.TEXT}
    assert kind.fits(beginning)
    assert {other for other in told_apart if other.fits(beginning)} <= {kind}


@pytest.mark.parametrize("kind", [kind for kind in FileKind if kind is not FileKind.TEXT])
def test_no_kind_fits_an_empty_file(kind: FileKind) -> None:
    assert not kind.fits(b"")


def test_the_order_of_files_is_arranged_and_their_places_are_not_told() -> None:
    def arranged(*places: str) -> dict[str, str]:
        inputs = tuple(Input(name=f"{number}.png", path=Path(p)) for number, p in enumerate(places))
        return dataclasses.replace(action_on(), inputs=inputs).arrangement()

    assert arranged("x", "y") == arranged("a", "b") == {"order of its files": "0 1"}
    assert arranged("y", "x") == {"order of its files": "1 0"}
    assert arranged("x", "x", "y") != arranged("x", "y", "y")
