"""What a user has put into a project, and which stages must run: written from the rules, not from the code.

A stage runs if its last run is not on record, if one of its options is another, if it reads other files or
other bytes, or if a file that it made is not what it made. What a stage makes anew with equal bytes changes
nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

TOOLCHAIN = "build/toolchain.json"
# Files, each with what a stage takes it for.
Reads = tuple[tuple[str, str], ...]
# The first of each is what a model begins with.
KNOBS: dict[str, tuple[Any, ...]] = {
    "source": ("a.onnx", "b.onnx"),
    "mean": (0.0, 1.0),
    "verify": (("x.png",), ("y.png",), ("x.png", "y.png"), ("y.png", "x.png"), ("../../datasets/d0/0.png",)),
    "samples": (("dataset", "d0"), ("dataset", "d1"), ("data_list", "list.txt")),
    "listed": ("x.png\ny.png\n", "y.png\nx.png\n", "x.png\n"),
    # No project has fewer samples: a declaration that asks for more is refused.
    "input_num": (None, 1),
    "budget": (1000000, 2000000),
    "one": ("search", "F16", "INT8", "own calibration", "own qtable", "own both", "none"),
    "processors": (("cv181x",), ("cv182x",), ("cv181x", "cv182x")),
    "expected_cos": (0.99, 0.999),
    "search_samples": (None, "d0", "d1"),
    "tables": (("t1.txt", "t2.txt"), ("t2.txt", "t1.txt")),
    "quant_output": (False, True),
    "test_input": (None, (), ("y.png",)),
    "test_reference": (None, "r.npz"),
}
MODEL_FILES = ("a.onnx", "b.onnx", "x.png", "y.png", "t1.txt", "t2.txt", "r.npz")
_OTHER = "[variant.two]\nquantize = 'F16'\n"


@dataclass
class World:
    """A project as its user sees it.

    Attributes:
        models: by name, the value of each knob.
        files: what lies at each path, results too.
        identity: what the toolchain says of itself.
    """

    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)

    def at(self, path: str) -> bytes | None:
        """What lies at a path, however it is written; None for nothing."""
        return self.files.get(os.path.normpath(path))

    def members(self, dataset: str) -> list[str]:
        """A dataset's samples, by name."""
        return sorted(
            path.rpartition("/")[2]
            for path in self.files
            if path.startswith(f"datasets/{dataset}/") and path.endswith(".png")
        )


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a stage depends on, and what it makes.

    Attributes:
        options: all that is declared and decides it.
        reads: the files, each with what the stage takes it for.
        writes: the files that it makes.
    """

    options: object
    reads: Reads
    writes: tuple[str, ...]


def declaration(knobs: Mapping[str, Any]) -> str:
    """A model's `model.toml`."""
    kind, by = knobs["samples"]
    lines = [
        f"source = '{knobs['source']}'",
        "[input]", "shapes = [[1, 3, 8, 8]]", f"mean = {[knobs['mean']] * 3}", "pixel_format = 'rgb'",
        "[verify]", f"input = {json.dumps(knobs['verify'])}",
        "[calibration]", f"{kind} = '{by}'",
        *([f"input_num = {knobs['input_num']}"] if knobs["input_num"] else []),
        "[budget]", f"size = {knobs['budget']}",
    ]  # fmt: skip
    if knobs["one"] != "none":
        lines += [
            "[variant.one]",
            f"quantize = '{_quantize(knobs)}'",
            f"processor = {json.dumps(knobs['processors'])}",
            f"quant_output = {json.dumps(knobs['quant_output'])}",
        ]
        if (own := _own(knobs))[0]:
            lines.append(f"calibration_table = '{own[0]}'")
        if own[1]:
            lines.append(f"qtable = '{own[1]}'")
        if knobs["test_input"] is not None:
            lines.append(f"test_input = {json.dumps(knobs['test_input'])}")
        if knobs["test_reference"]:
            lines.append(f"test_reference = '{knobs['test_reference']}'")
        if knobs["one"] == "search":
            lines += ["[variant.one.qtable]", f"expected_cos = {knobs['expected_cos']}"]
            if knobs["search_samples"]:
                lines.append(f"dataset = '{knobs['search_samples']}'")
    return "\n".join([*lines, _OTHER])


