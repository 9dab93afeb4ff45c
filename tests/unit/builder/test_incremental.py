"""Random projects and random edits: what runs is exactly what must, and every byte is as if built anew."""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import importlib.metadata
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from doit import plugin
from graphs import IDENTITY, Workshop, digests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from worlds import KNOBS, MODEL_FILES, TOOLCHAIN, Books, World, declaration, needs, rules

from cvimake.builder import summary, tasks
from cvimake.camera.recognition import Recognition
from cvimake.cli.answers import keeping
from cvimake.cli.answers.observer import Observer
from cvimake.cli.answers.partial import Partial
from cvimake.cli.answers.repeat import of_request, repeat
from cvimake.cli.answers.request import Request
from cvimake.cli.new import DODO
from cvimake.core import filesystem
from cvimake.core.action import Action
from cvimake.core.content import Contents
from cvimake.core.errors import StageFailedError
from cvimake.execution.sandbox import Ran
from cvimake.pipeline.cvimodel_info import Info
from cvimake.pipeline.stage import Stage

# How many projects are tried, each with up to so many edits and builds.
PROJECTS = int(os.environ.get("CVIMAKE_TEST_PROJECTS", "60"))
MOST_STEPS = 14
# The kernel's clock steps by 10 ms at most: what is written later has another time of change.
_TICK = 0.011

# Edits, as they are shown where a test fails.


@dataclass(frozen=True)
class Write:
    """Other bytes in a file of the user's; `sly` of the same size, and with the old time of modification."""

    file: int
    content: int
    sly: bool = False


@dataclass(frozen=True)
class Touch:
    file: int


@dataclass(frozen=True)
class Turn:
    """Another value of a knob."""

    model: int
    knob: str
    choice: int


@dataclass(frozen=True)
class Members:
    """Adds, removes or renames a member of a dataset; the last one stays."""

    dataset: str
    what: str
    member: int


@dataclass(frozen=True)
class Models:
    """Adds a model, or removes it."""

    model: int


@dataclass(frozen=True)
class Harm:
    """Does something to a result."""

    result: int
    how: str


@dataclass(frozen=True)
class Upgrade:
    """Another toolchain."""

    version: int


@dataclass(frozen=True)
class Forget:
    """`./doit forget STAGE`."""

    stage: int


@dataclass(frozen=True)
class Lose:
    """Removes a database."""

    name: str


@dataclass(frozen=True)
class Step:
    """Edits and a build.

    Attributes:
        failing: stages whose tool fails, as their places in the graph.
        only: the stages that are built; empty for all.
    """

    edits: tuple[Any, ...]
    failing: tuple[int, ...] = ()
    only: tuple[int, ...] = ()


_SOME = st.integers(0, 63)
_EDIT = st.one_of(
    st.builds(Write, _SOME, st.integers(0, 1), st.booleans()),
    st.builds(Touch, _SOME),
    st.sampled_from(sorted(KNOBS)).flatmap(
        lambda knob: st.builds(Turn, st.integers(0, 1), st.just(knob), st.integers(0, len(KNOBS[knob]) - 1))
    ),
    st.builds(
        Members,
        st.sampled_from(["d0", "d1"]),
        st.sampled_from(["add", "remove", "rename"]),
        st.integers(0, 3),
    ),
    st.builds(Models, st.integers(0, 1)),
    st.builds(Harm, _SOME, st.sampled_from(["remove", "cut off", "edit", "exchange", "touch"])),
    st.builds(Upgrade, st.integers(0, 2)),
    st.builds(Forget, _SOME),
    st.builds(Lose, st.sampled_from(["doit.sqlite", "history.sqlite"])),
)
_STEP = st.builds(
    Step,
    st.lists(_EDIT, max_size=3).map(tuple),
    st.one_of(st.just(()), st.just(()), st.lists(_SOME, min_size=1, max_size=2).map(tuple)),
    st.one_of(st.just(()), st.just(()), st.lists(_SOME, min_size=1, max_size=2).map(tuple)),
)
_TURNS = st.dictionaries(st.sampled_from(sorted(KNOBS)), st.integers(0, 6), max_size=5)
# Stages whose tools write the same whatever they are given.
_CONSTANT = st.sets(
    st.sampled_from(["onnx", "mlir", "calibration", "one_qtable", "one", "two", "two_info"]), max_size=2
)


