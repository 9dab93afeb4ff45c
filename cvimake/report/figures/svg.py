"""Makes SVG for a page of what matplotlib draws: with the page's colours, without styles."""

from __future__ import annotations

import functools
import io
import re
import warnings
from collections.abc import Iterator, Mapping
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
    prefix = f"f{digest.of_text(told + written.getvalue())[:8]}"
    box = root.get("viewBox", "")
    svg = _converted(root, prefix)
    svg.attrib.clear()
    svg.attrib.update({"viewBox": box, "width": box.split()[2], "role": "img", "aria-label": harmless(told)})
    return ET.tostring(svg, encoding="unicode")


def _converted(element: ET.Element, prefix: str) -> ET.Element:
    """Return an element with attributes that a page with a strict content policy allows."""
    new = ET.Element(element.tag.rpartition("}")[2])
    new.text = element.text if new.tag in {"text", "tspan"} else None
    for key, value in element.attrib.items():
        new.attrib.update(_converted_attribute(new.tag, key.rpartition("}")[2], value, prefix))
    for child in element:
        if child.tag.rpartition("}")[2] not in {"metadata", "style", "title"}:
            inner = _converted(child, prefix)
            if len(inner) or inner.tag not in {"g", "defs"}:
                new.append(inner)
    return new


def _converted_attribute(tag: str, name: str, value: str, prefix: str) -> Mapping[str, str]:
    match name:
        case "style":
            return _of_style(value)
        case "id":
            return {"id": prefix + value} if tag in {"clipPath", "path"} else {}
        case "href":
            return {"href": f"#{prefix}{value[1:]}"}
        case "clip-path":
            return {name: value.replace("url(#", f"url(#{prefix}")}
        case _ if value.startswith("rotate(-0 "):
            return {}
        case _:
            return {name: _LONG_NUMBER.sub(_rounded, " ".join(value.split()))}


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
