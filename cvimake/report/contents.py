"""Chooses what a report shows of the contents of a cvimodel."""

from __future__ import annotations

from cvimake.camera.device_time import Estimate
from cvimake.pipeline.cvimodel_info import Info
from cvimake.report.variant_data import Contents, LayerTime

_MOST_WEIGHTS = 4
_MOST_LAYERS = 5


def contents_of(info: Info) -> Contents:
    """Return the contents of a cvimodel: everything but the small weights and the fast layers."""
    return Contents(
        size=info.size,
        ion_memory=info.ion_memory,
        processor=info.processor,
        compiler=info.compiler,
        time=str(info.time or ""),
        milliseconds=info.time.milliseconds if info.time else None,
        similarity=info.similarity,
        recognition=info.recognition,
        inputs=info.inputs,
        outputs=info.outputs,
        sections=info.sections,
        weights=tuple(sorted(info.weights, key=lambda weight: (-weight.size, weight.name))[:_MOST_WEIGHTS]),
        weight_count=len(info.weights),
        layer_times=_slowest(info.time) if info.time else (),
        read=info.time.read if info.time else 0,
        written=info.time.written if info.time else 0,
    )


def _slowest(time: Estimate) -> tuple[LayerTime, ...]:
    whole = sum(layer.cycles for layer in time.layers)
    slowest = sorted(time.layers, key=lambda layer: (-layer.cycles, layer.name))[:_MOST_LAYERS]
    return tuple(
        LayerTime(name=layer.name, operation=layer.operation, part=round(layer.cycles / whole, 4))
        for layer in slowest
        if whole
    )
