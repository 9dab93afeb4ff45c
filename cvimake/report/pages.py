"""Renders the pages of a report."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import os
import re
import urllib.parse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvimake.core import units
from cvimake.core.errors import harmless
from cvimake.report.accuracy import LEAST_LOSS, largest_difference, worst
from cvimake.report.data import Breakdown, Change, Model, Preview, Report
from cvimake.report.variant_data import File, Variant

if TYPE_CHECKING:
    from jinja2 import Environment

INDEX = "index.html"
# The folder with the pages of the models, in the report's folder.
MODELS = "models"
_TEMPLATES = Path(__file__).with_name("templates")
# Pixels. The full picture is one click away.
_PREVIEW_WIDTH = 1200
# If fewer layers have thresholds, a figure of them shows nothing.
_FEWEST_LAYERS = 3
_MOST_CONFUSIONS = 10
# Characters that may stand in an image's address within quotes, though not in every address. With base64, a
# graph would be longer by a third.
_SAFE = " !$'()*+,-./:;<=>?@[]^_`{|}~"
# HTML lets the ends of cells and rows be left out, and a report has many thousands of them.
_OPTIONAL_END = re.compile(r"</t[dhr]>\s*")
# If no variant is farther from the float network, bars of values would all look alike.
_LITTLE = 0.05


def page_of(model: str) -> str:
    """Return the name of a model's page, relative to the report's folder."""
    return f"{MODELS}/{model}.html"


@functools.cache
def _environment(here: Path, folder: Path) -> Environment:
    """Return the templates. Every text in them is escaped.

    Args:
        here: the folder of the pages.
        folder: the report's folder. Both are relative to the project.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - only there for a report

    found = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_written,
    )
    found.filters |= {
        "link": lambda path: urllib.parse.quote(os.path.relpath(path, here)),
        "page": lambda model: urllib.parse.quote(os.path.relpath(folder / page_of(model), here)),
        "size": units.size,
        "number": lambda value, digits=3: "" if value is None else f"{value:.{digits}f}",
        "labelled": _labelled,
        "short": _short,
    }
    return found


def overview(report: Report, folder: Path, *, dated: bool) -> str:
    """Return the page of all models."""
    from cvimake.report.figures import plots  # noqa: PLC0415 - matplotlib is only there for a report

    return _page(
        INDEX,
        folder,
        "overview.html.j2",
        report=report,
        cvimodels=sum(len(model.variants) for model in report.models),
        plot=_markup(plots.accuracy_against_size(report.models)),
        dated=dated,
    )


def of_model(report: Report, model: Model, folder: Path, graph: str, *, dated: bool) -> str:
    """Return the page of a model.

    Args:
        report: the report. Only its facts about the whole project are used.
        model: the model.
        folder: the report's folder, relative to the project.
        graph: the graph of the model's build as SVG; empty for none.
        dated: tell when each file was made.
    """
    from cvimake.report.figures import plots  # noqa: PLC0415 - matplotlib is only there for a report

    order = [one.layer for one in model.thresholds]
    searched = [
        (
            one,
            _markup(plots.losses(one.name, one.search, order, one.float_layers or ())),
            _markup(plots.mixtures(one.name, one.search)),
        )
        for one in model.variants
        if one.search
    ]
    bars = [_bars(one) for one in model.breakdowns]
    of_float = [file for file in model.files if file.label.startswith("accuracy")]
    warned = [one for one in model.variants if one.warnings]
    losers = [(one, _lost(model, one)) for one in model.variants if one.accuracy and one.figure]
    stale = list(dict.fromkeys(reason for one in model.variants for reason in one.reasons))
    clips = len(model.thresholds) >= _FEWEST_LAYERS
    named = {
        "variants": ("variants", model.variants),
        "warnings": ("warnings", warned),
        "accuracy": ("accuracy", model.breakdowns or model.curves or model.confusions),
        "previews": ("previews", model.previews),
        "layers": ("layers", searched or model.thresholds),
        "changes": ("changes", model.release),
        "graph": ("graph", graph),
    }
    return _page(
        page_of(model.name),
        folder,
        "model.html.j2",
        report=report,
        model=model,
        sections=[(key, text) for key, (text, there) in named.items() if there],
        warned=warned,
        stale=stale,
        losers=losers,
        bars=bars,
        most_parts=plots.MOST_PARTS,
        curves=_markup(plots.curves(model.curves.networks)) if model.curves else "",
        confused=model.confusions[:_MOST_CONFUSIONS],
        networks=["float", *(one.name for one in model.variants)],
        accuracy_files=[*of_float, *_of_variants(model, "accuracy")],
        previews=[(one, _thumbnail(one)) for one in model.previews],
        searched=searched,
        changes=_grouped(model.changes),
        inputs=_inputs(model),
        clipping=_markup(plots.clipping(model.thresholds)) if clips else "",
        graph=_markup(f"data:image/svg+xml,{urllib.parse.quote(graph, safe=_SAFE)}") if graph else "",
        dated=dated,
    )


