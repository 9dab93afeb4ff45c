from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.core.errors import DeclarationError
from cvimake.project.labels import data_yaml
from cvimake.project.labels.data_yaml import DataYaml
from cvimake.project.labels.findings import Findings


def read(text: str) -> DataYaml:
    findings = Findings()
    values = data_yaml.read(Path("data.yaml"), text, findings)
    findings.stop_at_mistakes()
    return values


@pytest.mark.parametrize("names", ["names: [cat, yes]", "names:\n- cat\n- 'yes'", "names: {1: yes, 0: cat}"])
def test_names_are_a_list_or_a_table(names: str) -> None:
    assert read(f"path: ../x\n{names}\nnc: 2").names == ("cat", "yes")


def test_the_shape_of_keypoints_has_its_line() -> None:
    values = read("names: [cat]\n\nkpt_shape: [17, 3]")
    assert (values.keypoints, values.keypoint_size, values.keypoint_place) == (17, 3, "data.yaml:3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "data.yaml: a data.yaml is a table: names: [cat, dog]"),
        ("a: 1", "data.yaml: has no names: the names of the classes"),
        ("a: 1\nnames: 3", "data.yaml:2: names is a list of names, or a table: 0: cat"),
        ("names: [cat, [dog]]", "data.yaml:1: a class's name is a text"),
        ("names: [cat, cat]", "data.yaml:1: the class 1: 'cat' is there twice"),
        ("names: {0: cat, 2: dog}", "data.yaml:1: the indices of names are not 0, 1, 2, ..."),
        ("names: {-1: cat}", "data.yaml:1: a class's index is a whole number from 0"),
        ("names: [cat]\nnc: 2", "data.yaml:2: nc is '2', but names has 1 classes"),
        ("names: [cat]\nkpt_shape: [17]", "data.yaml:2: kpt_shape is [number of keypoints, 2 or 3]"),
        ("names: [cat]\nkpt_shape: [17, .nan]", "data.yaml:2: kpt_shape is [number of keypoints, 2 or 3]"),
        ("names: [cat", "data.yaml:1: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: &a [1]\nnames: *a", "data.yaml:2: not YAML: aliases (*) are not read"),
        ("names: " + "[" * 20_000, "data.yaml: nested too deeply"),
        (
            "names: [\x07]",
            "data.yaml: not YAML: unacceptable character #x0007: special characters are not allowed",
        ),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, expected: str) -> None:
    with pytest.raises(DeclarationError) as error:
        read(text)
    assert str(error.value).splitlines()[0] == expected


def test_a_tag_makes_no_object() -> None:
    assert read("names: !!python/object/apply:os.system [cat]").names == ("cat",)


def test_a_bomb_of_aliases_is_refused() -> None:
    levels = "".join(
        f"a{level}: &a{level} {{<<: [*a{level - 1}, *a{level - 1}]}}\n" for level in range(1, 40)
    )
    with pytest.raises(DeclarationError, match="aliases"):
        read(f"a0: &a0 {{b: 1}}\n{levels}names: [cat]")
