"""Writes a report as Markdown, for a pull request."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from cvimake.core import units
from cvimake.core.errors import harmless
from cvimake.report.accuracy import worst
from cvimake.report.data import Change, Model, Report
from cvimake.report.variant_data import Variant

_HEADINGS = (
    "model", "variant", "accuracy", "difference", "size", "ION memory", "recognised as", "on the camera",
    "state",
)  # fmt: skip
# Characters that have a meaning within a line of Markdown.
_MARKUP = re.compile(r"([\\`*_\[\]|~$])")
# After an @, this invisible space keeps a name from calling a person.
_APART = "\u200b"


def written(report: Report) -> str:
    """Return the report: a table of all cvimodels, and below it a text about each model."""
    lines = [
        f"## {_text(report.project)}",
        "",
        f"| {' | '.join(_HEADINGS)} |",
        f"|---|---|{'--:|' * 4}---|---|---|",
        *(line for model in report.models for line in _rows(model, report.pool)),
        "",
        "The difference is from the float network. ION memory is shown with its part of the camera's pool.",
        "",
        *(line for model in report.models for line in _of_model(model)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _rows(model: Model, pool: int) -> Iterator[str]:
    if not model.variants:
        yield f"| {_text(model.name)} |  |  |  |  |  |  |  | {model.state} |"
    for variant in model.variants:
        yield f"| {' | '.join(_cells(model, variant, pool))} |"


def _cells(model: Model, variant: Variant, pool: int) -> Sequence[str]:
    contents, accuracy = variant.contents, variant.accuracy
    figure = f"{variant.figure}" if variant.figure else ""
    lost = "" if accuracy is None or accuracy.drop is None else f"{0 - accuracy.drop:+.3f}"
    name = (
        f"**{_text(variant.name)}** (suggested)"
        if variant.name == model.suggestion.variant
        else _text(variant.name)
    )
    return (
        _text(model.name),
        name,
        figure,
        lost,
        units.size(contents.size) if contents else "",
        f"{contents.ion_memory:.2f} MB ({contents.ion_memory / pool:.0%})" if contents else "",
        _text(contents.recognition.name) if contents else "",
        variant.works,
        variant.state,
    )


def _of_model(model: Model) -> Iterator[str]:
    yield from (f"### {_text(model.name)}", "")
    for trouble in model.troubles:
        yield from (f"- {_text(trouble.cause)}", *([f"  {_text(trouble.remedy)}"] if trouble.remedy else []))
    if model.variants:
        chosen = f"**Ship {_text(model.suggestion.variant)}.** " if model.suggestion.variant else ""
        yield f"{chosen}{_text(model.suggestion.reason)}"
    yield ""
    if points := [*_losses(model), *_warnings(model)]:
        yield from (*points, "")
    if model.release:
        yield from _changes(model.release, model.changes, model.changes_in_words)


def _losses(model: Model) -> Iterator[str]:
    for variant in model.variants:
        parts = [
            f"{one.of} {_text(part)} {0 - lost:+.3f}"
            for one in model.breakdowns
            for part, lost in worst(one, variant.name)
        ]
        if parts:
            yield f"- {_text(variant.name)} loses most in: {', '.join(parts)}"


def _warnings(model: Model) -> Iterator[str]:
    for variant in model.variants:
        for warning in variant.warnings:
            yield f"- warning: {_text(variant.name)}: {_text(warning)}"


def _changes(release: str, changes: Sequence[Change], in_words: Sequence[str]) -> Iterator[str]:
    if not changes:
        yield from (f"Nothing has changed since the release {_text(release)}.", "")
        return
    if in_words:
        yield from (f"Since the release {_text(release)}:", "", *(f"- {_text(one)}" for one in in_words), "")
    yield from (f"<details><summary>Changes since the release {_text(release)}</summary>", "")
    yield from ("| cvimodel | what | in the release | now |", "|---|---|---|---|")
    for one in changes:
        cells = (one.subject or "all", one.what, one.old or "-", one.new or "-")
        yield f"| {' | '.join(map(_text, cells))} |"
    yield from ("", "</details>", "")


def _text(text: str) -> str:
    """Return a text that Markdown shows as it is, in one line."""
    line = " ".join(harmless(text).split())
    return _MARKUP.sub(r"\\\1", html.escape(line, quote=False)).replace("@", f"@{_APART}")