def made_by(stage: Stage, read: Callable[[str], bytes], *, constant: bool) -> dict[str, bytes]:
    """What a stage's fake tool makes: its name, and the sha256 of everything that it may see."""
    action = stage.action
    seen = hashlib.sha256(json.dumps(action.definition(), sort_keys=True).encode() + read(TOOLCHAIN))
    for given_as in action.inputs:
        seen.update(given_as.name.encode() + b"\0" + read(str(given_as.path)) + b"\0")
    for folder in action.folders:
        for name, path in sorted(folder.files.items()):
            seen.update(f"{folder.target}/{name}\0".encode() + read(str(path)) + b"\0")
    told = "the same" if constant else seen.hexdigest()
    return {str(output.path): f"{output.name} {told}\n".encode() for output in action.outputs}


def concluded_by(stage: Stage, read: Callable[[str], bytes], *, constant: bool) -> dict[str, bytes]:
    """What is made on the host of a tool's outputs."""
    places = [*(output.path for output in stage.action.outputs), *stage.also_read]
    seen = hashlib.sha256(json.dumps(stage.concluded_with).encode() + b"".join(read(str(p)) for p in places))
    info = Info(
        compiler="1.7", format="1.4", name="the same" if constant else seen.hexdigest(),
        built="2024-01-01 00:00:00", processor="cv181x", ion_memory=0.1, sections=(), weights=(), inputs=(),
        outputs=(), size=1000, similarity=(), recognised_as="", recognition=Recognition(as_="", type=None),
    )  # fmt: skip
    return {str(place): info.model_dump_json(by_alias=True).encode() for place in stage.concluded}


