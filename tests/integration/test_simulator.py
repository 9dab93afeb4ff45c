"""The library that does the simulator's slowest work gives the simulator's own bits, or stands aside.

To try more commands, or others:

    CVIMAKE_TEST_COMMANDS=100000 CVIMAKE_TEST_SEED=7 pytest tests/integration/test_simulator.py -k random
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import PROBES, Lab, environment
from projects import Project, copy_shapes
from test_shared_models import SHARED

from cvimake.builder.store.current import NONE, STORE_VARIABLE
from cvimake.core import digest
from cvimake.core.action import Action, FileKind, Limits
from cvimake.core.errors import StageFailedError
from cvimake.core.resources import docker_folder
from cvimake.execution.image.making import ToolchainImage
from cvimake.toolchain import commands

COMMANDS = int(os.environ.get("CVIMAKE_TEST_COMMANDS", "600"))
SEED = os.environ.get("CVIMAKE_TEST_SEED", "0")
# The commands before the random ones.
CONVERSIONS = 8
COMPARE, OFF = commands.SIMULATOR_VARIABLES
SIMULATOR = f"{commands.ROOT}/lib/libcvicmodel.so"
# The last line of a process that compared everything.
COMPARED = re.compile(
    r"cvimake: (\d+) convolutions and (\d+) copies equal the simulator's own; (\d+) convolutions were left"
)
# Runs a cvimodel on random bytes.
RUN = """
import hashlib, json, numpy, pyruntime_cvi
model = pyruntime_cvi.Model("net.cvimodel", output_all_tensors=False)
draw = numpy.random.default_rng(0)
for tensor in model.inputs:
    given = tensor.data.reshape(-1)
    given[:] = draw.integers(0, 100, given.size).astype(given.dtype)
model.forward()
digests = [hashlib.sha256(numpy.array(tensor.data).tobytes()).hexdigest() for tensor in model.outputs]
json.dump(digests, open("out.json", "w"))
"""
# Compiles the library in a container, and runs a command with it.
WITH_ANOTHER = """
import os, subprocess, sys
subprocess.run(["sh", "compile-simulator.sh", "/workspace/another.so"], check=True)
os.environ["LD_PRELOAD"] = os.environ["LD_PRELOAD"].rpartition(":")[0] + ":/workspace/another.so"
os.execvp(sys.executable, [sys.executable, *sys.argv[1:]])
"""
# Writes a simulator of which one letter of a message differs, and runs a command.
WITH_OTHER_SIMULATOR = f"""
import os, sys
library = open("{SIMULATOR}", "rb").read()
changed = library.replace(b"/work/code/", b"/work/kode/")
assert changed != library
open("/workspace/simulator.so", "wb").write(changed)
os.execvp(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@dataclasses.dataclass(frozen=True)
class Ran:
    """What a probe wrote to `out.json`, and its log."""

    result: Any
    log: str

    @property
    def compared(self) -> tuple[int, int, int] | None:
        """The convolutions and copies that were compared, and the convolutions that were not replaced."""
        found = COMPARED.search(self.log)
        return (int(found[1]), int(found[2]), int(found[3])) if found else None


def run(lab: Lab, action: Action, *variables: str) -> Ran:
    """Run an action as a stage that uses the simulator is run."""
    action = dataclasses.replace(action, environment=commands.simulator_environment())
    lab = Lab(dataclasses.replace(lab.sandbox, variables=dict.fromkeys(variables, "1")))
    result = lab.run(action)
    return Ran(result, lab.sandbox.log_path(action).read_text(encoding="utf-8"))


def random_commands(lab: Lab, count: int = COMMANDS, program: str = "", library: str = SIMULATOR) -> Action:
    """Random convolutions and copies; with a program, that runs first and starts them."""
    probe = PROBES / "simulated_commands.py"
    arguments = (library, SEED, str(count))
    limits = Limits(seconds=60.0 + count / 20)
    if not program:
        return lab.action(probe, *arguments, limits=limits)
    lab.add_input(probe.name, probe.read_bytes())
    return lab.action(program, probe.name, *arguments, limits=limits)


def test_random_commands_are_done_with_the_simulators_bits(lab: Lab) -> None:
    action = random_commands(lab)
    own = run(lab, action, OFF)
    assert run(lab, action).result == own.result
    compared = run(lab, action, COMPARE)
    assert compared.result == own.result
    assert compared.compared is not None
    convolutions, copies, left = compared.compared
    # Those that are left to the simulator have infinite numbers.
    assert convolutions > 0.6 * COMMANDS
    assert copies > 0.15 * COMMANDS
    assert convolutions + copies + left == CONVERSIONS + COMMANDS


@pytest.mark.parametrize(
    ("exact", "wrong", "message"),
    [
        (
            "== base + LANE_BF16, ours);\n",
            "== base + LANE_BF16, ours);\n    ((char *)ours)[size / 2] ^= 1;\n",
            "a convolution differs from the simulator's own",
        ),
        (
            "memcpy(ours, begin, size);\n",
            "memcpy(ours, begin, size);\n    ours[size / 2] ^= 1;\n",
            "a copy differs from the simulator's own",
        ),
    ],
)
def test_one_wrong_bit_ends_a_comparison(lab: Lab, exact: str, wrong: str, message: str) -> None:
    for name in (
        "compile-simulator.sh", "interpreter.c", "sha256.h", "simulator-convolution.h", "simulator-copy.h",
    ):  # fmt: skip
        lab.add_input(name, (docker_folder() / name).read_bytes())
    source = (docker_folder() / "simulator.c").read_text(encoding="utf-8")
    assert source.count(exact) == 1
    lab.add_input("simulator.c", source.replace(exact, wrong))
    action = random_commands(lab, 20, WITH_ANOTHER)
    with pytest.raises(StageFailedError):
        run(lab, action, COMPARE)
    assert message in lab.sandbox.log_path(action).read_text(encoding="utf-8")
    # The same library as it is finds no difference.
    lab.add_input("simulator.c", source)
    assert run(lab, random_commands(lab, 20, WITH_ANOTHER), COMPARE).compared is not None


def test_it_stands_aside_for_an_unknown_simulator(lab: Lab) -> None:
    own = run(lab, random_commands(lab, 50), OFF)
    action = random_commands(lab, 50, WITH_OTHER_SIMULATOR, "/workspace/simulator.so")
    other = run(lab, action, COMPARE)
    assert (other.compared, other.result) == (None, own.result)
    known = WITH_OTHER_SIMULATOR.replace("kode", "code").replace("assert changed != library", "")
    assert run(lab, random_commands(lab, 50, known, "/workspace/simulator.so"), COMPARE).compared is not None


def test_it_stands_aside_if_it_is_switched_off(lab: Lab) -> None:
    assert run(lab, random_commands(lab, 20), COMPARE, OFF).compared is None


def test_other_programs_do_not_notice_it(lab: Lab) -> None:
    program = "import json, pymlir; json.dump([pymlir.module().__class__.__name__], open('out.json', 'w'))"
    ran = run(lab, lab.action(program), COMPARE)
    assert (ran.result, ran.compared) == (["module"], None)


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage
) -> Callable[..., Project]:
    """Build the bundled model with some variables, and without the store."""
    assert toolchain_image.id

    def build(**variables: str) -> Project:
        project = Project.make(tmp_path_factory.mktemp("simulated"), "shapes", "")
        shutil.rmtree(project.model)
        copy_shapes(project.folder)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**variables, STORE_VARIABLE: NONE}.items():
                patch.setenv(name, value)
            return project.built("shapes")

    return build