def _bars(breakdown: Breakdown) -> tuple[Breakdown, str, str]:
    """Return a breakdown, its figure, and what the figure shows: the values, differences, or nothing."""
    from cvimake.report.figures import plots  # noqa: PLC0415 - matplotlib is only there for a report

    largest = largest_difference(breakdown)
    if largest is not None and largest < LEAST_LOSS:
        return breakdown, "", "nothing"
    is_little = largest is not None and largest < _LITTLE
    svg = plots.of_parts(breakdown, plots.shown_parts(breakdown), as_differences=is_little)
    return breakdown, _markup(svg), "differences" if is_little else "values"


def _page(page: str, folder: Path, template: str, **values: Any) -> str:  # noqa: ANN401 - whatever a template shows
    style = _TEMPLATES.joinpath("style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    text = _environment((folder / page).parent, folder).get_template(template)
    return _OPTIONAL_END.sub("", text.render(style=_markup(style), policy=policy, **values)) + "\n"


def _written(value: object) -> object:
    """Return a value of a template without control characters; what is ready-made stays as it is."""
    return harmless(value) if type(value) is str else value


def _markup(text: str) -> str:
    from markupsafe import Markup  # noqa: PLC0415 - only there for a report

    return Markup(text)  # noqa: S704 - our own style, SVG in which the names are escaped, or an address


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _thumbnail(preview: Preview) -> str:
    """Return a preview as an image that fits a page; empty if the picture is damaged."""
    from PIL import Image  # noqa: PLC0415 - only a page with a preview needs it

    try:
        with Image.open(preview.path) as image:
            shown = image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        # The next preview is made anew.
        return ""
    shown.thumbnail((_PREVIEW_WIDTH, _PREVIEW_WIDTH * 3))
    written = io.BytesIO()
    shown.save(written, "JPEG", quality=80)
    return _data("image/jpeg", written.getvalue())


def _labelled(files: Iterable[File], *labels: str) -> list[File]:
    return [file for file in files if file.label in labels]


def _of_variants(model: Model, label: str) -> list[File]:
    return [
        File(label=f"{label} of {variant.name}", path=file.path)
        for variant in model.variants
        for file in variant.files
        if file.label == label
    ]


def _inputs(model: Model) -> list[tuple[str, str]]:
    """Return all files that the variants have read, each with its sha256; different contents come twice."""
    found = {(one.path, one.sha256) for each in model.variants if each.making for one in each.making.inputs}
    return sorted(found)


def _short(path: str) -> str:
    """Return a path in few words: cvimake's own programs have their name there."""
    own = str(_TEMPLATES.parents[2])
    return path.removeprefix(f"{own}/") if path.startswith(own) else os.path.normpath(path)


def _grouped(changes: Iterable[Change]) -> list[tuple[str, list[Change]]]:
    """Return changes by what has changed: each cvimodel, and at the end what concerns all of them."""
    groups: dict[str, list[Change]] = {}
    for change in changes:
        groups.setdefault(change.subject, []).append(change)
    return sorted(groups.items(), key=lambda group: not group[0])


def _lost(model: Model, variant: Variant) -> list[tuple[str, list[tuple[str, float]]]]:
    """Return the classes and the sizes in which a variant loses most."""
    found = [(one.of, worst(one, variant.name)) for one in model.breakdowns]
    return [(of, parts) for of, parts in found if parts]