def rules(world: World) -> dict[str, Rule]:
    """Every stage of a project, each after those that it needs."""
    found = {"toolchain": Rule(options=(), reads=(), writes=(TOOLCHAIN,))}
    for name, knobs in world.models.items():
        for stage, rule in _of_model(world, name, knobs):
            reads = (("toolchain", TOOLCHAIN), *rule.reads)
            found[f"{name}:{stage}"] = Rule(options=rule.options, reads=reads, writes=rule.writes)
    return found


@dataclass(frozen=True)
class _Names:
    """Where the files of a model lie."""

    model: str

    def own(self, file: str) -> str:
        """One of the user's."""
        return f"models/{self.model}/{file}"

    def made(self, ending: str) -> str:
        """One that is built."""
        return f"build/{self.model}/{self.model}{ending}"

    @property
    def network(self) -> Reads:
        return (("mlir", self.made(".mlir")), ("weights", self.made("_top_f32_all_weight.npz")))

    @property
    def reference(self) -> Reads:
        return (("reference", self.made("_top_outputs.npz")),)

    def tested(self, files: tuple[str, ...]) -> Reads:
        return tuple((f"test input {number}", self.own(file)) for number, file in enumerate(files))


def _of_model(world: World, name: str, knobs: Mapping[str, Any]) -> Iterator[tuple[str, Rule]]:
    names = _Names(name)
    network, verify = names.network, knobs["verify"]
    converted = names.made(".onnx")
    yield (
        "onnx",
        Rule(
            options=(),
            reads=(("source", names.own(knobs["source"])),),
            writes=(converted, names.made("_onnx.json")),
        ),
    )
    yield (
        "mlir",
        Rule(
            options=(knobs["mean"], len(verify)),
            reads=(("source", converted), *names.tested(verify)),
            writes=(*(path for _, path in (*network, *names.reference)), names.made("_outputs.json")),
        ),
    )
    samples, sampled = _samples(world, name, *knobs["samples"])
    if _quantize(knobs) == "INT8" and knobs["one"] != "none" and not _own(knobs)[0]:
        table = names.made("_calibration_table")
        yield (
            "calibration",
            Rule(options=(knobs["input_num"], sampled), reads=(*network, *samples), writes=(table,)),
        )
    files = tuple(names.made(f"_cv181x_two{ending}") for ending in (".cvimodel", "_validation.json"))
    reads = (*network, *names.tested(verify), *names.reference)
    yield "two", Rule(options=len(verify), reads=reads, writes=files)
    yield "two_info", _listing(names, knobs, "_cv181x_two")
    if knobs["one"] != "none":
        for processor in knobs["processors"]:
            label = f"one_{processor}" if len(knobs["processors"]) > 1 else "one"
            yield from _first(world, names, knobs, processor, label)


def _first(
    world: World, names: _Names, knobs: Mapping[str, Any], processor: str, label: str
) -> Iterator[tuple[str, Rule]]:
    """The stages of the variant that has knobs, for one processor."""
    stem = f"_{processor}_one"
    reads = names.network
    table, layers = _own(knobs)
    if _quantize(knobs) == "INT8":
        reads += (("table", names.own(table) if table else names.made("_calibration_table")),)
    if knobs["one"] == "search":
        kind = ("dataset", knobs["search_samples"]) if knobs["search_samples"] else knobs["samples"]
        samples, sampled = _samples(world, names.model, *kind)
        endings = ("_qtable", "_loss_table.txt", "_search.json")
        found = tuple(names.made(f"{stem}{ending}") for ending in endings)
        rule = Rule(
            options=(processor, knobs["expected_cos"], sampled), reads=(*reads, *samples), writes=found
        )
        yield f"{label}_qtable", rule
        reads += (("layers", found[0]),)
    elif layers:
        reads += (("layers", names.own(layers)),)
    tested = knobs["verify"] if knobs["test_input"] is None else knobs["test_input"]
    reads += names.tested(tested)
    if tested and knobs["test_reference"]:
        reads += (("reference", names.own(knobs["test_reference"])),)
    elif tested and knobs["test_input"] is None:
        reads += names.reference
    files = tuple(names.made(f"{stem}{ending}") for ending in (".cvimodel", "_validation.json"))
    options = (processor, len(tested), _quantize(knobs), knobs["quant_output"])
    yield label, Rule(options=options, reads=reads, writes=files)
    yield f"{label}_info", _listing(names, knobs, stem)