def test_a_deploy_has_the_same_bytes_with_and_without_it(
    built: Callable[..., Project], new_lab: Callable[[Path], Lab], tmp_path: Path
) -> None:
    assert COMPARE not in environment()
    compared, own = built(**{COMPARE: "1"}), built(**{OFF: "1"})
    names = compared.published()
    assert names == own.published()
    for name in names:
        ours, theirs = (project.folder / "build" / "shapes" / name for project in (compared, own))
        assert digest.of_file(ours) == digest.of_file(theirs), name
    for variant in ("f16", "int8", "mix"):
        logs = [
            project.folder / "build" / "logs" / "shapes" / f"{variant}.log" for project in (compared, own)
        ]
        counts, nothing = (COMPARED.search(log.read_text(encoding="utf-8")) for log in logs)
        assert counts is not None
        assert nothing is None
        assert (int(counts[1]) > 20, int(counts[2]) > 50, counts[3]) == (True, True, "0")
        cvimodel = compared.path(f"_cv181x_{variant}.cvimodel")
        assert_equal_on_random_bytes(new_lab(tmp_path / variant), cvimodel)
    # The variables are no part of a key.
    assert "0 built" in own.doit("shapes").stdout


@pytest.mark.skipif(not (SHARED / "cvimodels").is_dir(), reason="the shared cvimodels are not here")
@pytest.mark.parametrize("task", ["classify", "detection", "pose"])
def test_a_published_cvimodel_has_the_same_outputs_with_and_without_it(lab: Lab, task: str) -> None:
    assert_equal_on_random_bytes(lab, SHARED / "cvimodels" / f"yolo11n_{task}_cv181x_int8.cvimodel")


def assert_equal_on_random_bytes(lab: Lab, cvimodel: Path) -> None:
    """Compare the outputs of a cvimodel, and each convolution and copy."""
    lab.root.mkdir(exist_ok=True)
    lab.add_input("net.cvimodel", cvimodel.read_bytes())
    action = lab.action(RUN, outputs={"out.json": FileKind.JSON}, limits=Limits(seconds=300.0))
    own, ours, compared = run(lab, action, OFF), run(lab, action), run(lab, action, COMPARE)
    assert own.result == ours.result == compared.result
    assert own.compared is ours.compared is None
    assert compared.compared is not None
    convolutions, copies, left = compared.compared
    assert (convolutions > 20, copies > 50, left) == (True, True, 0)
