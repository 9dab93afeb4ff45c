"""A project whose tools are fakes, and cvimake's commands in it: the real graph, records and reports."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import small_checkpoints
import small_tflite
from doit.cmd_base import ModuleTaskLoader
from doit.dependency import Dependency
from doit.doit_cmd import DoitMain

from bench import project
from cvimake import dodo
from cvimake.builder import checks, outcomes
from cvimake.builder.content_checker import ContentChecker
from cvimake.builder.records import Records
from cvimake.camera.recognition import Recognition
from cvimake.cli.answers.partial import Partial
from cvimake.cli.commands import PLUGINS
from cvimake.cli.loaders import Sparing
from cvimake.core.action import Action
from cvimake.core.capacity import Capacity
from cvimake.core.content import Contents
from cvimake.core.digest import of_file
from cvimake.execution import runtime
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.logs import log_path
from cvimake.execution.sandbox import Ran
from cvimake.pipeline.accuracy import Figure, Measured
from cvimake.pipeline.cvimodel_info import Info
from cvimake.pipeline.outcomes import MeasuredAccuracy
from cvimake.pipeline.stage import Stage, StageOf
from cvimake.project import DeclaredModel

IDENTITY = {
    "packages": {"numpy": {"sha256": "aa", "version": "1.26.4"}, "onnx": {"sha256": "bb", "version": "1.14"}},
    "python": "3.10.14",
    "system": {"libc6": "2.35"},
}
STAGES = (
    "m0000:onnx", "m0000:mlir", "m0000:calibration", "m0000:mix_qtable", "m0000:int8", "m0000:mix",
    "m0000:int8_info", "m0000:mix_info",
)  # fmt: skip


class Workshop:
    """A project of one model, m0000, with the variants int8 and mix.

    Attributes:
        identity: what computes, as the image would say.
        frameworks: the same of the image with PyTorch and TensorFlow.
        exporter: the same of the image with Ultralytics' exporter.
        same: stages whose outputs do not depend on their inputs and options.
        failing: stages whose tool fails.
        accuracy: what stages measure that is not 0.8.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.identity: dict[str, Any] = json.loads(json.dumps(IDENTITY))
        self.frameworks: dict[str, Any] = json.loads(json.dumps(IDENTITY))
        self.frameworks["packages"]["torch"] = {"sha256": "cc", "version": "2.0.1"}
        self.exporter: dict[str, Any] = json.loads(json.dumps(IDENTITY))
        self.exporter["packages"]["ultralytics"] = {"sha256": "dd", "version": "8.4.190"}
        self.same: set[str] = set()
        self.failing: set[str] = set()
        self.accuracy: dict[str, float] = {}
        self.ran: list[str] = []
        project.write(root, 1)
        self.patch(root, monkeypatch)

    @classmethod
    def with_store(cls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
        """Returns a project in a folder, with a store and a cache beside it."""
        take_store(folder, monkeypatch)
        root = folder / "project"
        root.mkdir()
        return cls(root, monkeypatch)

    def patch(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Puts the fakes in place, and the process into the project."""
        monkeypatch.chdir(root)
        monkeypatch.delenv("CVIMAKE_INVOKED_FROM", raising=False)
        monkeypatch.delenv("CVIMAKE_ENGINE", raising=False)
        monkeypatch.delenv("CVIMAKE_BASE", raising=False)
        monkeypatch.setattr(checks, "run", lambda _stage, _readers: None)
        monkeypatch.setattr(outcomes, "conclude", self.write_concluded)
        monkeypatch.setattr(runtime.Runtimes, "plain", lambda _of: self._runtime(self.identity))
        monkeypatch.setattr(runtime.Runtimes, "with_frameworks", lambda _of: self._runtime(self.frameworks))
        monkeypatch.setattr(runtime.Runtimes, "for_export", lambda _of: self._runtime(self.exporter))

    @property
    def declaration(self) -> Path:
        """The model's own file."""
        return self.root / "models" / "m0000" / "model.toml"

    def declare(self, old: str, new: str) -> None:
        """Edits the model's declaration."""
        text = self.declaration.read_text(encoding="utf-8")
        assert old in text
        self.declaration.write_text(text.replace(old, new), encoding="utf-8")

    def take_tflite(self) -> None:
        """Its network is one that the frameworks image reads from now on."""
        self.declare('source = "tiny.onnx"', 'source = "tiny.tflite"')
        (self.declaration.parent / "tiny.tflite").write_bytes(small_tflite.convolution())

    def take_checkpoint(self) -> None:
        """Its network is one that the export image exports from now on."""
        self.declare('source = "tiny.onnx"', 'source = "best.pt"')
        small_checkpoints.write(self.declaration.parent / "best.pt", *small_checkpoints.ULTRALYTICS)

    def measure(self) -> None:
        """Its networks are measured from now on."""
        self.declare("[variant.int8]", '[accuracy]\ndataset = "samples"\n\n[variant.int8]')
        dataset = self.root / "datasets" / "samples"
        names = sorted(path.name for path in dataset.glob("*.png"))
        images = [{"id": n, "file_name": name, "width": 128, "height": 128} for n, name in enumerate(names)]
        box = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [1, 2, 30, 20], "area": 600}
        labels = {"images": images, "categories": [{"id": 1, "name": "cat"}], "annotations": [box]}
        (dataset / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
        declared = dataset / "dataset.toml"
        declared.write_text(
            f'{declared.read_text(encoding="utf-8")}labels = "labels.json"\n', encoding="utf-8"
        )

    def doit(self, *arguments: str, partial: Partial | None = None) -> int:
        """Runs a command as the launcher would; returns the exit code."""
        stages = [self._watched(stage_of) for stage_of in dodo.STAGES]
        config, task_toolchain, task_models = dodo.graph(str(self.root / "dodo.py"), stages)
        namespace = {
            "__file__": str(self.root / "dodo.py"),
            "DOIT_CONFIG": config,
            "task_toolchain": task_toolchain,
            "task_models": task_models,
        }
        loader = _Loader(namespace)
        loader.partial = partial
        ended = DoitMain(loader, config_filenames=(), extra_config=PLUGINS).run(list(arguments))
        return 0 if ended is None else int(ended)

    def printed(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        """Runs a command that succeeds without an error or a note, and returns its output."""
        capsys.readouterr()
        assert self.doit(*arguments) == 0
        written = capsys.readouterr()
        assert written.err == ""
        return written.out

    @contextlib.contextmanager
    def records(self) -> Iterator[Dependency]:
        """doit's records, to be read and written."""
        records = Dependency(
            Records, str(self.root / "build" / "doit.sqlite"), checker_cls=lambda: ContentChecker(Contents())
        )
        with contextlib.closing(records):
            yield records

    def build(self, *arguments: str, partial: Partial | None = None) -> list[str]:
        """Builds and returns the stages that ran."""
        self.ran.clear()
        self.doit("run", *arguments, partial=partial)
        return list(self.ran)

    def verdicts(self, capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, str]:
        """The verdict of the plan on each stage that is not up to date; the plan ends with this exit code."""
        capsys.readouterr()
        assert self.doit("plan", "--json") == code
        stages: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["stages"]
        return {stage["stage"]: stage["verdict"] for stage in stages}

    def _watched(self, stage_of: StageOf) -> StageOf:
        def stages(model: DeclaredModel) -> Iterator[Stage]:
            for stage in stage_of(model):
                self.see(stage)
                yield stage

        return stages

    def see(self, stage: Stage) -> None:
        """Called with every stage of the graph."""

    def write_concluded(self, stage: Stage, _warn_once: Callable[[str], None]) -> None:
        """In the place of `outcomes.conclude`: the tool's files are not looked into, except for a budget."""
        if isinstance(stage.outcome, MeasuredAccuracy):
            outcomes._measured_accuracy(stage.outcome)
        for place in stage.concluded:
            place.write_text(_INFO.model_dump_json(by_alias=True), encoding="utf-8")

    def _runtime(self, identity: dict[str, Any]) -> runtime.Runtime:
        image = ToolchainImage(id="sha256:abc", base="a base", identity=identity)
        return _Runtime(image, self)  # type: ignore[arg-type]

    def run(self, action: Action, watch: Callable[[bytes], None], *_: object) -> Ran:
        """In the sandbox's place."""
        inputs = {str(path): Contents().state(str(path)) for path in action.paths()}
        from cvimake.core.errors import StageFailedError  # noqa: PLC0415

        self.ran.append(action.name)
        log = log_path(self.root, action.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        printed = b"begin\nat  5%|a\rat 100%|b\n\nend\n"
        log.write_bytes(b"# head\nW=$(mktemp -d) && tool\n\n" + printed)
        watch(printed)
        if action.name in self.failing:
            raise StageFailedError(f"{action.name}: its tool ended with exit code 1")
        told = json.dumps(action.definition()).encode()
        read = b"".join((self.root / path).read_bytes() for path in action.paths())
        content = "same" if action.name in self.same else hashlib.sha256(told + read).hexdigest()
        for output in action.outputs:
            output.path.parent.mkdir(parents=True, exist_ok=True)
            is_measured = output.name.endswith("_accuracy.json")
            text = self._measured(action) if is_measured else f"{output.name} {content}\n"
            output.path.write_text(text, encoding="utf-8")
        return Ran(inputs=inputs, outputs=digests(action))

    def _measured(self, action: Action) -> str:
        """What a stage measures of the cvimodel that it reads, or else of the float network."""
        paths = {path.suffix: path for path in (file.path for file in action.inputs)}
        network = paths.get(".cvimodel", paths[".mlir"])
        value = self.accuracy.get(action.name, 0.8)
        found = Measured(
            network=network.name, sha256=of_file(network), images=8, kind="YOLO11",
            figure=Figure(metric="mAP50-95", value=value, standard_error=0.01),
            camera=Figure(metric="mAP50-95", value=value - 0.1),
            agreement=Figure(metric="same detections", value=0.9) if ".cvimodel" in paths else None,
        )  # fmt: skip
        return found.model_dump_json()


def take_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Has builds use a store and a cache of the test's own; returns the store."""
    monkeypatch.setenv("CVIMAKE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("cvimake.builder.store.current.user_cache", lambda _environment: tmp_path / "cache")
    return tmp_path / "store"


def digests(action: Action) -> dict[str, str]:
    """The sha256 of each output of an action, by its path."""
    return {str(output.path): of_file(output.path) for output in action.outputs}


class _Loader(Sparing, ModuleTaskLoader):
    pass


class _Runtime(runtime.Runtime):
    def capacity(self) -> Capacity:
        return Capacity(cores=2)

    def cancel(self) -> None:
        """Leave the fakes alone: each ends by itself at once."""


_INFO = Info(
    compiler="1.7", format="1.4", name="m0000", built="2024-01-01 00:00:00", processor="cv181x",
    ion_memory=0.1, sections=(), weights=(), inputs=(), outputs=(), size=1000, similarity=(),
    recognised_as="", recognition=Recognition(as_="", type=None, works="no", reason="no such outputs"),
)  # fmt: skip
