"""Gathers what a report says of one cvimodel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cvimake.pipeline import files
from cvimake.pipeline.accuracy import Measured
from cvimake.pipeline.cvimodel_info import Info
from cvimake.pipeline.outcomes import CvimodelInfo
from cvimake.pipeline.target import Target
from cvimake.report import accuracy, tables
from cvimake.report.contents import contents_of
from cvimake.report.evidence import Evidence
from cvimake.report.variant_data import File, Mixture, Search, Variant


def of_target(
    evidence: Evidence,
    target: Target,
    measured: Measured | None,
    of_float: Measured | None,
    order: Sequence[str],
) -> Variant:
    """Return what is known of a cvimodel.

    Args:
        evidence: what the records say.
        target: the cvimodel.
        measured: its accuracy; None if it was not measured.
        of_float: the accuracy of the float network.
        order: the layers of the network.
    """
    path = files.place(target.model.name, target.cvimodel)
    stage = evidence.stages[target.stage]
    own = [name for name in _own_stages(target) if name in evidence.stages]
    info_stage = evidence.stages[f"{target.stage}_info"].outcome
    info = _info(info_stage.result) if isinstance(info_stage, CvimodelInfo) and path.is_file() else None
    qtable = next(
        (file.path for file in stage.action.inputs if f"--quantize_table={file.name}" in stage.action.argv),
        None,
    )
    name = target.model.name
    outputs = tables.outputs(files.place(name, files.outputs(name)))
    summary = files.place(name, files.search(target.stem)) if target.variant.qtable else None
    losses = files.place(name, files.loss_table(target.stem)) if target.variant.qtable else None
    return Variant(
        name=target.label,
        stage=target.stage,
        quantize=target.variant.options.quantize or "",
        file=str(path) if path.is_file() else "",
        state=evidence.state(own),
        reasons=tuple(evidence.reasons(own)),
        troubles=tuple(evidence.troubles(own)),
        contents=contents_of(info) if info else None,
        accuracy=accuracy.beside_float(measured, of_float, outputs) if measured else None,
        float_layers=tables.float_layers(qtable) if qtable else None,
        search=_search(summary, losses, order) if summary and losses else None,
        making=evidence.making(stage),
        files=existing(
            ("cvimodel", path),
            ("contents", target.row.info),
            ("accuracy", files.place(name, files.accuracy(target.stem))),
            ("detections", files.place(name, files.detections(target.stem))),
            ("comparison", files.place(name, target.validation)),
            ("float layers", qtable),
            ("search", summary),
            ("losses", losses),
        ),
    )


def _own_stages(target: Target) -> tuple[str, ...]:
    model = target.model.name
    shared = (f"{model}:onnx", f"{model}:mlir", f"{model}:calibration", f"{model}:float_accuracy")
    return (
        *shared,
        f"{target.stage}_qtable",
        target.stage,
        f"{target.stage}_info",
        f"{target.stage}_accuracy",
    )


def _info(path: Path) -> Info | None:
    try:
        return Info.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        # The next build makes a damaged file again.
        return None


def _search(summary: Path, losses: Path, order: Sequence[str]) -> Search | None:
    found = tables.json_object(summary).get("search")
    if not isinstance(found, dict) or "ending" not in found:
        return None
    return Search(
        ending=str(found["ending"]),
        expected_cos=float(found.get("expected_cos", 0.0)),
        int8_cos=found.get("int8_cos"),
        mix_cos=found.get("mix_cos"),
        losses=tables.losses(losses, order),
        mixtures=tuple(Mixture.model_validate(one) for one in found.get("mixtures", ())),
    )


def existing(*candidates: tuple[str, Path | None]) -> tuple[File, ...]:
    """Return those of some files that are there, each with what it holds."""
    return tuple(File(label=label, path=str(path)) for label, path in candidates if path and path.is_file())