def _listing(names: _Names, knobs: Mapping[str, Any], stem: str) -> Rule:
    return Rule(
        options=knobs["budget"],
        reads=(
            ("model", names.made(f"{stem}.cvimodel")),
            ("validation", names.made(f"{stem}_validation.json")),
            ("outputs", names.made("_outputs.json")),
        ),
        writes=tuple(names.made(f"{stem}_{ending}") for ending in ("info.txt", "time.json", "info.json")),
    )


def _quantize(knobs: Mapping[str, Any]) -> str:
    return "F16" if knobs["one"] == "F16" else "INT8"


def _own(knobs: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The user's own tables of a variant: of thresholds, and of layers."""
    first, second = knobs["tables"]
    return (
        first if knobs["one"] in {"own calibration", "own both"} else None,
        second if knobs["one"] in {"own qtable", "own both"} else None,
    )


def _samples(world: World, name: str, kind: str, by: str) -> tuple[Reads, object]:
    """The files of samples, and what is said of them: their names, or the list."""
    if kind == "dataset":
        members = world.members(by)
        return tuple((member, f"datasets/{by}/{member}") for member in members), tuple(members)
    listed = str(world.models[name]["listed"]).split()
    return tuple((member, f"models/{name}/{member}") for member in dict.fromkeys(listed)), tuple(listed)


# What was done


@dataclass(frozen=True)
class Record:
    """A stage's last success: what it depended on, and what it made."""

    options: object
    reads: tuple[tuple[str, str, bytes], ...]
    made: tuple[tuple[str, bytes], ...]


@dataclass
class Expectation:
    """What a build does: the stages that run, those that fail, and those that wait for these in vain."""

    ran: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)


class Books:
    """What was done so far, and so what is to be done."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}

    def build(
        self,
        world: World,
        selected: set[str],
        failing: set[str],
        make: Callable[[str], Mapping[str, bytes]],
    ) -> Expectation:
        """What a build of some stages and all that they need does; the world's files become what it makes.

        Args:
            world: changes.
            selected: the names of stages.
            failing: those whose tool fails.
            make: gives what a stage makes of the world's files, by path.
        """
        known = rules(world)
        makers = {path: stage for stage, rule in known.items() for path in rule.writes}
        needed = needs(known, makers, selected)
        done = Expectation()
        for stage, rule in known.items():
            if stage not in needed:
                continue
            if any(makers.get(path) in done.failed | done.blocked for _, path in rule.reads):
                done.blocked.add(stage)
                continue
            reads = tuple((role, path, world.at(path) or b"") for role, path in rule.reads)
            if self.is_fresh(stage, rule, reads, world):
                continue
            done.ran.append(stage)
            if stage in failing:
                done.failed.add(stage)
                self.records.pop(stage, None)
                continue
            made = make(stage)
            assert set(made) == set(rule.writes)
            world.files.update(made)
            self.records[stage] = Record(rule.options, reads, tuple(made.items()))
        return done

    def is_fresh(
        self, stage: str, rule: Rule, reads: tuple[tuple[str, str, bytes], ...], world: World
    ) -> bool:
        """Whether a stage has nothing to do."""
        record = self.records.get(stage)
        return (
            record is not None
            and (record.options, record.reads) == (rule.options, reads)
            and all(world.files.get(path) == content for path, content in record.made)
            and {path for path, _ in record.made} == set(rule.writes)
        )

    def reasons(self, stage: str, world: World) -> set[tuple[str, str]]:
        """Why a recorded stage has to run, of those reasons that are about files: the kind and the file."""
        rule, record = rules(world)[stage], self.records[stage]
        before = {path: content for _, path, content in record.reads}
        now = {path: world.at(path) for _, path in rule.reads}
        found = {("Added", path) for path in now.keys() - before.keys()}
        found |= {("Removed", path) for path in before.keys() - now.keys()}
        found |= {("Changed", path) for path in now.keys() & before.keys() if now[path] != before[path]}
        made = dict(record.made)
        found |= {("TargetMissing", path) for path in rule.writes if path not in world.files}
        found |= {
            ("TargetDamaged", path)
            for path in rule.writes
            if path in made and world.files.get(path, made[path]) != made[path]
        }
        return found


def needs(known: Mapping[str, Rule], makers: Mapping[str, str], selected: set[str]) -> set[str]:
    """Some stages and all that they need."""
    found: set[str] = set()
    left = list(selected)
    while left:
        stage = left.pop()
        if stage not in found:
            found.add(stage)
            left += [makers[path] for _, path in known[stage].reads if path in makers]
    return found
