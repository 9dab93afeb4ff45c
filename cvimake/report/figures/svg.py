"""Makes SVG for a page of what matplotlib draws: with the page's colours, without styles."""

from __future__ import annotations

import functools
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from xml.etree import ElementTree as ET

from cvimake.core import digest
from cvimake.core.errors import harmless

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Left, bottom, width and height.
Box = tuple[float, float, float, float]

# Each colour of a figure is a number that stands for a variable of the page's style. The page has values for
# light and for dark. matplotlib writes a colour in this form.
INK, FAINT, GRID = "#010101", "#020202", "#030303"
# The colour of the float network, then those of the variants.
SERIES = ("#100000", "#110000", "#120000", "#130000", "#140000", "#150000", "#160000")
_VARIABLES = {
    INK: "ink",
    FAINT: "faint",
    GRID: "grid",
    **{name: f"s{place}" for place, name in enumerate(SERIES)},
}
# Units of matplotlib in an inch, and pixels of a page.
_POINTS = 72
# Narrow enough for the screen of a phone.
WIDTH = 330.0
# The space around the drawn points, as a part of the axes, as matplotlib has it.
_MARGIN = 0.05
# Pixels: how far the words are below the horizontal axis, and from the left of the figure.
_X_LABEL, _Y_LABEL = 22, 14
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cvimake",
    # Otherwise a $ in a name would begin a formula.
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.unicode_minus": False,
    "axes.edgecolor": GRID,
    "axes.labelcolor": FAINT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    # Otherwise the two numbers at the origin touch.
    "xtick.major.pad": 7,
    "ytick.major.pad": 4,
}
_DRAWN = ("fill", "stroke")
_KEPT = frozenset(
    {
        "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity",
        "fill-opacity", "stroke-opacity", "text-anchor",
    }
)  # fmt: skip
# How many numbers follow each letter of a path, as matplotlib writes it.
_NUMBERS = {"M": 2, "L": 2, "Q": 4, "C": 6}
_STYLED = _KEPT | {"font-size"}
# The classes of the page's style that stand for the most frequent attributes.
_GRID_LINE = "g"
_TEXT = {"font-size": "9.5", "text-anchor": "middle"}
_CLASSES = {
    frozenset(styles.items()): name
    for name, styles in {
        _GRID_LINE: {
            "fill": "none", "stroke": "var(--grid)", "stroke-width": "0.7", "stroke-linecap": "square",
        },
        "x": {**_TEXT, "fill": "var(--faint)"},
        "y": {**_TEXT, "text-anchor": "end", "fill": "var(--ink)"},
        "l": {"font-size": "8.5", "text-anchor": "start", "fill": "var(--ink)"},
    }.items()
}  # fmt: skip
_LONG_NUMBER = re.compile(r"-?\d+\.\d+")
_FONT_SIZE = re.compile(r"([\d.]+)px")


@contextmanager
def canvas(kind: str, box: Box, height: float, width: float = WIDTH) -> Iterator[Axes]:
    """Give empty axes; everything in them is drawn in the report's style.

    Making axes takes longer than drawing in them. So each kind of figure has axes that are used again.

    Args:
        kind: of the figure. Figures of one kind set the same properties of the axes.
        box: left, bottom, width and height of the axes, as parts of the figure.
        height: of the figure, in pixels.
        width: of the figure, in pixels.
    """
    import matplotlib as mpl  # noqa: PLC0415 - only there for a report

    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        # A name can have any letter. The page has fonts for it, even if matplotlib has none to measure it.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        axes = _axes(kind)
        _figure(axes).set_size_inches(width / _POINTS, height / _POINTS)
        axes.set_position(box)
        # Places of their own: otherwise the size of every number beside an axis would be measured once more.
        left, _, across, down = box
        axes.xaxis.set_label_coords(0.5, -_X_LABEL / (height * down))
        axes.yaxis.set_label_coords((_Y_LABEL - width * left) / (width * across), 0.5)
        try:
            yield axes
        finally:
            _empty(axes)


@functools.cache
def _axes(kind: str) -> Axes:  # noqa: ARG001 - one for each kind
    from matplotlib.figure import Figure  # noqa: PLC0415 - only there for a report

    return Figure().add_axes((0, 0, 1, 1))


def _figure(axes: Axes) -> Figure:
    return cast("Figure", axes.get_figure(root=True))


def _empty(axes: Axes) -> None:
    """Remove all that is drawn in axes, and their limits; what is left is the same for all of their kind."""
    legend = axes.get_legend()
    for artist in (*axes.lines, *axes.collections, *axes.patches, *axes.texts, *axes.artists, legend):
        if artist:
            artist.remove()
    axes.relim()
    axes.margins(_MARGIN)
    axes.autoscale()


