from __future__ import annotations

import sys
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvimake.project.lines import line_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Key = tuple[str, ...]

# Names and texts that look like other parts of the language.
NAMES = ("a", "b", "c", "d-e", "f_1", "2", "g h", "i.j", "k=l", "[m]", "n#o")
TEXTS = ("", "a", "a = 1", "[a]", "# b", "c = [", "it's", "{ b = 2 }", "a.b = 3")


@dataclass
class Document:
    """A TOML text that is being written, and on which line each key stands."""

    lines: list[str] = field(default_factory=list)
    places: dict[Key, int] = field(default_factory=dict)

    def put(self, key: Key, text: str) -> None:
        """Adds a line or more that begin with a key."""
        self.places[key] = len(self.lines) + 1
        self.lines += text.split("\n")


def name_in_toml(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'


def a_text(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(TEXTS))
    return f"'{text}'" if "'" not in text and draw(st.booleans()) else f'"{text}"'


def a_plain_value(draw: st.DrawFn) -> str:
    return (
        a_text(draw) if draw(st.booleans()) else draw(st.sampled_from(("1", "-2.5", "true", "[]", "[[1]]")))
    )


def a_value(draw: st.DrawFn) -> str:
    shape = draw(st.sampled_from(("plain", "array", "rows", "text")))
    if shape == "array":
        values = [a_plain_value(draw) for _ in range(draw(st.integers(0, 3)))]
        after = draw(st.sampled_from(("", ",", " # a = 1")))
        return "[\n" + ",\n".join(f"  {value}" for value in values) + (after if values else "") + "\n]"
    if shape == "rows":
        return "[\n  [1, 2],\n  [3, 4]\n]"
    if shape == "text":
        mark = draw(st.sampled_from(('"""', "'''")))
        lines = [draw(st.sampled_from(TEXTS)) for _ in range(draw(st.integers(1, 3)))]
        return mark + "\n".join(lines) + "\n" + mark
    return a_plain_value(draw)


def some_names(draw: st.DrawFn, at_most: int) -> list[str]:
    return draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=at_most))


def fill(draw: st.DrawFn, document: Document, table: Key) -> None:
    """Puts keys of all kinds into a table."""
    for name in some_names(draw, 4):
        indent = draw(st.sampled_from(("", "  ")))
        comment = draw(st.sampled_from(("", " # a = 1", ' # """', " # it's", " # [b]")))
        if draw(st.integers(0, 3)) == 0:
            document.lines.append(draw(st.sampled_from(("", "# a = 1", "# [a]", "#'''"))))
        kind = draw(st.sampled_from(("plain", "dotted", "inline")))
        written = name_in_toml(name)
        if kind == "plain":
            document.put((*table, name), f"{indent}{written} = {a_value(draw)}{comment}")
        elif kind == "dotted":
            inner = draw(st.sampled_from(NAMES))
            document.put(
                (*table, name, inner), f"{indent}{written}.{name_in_toml(inner)} = {a_value(draw)}{comment}"
            )
        else:
            inners = some_names(draw, 3)
            pairs = ", ".join(f"{name_in_toml(inner)} = {a_plain_value(draw)}" for inner in inners)
            line = len(document.lines) + 1
            document.put((*table, name), f"{indent}{written} = {{ {pairs} }}{comment}")
            document.places.update({(*table, name, inner): line for inner in inners})


@st.composite
def documents(draw: st.DrawFn) -> Document:
    document = Document()
    fill(draw, document, ())
    for outer in some_names(draw, 3):
        inner = draw(st.one_of(st.just(()), st.tuples(st.sampled_from(NAMES))))
        # A letter in front, so that no table is called like a key of the root.
        table = (f"t{outer}", *inner)
        comment = draw(st.sampled_from(("", " # a = 1", " # it's")))
        document.put(table, f"[{'.'.join(map(name_in_toml, table))}]{comment}")
        fill(draw, document, table)
    return document


@settings(deadline=None)
@given(documents())
def test_every_key_is_found_on_the_line_on_which_it_was_put(document: Document) -> None:
    text = "\n".join(document.lines)
    tomllib.loads(text)
    found = {key: line_of(text, key) for key in document.places}
    assert found == document.places


@given(documents(), st.sampled_from(["\n", "\r\n"]))
def test_line_ends_make_no_difference(document: Document, end: str) -> None:
    for key in document.places:
        assert line_of(end.join(document.lines), key) == line_of("\n".join(document.lines), key)


@settings(deadline=None)
@given(documents())
def test_a_key_that_is_not_there_is_at_the_table_around_it(document: Document) -> None:
    text = "\n".join(document.lines)
    assert line_of(text, ("nothing",)) == 1
    for key, line in document.places.items():
        assert line_of(text, (*key, "nothing")) == line


def test_an_elements_line_is_its_arrays() -> None:
    assert line_of("a = 1\nb = [1, 2]", ("b", 1)) == 2


def test_an_empty_key_is_on_the_first_line() -> None:
    assert line_of("a = 1\nb = 1", ()) == 1


# What a line-by-line look gets wrong


@pytest.mark.parametrize(
    ("before", "what"),
    [
        ("shapes = [\n[1, 3]\n]", "a row that looks like a table"),
        ('names = [\n"mean = 1",\n]', "a text in an array"),
        ('a = """\nmean = 1\n"""', "a text of several lines"),
        ("a = '''\n'''  # '''", "quotes in a comment"),
        ('a = """one line"""', "three quotes that end on their line"),
        ('a = "it\'s"', "an apostrophe in a text"),
        ("a = ['mean = 1', \"it's\"]", "texts in an array on one line"),
        ('a = "\\"" # mean = 1', "an escaped quote"),
        ("a = [{ mean = 1 }]", "a table in an array"),
        ("a = [\n{ mean = 1 },\n]", "a table in an array of several lines"),
        ("a = { b = { mean = 1 } }", "a table in a table"),
        ('a.b."x y" = 1', "a dotted key"),
        ("a = '\u2028'  # \u0085", "a character that ends a line elsewhere"),
    ],
)
def test_earlier_text_does_not_hide_a_key(before: str, what: str) -> None:
    text = f"[input]\n{before}\nmean = 2"
    tomllib.loads(text)
    assert line_of(text, ("input", "mean")) == text.count("\n") + 1, what


def test_the_same_key_of_another_table_is_not_meant() -> None:
    text = "[a]\nx = 1\n[b]\nx = 2\n[c]\ny.x = 3\nx = 4"
    assert [line_of(text, (*key, "x")) for key in (("a",), ("b",), ("c", "y"), ("c",))] == [2, 4, 6, 7]