class Yard(Workshop):
    """A real project of a world, with the books kept beside it.

    Attributes:
        stages: of the graph as it was last read, by name.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, constant: set[str]) -> None:
        self.root = root
        self.world = World(identity=json.loads(json.dumps(IDENTITY)))
        self.books = Books()
        self.known: set[str] = set()
        # Those whose last run failed, as far as the history knows.
        self.failed: set[str] = set()
        self.constant = constant
        self.failing: set[str] = set()
        self.ran: list[str] = []
        self.stages: dict[str, Stage] = {}
        # The request of each kept answer, by the names that were built.
        self.answered: dict[tuple[str, ...], Request] = {}
        self.patch(root, monkeypatch)
        record = tasks.Project._record_toolchain

        def note_and_record(project: tasks.Project) -> None:
            self.ran.append("toolchain")
            record(project)

        monkeypatch.setattr(tasks.Project, "_record_toolchain", note_and_record)
        # Which plugins are installed is looked up anew for every command, and takes as long as the rest.
        monkeypatch.setattr(plugin, "entry_points", _entry_points)
        # Files of the program change if somebody works on it meanwhile; tests/unit/cli/answers has them.
        monkeypatch.setattr(keeping, "_of_python", lambda _searched, _importable: iter(()))
        # Nothing is written in the same tick as what was built before; see `step`.
        monkeypatch.setattr(filesystem, "CLOCK_STEP", 0.0)
        # So few models are judged in part only here.
        monkeypatch.setattr(summary, "MOST_UNCHANGED", -1)
        (root / "dodo.py").write_text(DODO, encoding="utf-8")
        for dataset in ("d0", "d1"):
            (root / "datasets" / dataset).mkdir(parents=True)
            (root / "datasets" / dataset / "dataset.toml").touch()
            for member in range(2):
                self.write(f"datasets/{dataset}/{member}.png", f"sample {member}".encode())

    @property
    def identity(self) -> dict[str, Any]:  # type: ignore[override]
        return self.world.identity

    # What the user does

    def write(self, path: str, held: bytes) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(held)
        self.world.files[path] = held

    def remove(self, path: str) -> None:
        (self.root / path).unlink()
        del self.world.files[path]

    def add_model(self, name: str, turned: Mapping[str, int]) -> None:
        knobs = {knob: choices[turned.get(knob, 0) % len(choices)] for knob, choices in KNOBS.items()}
        self.world.models[name] = knobs
        for file in MODEL_FILES:
            self.write(f"models/{name}/{file}", f"{file} 0".encode())
        self.declare_model(name)

    def declare_model(self, name: str) -> None:
        knobs = self.world.models[name]
        (self.root / f"models/{name}/list.txt").write_text(knobs["listed"], encoding="utf-8")
        (self.root / f"models/{name}/model.toml").write_text(declaration(knobs), encoding="utf-8")

    def edit(self, edit: Any) -> None:  # noqa: ANN401 - any of the edits
        names = sorted(self.world.models)
        match edit:
            case Write() | Touch():
                self._edit_file(edit)
            case Turn(model, knob, choice):
                self.world.models[names[model % len(names)]][knob] = KNOBS[knob][choice]
                self.declare_model(names[model % len(names)])
            case Members(dataset, what, member):
                self._edit_members(dataset, what, member)
            case Models(model):
                self._edit_models(f"m{model}")
            case _:
                self._edit_results(edit)

    def _edit_file(self, edit: Write | Touch) -> None:
        own = sorted(path for path in self.world.files if not path.startswith("build/"))
        path = own[edit.file % len(own)]
        before = (self.root / path).stat()
        if isinstance(edit, Touch):
            os.utime(self.root / path)
            return
        self.write(path, self.world.files[path][:-1] + str(edit.content).encode())
        if edit.sly:
            os.utime(self.root / path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def _edit_results(self, edit: Any) -> None:  # noqa: ANN401 - any of the other edits
        known = sorted(rules(self.world))
        results = sorted(path for path in self.world.files if path.startswith("build/"))
        match edit:
            case Harm(result, how) if results:
                self._harm(results[result % len(results)], results[(result + 1) % len(results)], how)
            case Upgrade(version):
                self.world.identity["python"] = f"3.10.{version}"
                self.forget("toolchain")
            case Forget(stage):
                self.forget(known[stage % len(known)])
            case Lose(name):
                (self.root / "build" / name).unlink(missing_ok=True)
                for lost in [self.books.records] if name == "doit.sqlite" else [self.known, self.failed]:
                    lost.clear()

    def forget(self, stage: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self.doit("forget", stage)
        self.books.records.pop(stage, None)

    def _edit_members(self, dataset: str, what: str, member: int) -> None:
        members = self.world.members(dataset)
        name = members[member % len(members)]
        path = f"datasets/{dataset}/{name}"
        if what == "add":
            self.write(f"datasets/{dataset}/{member}.png", f"sample {member}".encode())
        elif what == "remove" and len(members) > 1 and name != "0.png":
            self.remove(path)
        elif what == "rename" and name != "0.png":
            held = self.world.files[path]
            self.remove(path)
            self.write(f"datasets/{dataset}/r{name}"[:20] + ".png", held)

    def _edit_models(self, name: str) -> None:
        if name not in self.world.models:
            self.add_model(name, {})
        elif len(self.world.models) > 1:
            del self.world.models[name]
            for path in [path for path in self.world.files if path.startswith(f"models/{name}/")]:
                self.remove(path)
            (self.root / f"models/{name}/model.toml").unlink()

    def _harm(self, path: str, other: str, how: str) -> None:
        held = self.world.files[path]
        if how == "remove":
            self.remove(path)
        elif how == "touch":
            os.utime(self.root / path)
        else:
            harmed = {
                "cut off": held[: len(held) // 2],
                "edit": held + b"x",
                "exchange": self.world.files[other],
            }
            self.write(path, harmed[how])

    # What cvimake does

    def see(self, stage: Stage) -> None:
        self.stages[stage.action.name] = stage

    def write_concluded(self, stage: Stage, _warn_once: Callable[[str], None]) -> None:
        for place, held in concluded_by(stage, self.read, constant=self.is_constant(stage)).items():
            (self.root / place).write_bytes(held)

    def run(self, action: Action, watch: Callable[[bytes], None], *_: object) -> Ran:
        watch(b"")
        inputs = {str(path): Contents().state(str(path)) for path in action.paths()}
        self.ran.append(action.name)
        if action.name in self.failing:
            raise StageFailedError(f"{action.name}: its tool ended with exit code 1")
        stage = self.stages[action.name]
        for place, held in made_by(stage, self.read, constant=self.is_constant(stage)).items():
            (self.root / place).parent.mkdir(parents=True, exist_ok=True)
            (self.root / place).write_bytes(held)
        return Ran(inputs=inputs, outputs=digests(action))

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def is_constant(self, stage: Stage) -> bool:
        return stage.action.name.partition(":")[2] in self.constant

    def observed(self, *arguments: str) -> Request:
        """Gives a command that must do nothing, and keeps its answer; returns the request."""
        request, observer, since = Request(str(self.root), arguments), Observer(str(self.root)), time.time()
        partial = Partial(of_request(request), observer)
        self.ran.clear()
        with observer.watching():
            code = self.doit(*arguments, partial=partial)
        assert (self.ran, code) == ([], 0)
        assert keeping.keep(observer, request, since, partial) == ""
        assert holds(request)
        return request

    def partial(self, *arguments: str) -> Partial:
        """What the kept answer to a command says of each model."""
        return Partial(of_request(Request(str(self.root), arguments)), Observer(str(self.root)))

    def still_answered(self) -> set[tuple[str, ...]]:
        """The names whose build would be answered without a look at the graph."""
        return {only for only, request in self.answered.items() if holds(request)}

    def told(self, *arguments: str, partial: Partial | None = None) -> dict[str, dict[str, Any]]:
        """The stages that a command tells of."""
        with contextlib.redirect_stdout(io.StringIO()) as out:
            code = self.doit(*arguments, partial=partial)
        assert code == 0, out.getvalue()
        return {stage["stage"]: stage for stage in json.loads(out.getvalue())["stages"]}

    # What it must do

    def made(self, stage: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
        """What a stage makes of some files."""
        if stage == "toolchain":
            text = json.dumps(self.world.identity, indent=1, sort_keys=True) + "\n"
            return {TOOLCHAIN: text.encode()}
        its, constant = self.stages[stage], self.is_constant(self.stages[stage])
        there = dict(files)

        def read(path: str) -> bytes:
            return Path(path).read_bytes() if path.startswith("/") else there[os.path.normpath(path)]

        outputs = made_by(its, read, constant=constant)
        there |= outputs
        return {**outputs, **concluded_by(its, read, constant=constant)}

    def anew(self, wanted: set[str]) -> dict[str, bytes]:
        """What a build of some stages makes where nothing is built."""
        files = {path: held for path, held in self.world.files.items() if not path.startswith("build/")}
        made: dict[str, bytes] = {}
        for stage in rules(self.world):
            if stage in wanted:
                made |= self.made(stage, {**files, **made})
        return made

    def step(self, step: Step) -> None:
        """Edits, plans, builds, and holds all of it against what must be."""
        time.sleep(_TICK)
        for edit in step.edits:
            self.edit(edit)
        known = list(rules(self.world))
        self.failing = {known[place % len(known)] for place in step.failing} - {"toolchain"}
        for answered in self.still_answered():
            assert self.told("plan", "--json", *answered) == {}
        only = sorted({known[place % len(known)] for place in step.only})
        planned = self.told("plan", "--json", *only)
        if not only:
            # Models that nothing has changed of are left out, and the plan is the same.
            assert verdicts(self.told(*_PLAN, partial=self.partial(*_PLAN))) == verdicts(planned)
        if len(step.edits) == 1 and planned:
            explained = self.told("why", "--json", *(only or sorted(self.world.models)))
            stale = explained.keys() & planned.keys()
            assert all(explained[stage]["reasons"] == planned[stage]["reasons"] for stage in stale)
        self.check_reasons(planned)
        # Who asks for a cvimodel is told what is in it.
        selected = {*only, *(f"{stage}_info" for stage in only)} & set(known) if only else set(known)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            ran = self.build(*_BUILD[1:], *only, partial=self.partial(*_BUILD, *only))
        done = self.books.build(
            self.world, selected, self.failing, lambda stage: self.made(stage, self.world.files)
        )
        self.known |= set(done.ran) - done.failed
        self.failed = (self.failed - set(done.ran)) | done.failed
        assert sorted(ran) == sorted(done.ran)
        assert set(ran) <= planned.keys()
        certain = {stage for stage, its in planned.items() if its["verdict"] == "will run"}
        assert certain - done.blocked <= set(ran)
        there = {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in (self.root / "build").glob("m*/*")
        }
        assert there == {path: held for path, held in self.world.files.items() if path.startswith("build/m")}
        makers = {path: stage for stage, rule in rules(self.world).items() for path in rule.writes}
        whole = needs(rules(self.world), makers, selected)
        if not done.failed:
            for path, held in self.anew(whole).items():
                assert self.world.files[path] == held, path
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                self.answered[tuple(only)] = self.observed(*_BUILD, *only)
                if not self.told(*_PLAN):
                    self.observed(*_PLAN)

    def check_reasons(self, planned: Mapping[str, dict[str, Any]]) -> None:
        """Holds the reasons of every stage that does not follow from others against what was done to it."""
        for stage, its in planned.items():
            kinds = [reason["kind"] for reason in its["reasons"]]
            if "Follows" in kinds:
                continue
            assert its["verdict"] == "will run"
            record = self.books.records.get(stage)
            if record is None:
                forgotten = "NoRecord" if stage in self.known else "NeverBuilt"
                assert ("LastFailed" if stage in self.failed else forgotten) == kinds[0]
                continue
            told = {
                (_KINDS.get(reason["kind"], reason["kind"]), reason.get("path", TOOLCHAIN))
                for reason in its["reasons"]
                if reason["kind"] not in {"OptionChanged", "DefinitionChanged"}
            }
            right = self.books.reasons(stage, self.world)
            assert told == right
            if record.options == rules(self.world)[stage].options:
                assert right or "OptionChanged" in kinds or "DefinitionChanged" in kinds


def verdicts(told: Mapping[str, dict[str, Any]]) -> dict[str, tuple[str, Any]]:
    """The verdict on each stage, and its reasons."""
    return {stage: (its["verdict"], its["reasons"]) for stage, its in told.items()}


def holds(request: Request) -> bool:
    """Tell whether the kept answer to a request would be given."""
    answer = of_request(request)
    return answer is not None and repeat(answer, lambda _stream, _text: None)


_entry_points = functools.cache(importlib.metadata.entry_points)
_KINDS = {
    "InputAdded": "Added", "MemberAdded": "Added", "InputRemoved": "Removed", "MemberRemoved": "Removed",
    "InputChanged": "Changed", "ToolchainChanged": "Changed",
}  # fmt: skip


# A build of everything, and a plan of it.
_BUILD, _PLAN = ("run", "--continue", "--output-file", os.devnull), ("plan", "--json")
# Places among the files and the stages of a project of one model.
_SOURCE, _SEARCH = 4, 5


@contextlib.contextmanager
def yard(constant: set[str]) -> Iterator[Yard]:
    """A yard in memory, where that can be had: SQLite waits for the disk after every stage."""
    memory = Path(os.environ.get("CVIMAKE_TEST_PLACE", "/dev/shm"))
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder, pytest.MonkeyPatch.context() as monkeypatch:
        try:
            yield Yard(Path(folder).resolve(), monkeypatch, constant)
        finally:
            gc.unfreeze()


# Two images in another order; a source that is changed back after only a part was built; a variant that was
# built for two processors in between, which makes a group of the stage's name; a number of samples, and a
# dataset that loses one.
@example([{"verify": 2}], set(), [Step((Turn(0, "verify", 3),))])
@example([{}], set(), [Step((Write(_SOURCE, 1),), only=(_SEARCH,)), Step((Write(_SOURCE, 0),))])
@example([{}], set(), [Step((Turn(0, "processors", 2),)), Step((Turn(0, "processors", 0),))])
@example([{"input_num": 1}], set(), [Step((Members("d0", "remove", 1),))])
@settings(
    max_examples=PROJECTS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.lists(_TURNS, min_size=1, max_size=2),
    _CONSTANT,
    st.lists(_STEP, min_size=1, max_size=MOST_STEPS),
)
def test_exactly_the_necessary_stages_run_and_every_byte_equals_a_fresh_build(
    models: list[dict[str, int]], constant: set[str], steps: list[Step]
) -> None:
    with yard(constant) as its:
        for number, turned in enumerate(models):
            its.add_model(f"m{number}", turned)
        its.step(Step(()))
        for step in steps:
            its.step(step)