def text_of(name: str, most: int = 26) -> str:
    """Return a name as it stands in a figure: without control characters, and shortened in its middle."""
    shown = harmless(name).replace("\n", " ").replace("\t", " ")
    return shown if len(shown) <= most else f"{shown[: most // 2 - 1]}…{shown[-(most // 2) :]}"


def drawn(axes: Axes, told: str) -> str:
    """Return a figure as SVG.

    Args:
        axes: as `canvas` gave them.
        told: the figure in words, for readers who do not see it.
    """
    written = io.StringIO()
    _figure(axes).savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ET.fromstring(written.getvalue())  # noqa: S314 - matplotlib has just written it
    box = root.get("viewBox", "")
    ids = _Ids(f"f{digest.of_text(told + written.getvalue())[:8]}")
    svg = ET.Element(
        "svg", {"viewBox": box, "width": box.split()[2], "role": "img", "aria-label": harmless(told)}
    )
    for child in root:
        svg.extend(_converted(child, ids))
    return ET.tostring(svg, encoding="unicode").replace(" />", "/>")


def _styles(element: ET.Element) -> frozenset[tuple[str, str]]:
    """Return the attributes of an element that the page's style can also give."""
    return frozenset((key, value) for key, value in element.attrib.items() if key in _STYLED)


class _Ids:
    """Short names for the ids of a figure, which no other figure of the page has.

    Args:
        prefix: begins all of them.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._known: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        return self._known.setdefault(name, f"{self._prefix}{len(self._known):x}")


def _converted(element: ET.Element, ids: _Ids) -> list[ET.Element]:
    """Return an element with attributes that a page with a strict content policy allows.

    A group without attributes becomes its contents, and what would not be seen becomes nothing.
    """
    tag = element.tag.rpartition("}")[2]
    if tag in {"metadata", "style", "title"}:
        return []
    new = ET.Element(tag)
    new.text = element.text if tag in {"text", "tspan"} else None
    for key, value in element.attrib.items():
        new.attrib.update(_converted_attribute(tag, key.rpartition("}")[2], value, ids))
    for child in element:
        new.extend(_converted(child, ids))
    if tag == "g" and not new.attrib:
        return list(new)
    if name := _CLASSES.get(_styles(new)):
        new.attrib = {
            "class": name,
            **{key: value for key, value in new.attrib.items() if key not in _STYLED},
        }
        if name == _GRID_LINE:
            # It ends where the axes end.
            new.attrib.pop("clip-path", None)
    is_empty = tag in {"g", "defs"} and not len(new)
    is_unseen = tag == "path" and new.get("fill") == "none" and "stroke" not in new.attrib
    return [] if is_empty or is_unseen else [new]


def _converted_attribute(tag: str, name: str, value: str, ids: _Ids) -> Mapping[str, str]:
    match name:
        case "style":
            return _of_style(value)
        case "id":
            return {"id": ids[value]} if tag in {"clipPath", "path"} else {}
        case "href":
            return {"href": f"#{ids[value[1:]]}"}
        case "clip-path":
            return {name: f"url(#{ids[value[5:-1]]})"}
        case "d":
            return {name: _shortened(_LONG_NUMBER.sub(_rounded, value).split())}
        case _:
            shown = _LONG_NUMBER.sub(_rounded, " ".join(value.split()))
            return {} if value.startswith("rotate(-0 ") else {name: shown}


def _shortened(parts: Sequence[str]) -> str:
    """Return the same path in fewer letters: a level line is `H`, and an upright one is `V`."""
    found: list[str] = []
    x = y = ""
    place = 0
    while place < len(parts):
        command, count = parts[place], _NUMBERS.get(parts[place], 0)
        numbers = parts[place + 1 : place + 1 + count]
        if command == "L" and numbers[1] == y:
            found.append(f"H{numbers[0]}")
        elif command == "L" and numbers[0] == x:
            found.append(f"V{numbers[1]}")
        else:
            found.append(command + " ".join(numbers))
        x, y = numbers[-2:] if count else ("", "")
        place += 1 + count
    return "".join(found)


def _rounded(number: re.Match[str]) -> str:
    """Return a coordinate with one digit: a tenth of a pixel cannot be seen."""
    return f"{float(number[0]):.1f}".removesuffix(".0")


def _of_style(style: str) -> Mapping[str, str]:
    found = {}
    for part in style.split(";"):
        name, _, value = part.strip().partition(":")
        value = value.strip()
        if name in _KEPT:
            variable = _VARIABLES.get(value) if name in _DRAWN else None
            found[name] = f"var(--{variable})" if variable else value
        elif name in {"font", "font-size"} and (size := _FONT_SIZE.search(value)):
            found["font-size"] = size[1]
    return found
