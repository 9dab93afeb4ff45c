"""Calibration and search of random networks of every operator: the same bytes in any number of processes.

The order in which the operators come is random and seeded; CI tries each operator once. By hand:

    CVIMAKE_TEST_ROUNDS=50 CVIMAKE_TEST_SEED=7 pytest tests/integration/test_sample_order.py -k operator
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import operators
import pytest
from lab import PROBES, Lab
from networks import Network, save_images

from cvimake.core.action import Limits
from cvimake.core.resources import container_program
from cvimake.pipeline.stages import calibration, qtable

ROUNDS = int(os.environ.get("CVIMAKE_TEST_ROUNDS", "1"))
SEED = int(os.environ.get("CVIMAKE_TEST_SEED", "1"))
SAMPLES, PROCESSES = 5, (1, 2, 3)
# A calibration gets more processes after so many layers and tensors: some while they collect, some later.
MOST_LAYERS = 30
# Operators of one network, and networks of any operators that are searched too.
LENGTH, SEARCHED = 8, 1
PROGRAMS = dict.fromkeys([*calibration.PROGRAMS, *qtable.PROGRAMS])


@dataclass
class Comparison:
    """Networks that are calibrated, and some of them searched, in one container."""

    lab: Lab
    size: int
    networks: list[str] = field(default_factory=list)
    growing: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    searched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        save_images(self.lab.root / "in", SAMPLES, (self.size, self.size))
        for name in PROGRAMS:
            self.lab.add_input(f"{name}.py", container_program(name).read_bytes())

    def add(self, name: str, *, searched: bool = False, growing: Iterable[tuple[int, int]] = ()) -> Path:
        """The place for a network.

        Args:
            name: its name.
            searched: whether it is searched too.
            growing: the calibrations that begin with one process: how many layers and tensors come before
                they get more, and how many they get.
        """
        self.networks.append(name)
        self.growing[name] = list(growing)
        self.searched += [name] if searched else []
        return self.lab.root / "in" / f"{name}.onnx"

    def run(self) -> dict[str, dict[str, Any]]:
        wanted = {
            "networks": self.networks, "searched": self.searched, "shape": [1, 3, self.size, self.size],
            "processes": PROCESSES, "growing": self.growing,
        }  # fmt: skip
        probe, limits = PROBES / "compare_calibrations.py", Limits(seconds=3600.0)
        found: dict[str, dict[str, Any]] = self.lab.run(
            self.lab.action(probe, "out.json", json.dumps(wanted), limits=limits)
        )
        assert list(found) == self.networks
        return found


def differences(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The tables that are not the toolchain's."""
    for name, tools in found.items():
        for tool in {"calibration", "search"} & tools.keys():
            tables, logs = (tools[tool].get(key, {}) for key in ("tables", "logs"))
            for way in tables:
                if tables[way] != tables["original"]:
                    yield f"{name}: {tool} in {way} processes: {tables[way]} {logs[way]}"


def partitioned(names: list[str], random: Random) -> Iterator[list[str]]:
    """Networks of which each has some of the operators, and all of them together have all."""
    mixed = random.sample(names, len(names))
    for start in range(0, len(mixed), LENGTH):
        yield mixed[start : start + LENGTH]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_every_operator_gives_the_toolchains_tables(
    number: int, new_lab: Callable[[Path], Lab], tmp_path: Path
) -> None:
    random, moments = Random(f"{SEED} {number}"), Random(f"{SEED} {number} growing")
    comparison = Comparison(new_lab(tmp_path), operators.SHAPE[-1])
    names = [name for name in operators.OPERATORS if name not in operators.BY_DATA]
    made = {f"n{place}": chosen for place, chosen in enumerate(partitioned(names, random))}
    # The toolchain cannot lower each network of these, whatever it computes.
    searched = {f"s{place}": random.sample(operators.ON_THE_PROCESSOR, LENGTH) for place in range(SEARCHED)}
    searched["plain"] = random.sample(operators.LOWERED_TOGETHER, len(operators.LOWERED_TOGETHER))
    made |= searched
    for name, chosen in made.items():
        growing = [(moments.randint(1, MOST_LAYERS), moments.choice(PROCESSES[1:]))]
        place = comparison.add(name, searched=name in searched, growing=growing)
        operators.save(place, chosen, random.getrandbits(32))
    found = comparison.run()
    assert not [(text, made[text.partition(":")[0]]) for text in differences(found)]
    assert all(f"{what} goes on in" in str(found) for what in ("collecting", "tuning"))
    # The toolchain itself cannot take every network; it takes most.
    refused = {name: (made[name], tools["refused"]) for name, tools in found.items() if "refused" in tools}
    assert len(refused) <= len(made) // 2, refused
    in_any_order = [name for name in found if "order: any" in str(found[name])]
    assert len(in_any_order) >= len(made) // 4
    assert "tables" in found["plain"]["search"], found["plain"]


def test_a_network_whose_samples_decide_what_is_written_is_left_to_the_tools(
    new_lab: Callable[[Path], Lab], tmp_path: Path
) -> None:
    comparison = Comparison(new_lab(tmp_path), operators.SHAPE[-1])
    operators.save(comparison.add("n", searched=True), ["Conv", "NonZero"], 1)
    found = comparison.run()
    assert not list(differences(found))
    said = found["n"]["calibration"]["logs"]["2"]
    assert said == ["calibrate: top.NonZero was not tried: run_calibration itself runs, in one process"]


def save_face_detector(path: Path) -> None:
    """Residual blocks whose shortcuts are padded to more channels, as those of BlazeFace are."""
    network = Network()
    tensor = network.conv("conv", "images", (3, 8))
    for number, (entering, leaving, stride) in enumerate(((8, 8, 1), (8, 12, 2), (12, 16, 1), (16, 16, 1))):
        shortcut = tensor
        if stride == 2:
            shortcut = network.node("MaxPool", f"pool{number}", shortcut, kernel_shape=[2, 2], strides=[2, 2])
        if leaving > entering:
            network.constant(f"pads{number}", operators.pads(axis=1, behind=leaving - entering))
            shortcut = network.node("Pad", f"pad{number}", shortcut, f"pads{number}", mode="constant")
        block = network.conv(f"block{number}", tensor, (entering, leaving), stride=stride, relu=False)
        tensor = network.node("Relu", f"relu{number}", network.node("Add", f"sum{number}", block, shortcut))
    network.node("GlobalAveragePool", "scores", tensor)
    network.save(path, {"images": [1, 3, 32, 32]}, {"scores": [1, 16, 1, 1]})


def test_padded_channels_give_the_toolchains_tables(new_lab: Callable[[Path], Lab], tmp_path: Path) -> None:
    comparison = Comparison(new_lab(tmp_path), 32)
    growing = [(turns, processes) for turns in (1, 5, 12, 24) for processes in (2, 3)]
    save_face_detector(comparison.add("face", searched=True, growing=growing))
    found = comparison.run()
    assert not list(differences(found))
    grew = {way: said[1:] for way, said in found["face"]["calibration"]["logs"].items() if "after" in way}
    for count in (2, 3):
        collecting, tuning = (
            f"calibrate: {what} goes on in {count} processes" for what in ("collecting", "tuning")
        )
        assert grew[f"{count} after 1"] == grew[f"{count} after 5"] == [collecting, tuning]
        assert grew[f"{count} after 24"] == [tuning]
    (said,) = found["face"]["calibration"]["logs"]["2"]
    assert said.startswith("calibrate: processes: 2; samples: 5")
    assert said.endswith("order: last")
