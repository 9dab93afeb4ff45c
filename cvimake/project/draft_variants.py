"""Writes the variants of a drafted `model.toml`, and the table of the layers that stay float."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cvimake.project.toml_text import comment, string

if TYPE_CHECKING:
    # It imports this module.
    from cvimake.project.draft import Draft
    from cvimake.project.networks.findings import Findings

# The file with the layers that stay float, beside the declaration.
FLOAT_LAYERS = "float_layers"
# The number of samples that a search takes by default.
_SEARCH_SAMPLES = 10
_SEARCHED = "Layers that lose too much in INT8 stay float."


def lines(draft: Draft) -> Iterator[str]:
    """Yield the lines of all variants."""
    yield "# Computes in BF16, the only float of this processor."
    yield "[variant.f16]"
    yield 'quantize = "F16"'
    yield "tolerance = [0.99, 0.8]"
    yield ""
    yield "[variant.int8]"
    yield 'quantize = "INT8"'
    yield ""
    found = draft.findings
    yield from comment(_why_mixed(found) if found else _SEARCHED)
    searched = min(draft.samples.count or _SEARCH_SAMPLES, _SEARCH_SAMPLES)
    mixed = (
        "[variant.mix]",
        'quantize = "INT8"',
        f"qtable = {string(FLOAT_LAYERS)}"
        if found and found.float_layers
        else f"qtable = {{ expected_cos = 0.999, min_layer_cos = 0.99, input_num = {searched} }}",
    )
    # The search is only proposed where it does not end well.
    proposed = draft.attends and not (found and found.float_layers)
    if proposed:
        yield from comment(
            "Not built: with attention, which this network has, the toolchain's search for them does not end "
            "well. A table of your own does: qtable = FILE."
        )
    yield from (f"# {line}" if proposed else line for line in mixed)
    yield ""


def _why_mixed(found: Findings) -> str:
    """Return why a recognised network has a mixed variant."""
    together = found.task in {"segment", "pose"} or found.family == "YOLOv5"
    if found.family == "YOLOv5" and found.float_layers:
        return (
            "Boxes and scores stand in one tensor. With many classes nearly all of it is near 0, and INT8 "
            "may cut off the scores of what is found. Here the layers behind the heads stay float: use this "
            "variant."
        )
    if together and found.float_layers:
        return (
            "Coordinates and scores stand in one tensor, and INT8 has one scale for both. Here the layers "
            "behind the heads stay float: use this variant."
        )
    if together:
        return (
            "Coordinates and scores stand in one tensor, and INT8 has one scale for both: use this variant."
        )
    if found.float_layers:
        return (
            "The layers that only the scores need stay float: scores lose more in INT8 than boxes. The table "
            "is written by rule, because with attention the toolchain's search does not end well."
        )
    return _SEARCHED


def qtable(layers: Sequence[str]) -> str:
    """Return the text of a table of layers that stay float."""
    return "".join(f"{layer} BF16\n" for layer in layers)
