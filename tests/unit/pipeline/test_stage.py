from __future__ import annotations

import dataclasses
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_stages import SMALL, declared, stages_of

from cvimake.pipeline.outcomes import CvimodelInfo
from cvimake.pipeline.stage import Stage
from cvimake.pipeline.stages import info
from cvimake.project import DeclaredModel, read_declarations
from cvimake.project.model import Budget

EXAMPLE = Path(__file__).resolve().parents[2]
TWO_VARIANTS = SMALL.partition("[variant.int8]")[0] + "[variant.mix]" + SMALL.partition("[variant.mix]")[2]
# Run by another process: it makes the stages anew, and compares them with those that it is given.
COMPARE = """
import pickle, sys
from collections.abc import Callable
from pathlib import Path
from cvimake.dodo import STAGES
from cvimake.project import read_declarations

(model,) = read_declarations(Path(sys.argv[1])).models.values()
made = [stage for stages in STAGES for stage in stages(model)]
for own, given in zip(made, pickle.load(sys.stdin.buffer), strict=True):
    assert own == given, (own, given)
    assert own.action.definition() == given.action.definition()
    assert own.concluded_with == given.concluded_with
    print(given.action.name)
"""


def tiny(root: Path) -> DeclaredModel:
    for folder in ("models", "datasets"):
        shutil.copytree(EXAMPLE / folder / "tiny", root / folder / "tiny")
    return read_declarations(root).models["tiny"]


def two_variants(root: Path) -> DeclaredModel:
    return declared(root, TWO_VARIANTS)


@pytest.mark.parametrize(("model_in", "count"), [(tiny, 10), (two_variants, 8)])
def test_another_process_finds_every_pickled_stage_equal(
    tmp_path: Path, model_in: Callable[[Path], DeclaredModel], count: int
) -> None:
    root = tmp_path / "project"
    stages = list(stages_of(model_in(root)))
    compared = subprocess.run(
        [sys.executable, "-c", COMPARE, str(root)],
        input=pickle.dumps(stages),
        capture_output=True,
        check=False,
    )
    assert compared.stderr == b""
    assert compared.stdout.decode().split() == [stage.action.name for stage in stages]
    assert len(stages) == count


def test_a_stage_that_differs_is_not_equal_to_the_pickled_one(tmp_path: Path) -> None:
    stage = next(info.stages(declared(tmp_path)))
    assert isinstance(stage.outcome, CvimodelInfo)
    stricter = dataclasses.replace(stage, outcome=dataclasses.replace(stage.outcome, budget=Budget(size=1)))
    copied: Stage = pickle.loads(pickle.dumps(stage))
    assert copied == stage
    assert copied != stricter
    assert copied.concluded_with != stricter.concluded_with
