from __future__ import annotations

import sys

import pytest

from cvimake.core.toml_faults import explain

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# A closing quote that is missing, and the like, is found at the end of the document or before it.
CASES = [
    ("source = yolo.onnx", 1, 'strings need quotes: "yolo.onnx"'),
    ("a = 1\nsource = ./x.onnx # the network", 2, 'strings need quotes: "./x.onnx"'),
    ("a = [yolo, x]", 1, 'strings need quotes: "yolo"'),
    ("a = 8n.onnx", 1, 'strings need quotes: "8n.onnx"'),
    ("a = \u201dx\u201d", 1, 'strings need straight quotes: "x"'),
    ('source = "yolo.onnx', 1, "the closing quote is missing"),
    ("source = 'yolo\n\n", 1, "the closing quote is missing"),
    ('source = "yolo\nb = 1', 1, "the closing quote is missing on this line"),
    ("a = True", 1, "True is written in small letters: true"),
    ("a = None", 1, "there is no None: leave the line out instead"),
    ("a = .5", 1, "a number needs a digit before its point: 0.5"),
    ("a = 5.", 1, "a number has no 0 in front, and a digit behind its point: 7, 5.0"),
    ("a = 007", 1, "a number has no 0 in front, and a digit behind its point: 7, 5.0"),
    ("a =\nb = 1", 1, "a value is missing after ="),
    ("a = [1,,2]", 1, "a value is missing before the comma"),
    ("mean = 0.5, 0.5", 1, "a list stands in square brackets: mean = [0.5, ...]"),
    ("mean = (0.5, 0.5)", 1, "a list stands in square brackets: [1, 2]"),
    ("pixel format = 1", 1, "a key is one word, and = stands behind it"),
    ("source: 1", 1, "write = instead of the colon: source = ..."),
    ("source", 1, "a line is KEY = VALUE, or a [TABLE] in brackets"),
    ('{"a": 1}', 1, "a line is KEY = VALUE, or a [TABLE] in brackets"),
    ("a = 1\na = 2", 2, "this key stands there twice"),
    ("[a]\n[a]", 2, "this table stands there twice"),
    ("a = {b=1,b=2}", 1, "a key stands there twice"),
    ("[input]\nshapes = [[1, 3],\n\n", 2, "a comma or the closing ] is missing"),
    ("a = [1 2]", 1, "a comma or the closing ] is missing"),
    ("a = {b = 1", 1, "a comma or the closing } is missing"),
    ("[a", 1, "the closing ] is missing"),
    ("[[a]", 1, "the closing ]] is missing"),
    ("[]", 1, "a key is missing here, or there is a comma too many"),
    ('a = "x"]', 1, "there is a ] that nothing opened"),
    ('a = "x" b', 1, "nothing can follow on the same line: 'b'"),
    ('a = "C:\\path"', 1, r"a \ is written twice between double quotes; between single ones it stands once"),
]


@pytest.mark.parametrize(("text", "line", "what"), CASES)
def test_a_fault_says_on_which_line_what_to_write_instead(text: str, line: int, what: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    assert explain(str(caught.value), text) == (line, what)


def test_a_fault_that_is_not_known_is_told_in_the_parsers_words() -> None:
    assert explain("Something else (at line 2, column 1)", "a = 1\nb") == (2, "Something else")
