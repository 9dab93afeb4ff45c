"""The report of a release: as Markdown and JSON, with the same bytes on every machine and at any time."""

from __future__ import annotations

from cvimake.report import markdown
from cvimake.report.data import Model, Report
from cvimake.report.variant_data import Variant

MARKDOWN, JSON = "report.md", "report.json"


def files(report: Report) -> dict[str, bytes]:
    """Return the files of a report that belong into a release, by their names there.

    The pages are not among them: matplotlib draws other bytes on another version of Python.
    """
    shipped = report.model_copy(update={"models": tuple(_model(model) for model in report.models)})
    return {
        MARKDOWN: markdown.written(shipped).encode(),
        JSON: f"{shipped.model_dump_json(indent=1)}\n".encode(),
    }


def _model(model: Model) -> Model:
    """Return a model without all that is of this machine, or that the release tells elsewhere."""
    left_out = {
        "previews": (), "release": "", "changes": (), "changes_in_words": (), "files": (),
    }  # fmt: skip
    variants = tuple(_variant(model.name, variant) for variant in model.variants)
    return model.model_copy(update={**left_out, "variants": variants})


def _variant(model: str, variant: Variant) -> Variant:
    # The provenance tells how it was made.
    file = f"{model}/{variant.file.rpartition('/')[2]}" if variant.file else ""
    return variant.model_copy(update={"file": file, "making": None, "files": ()})
