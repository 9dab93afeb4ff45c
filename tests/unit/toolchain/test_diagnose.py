"""Every known failure is told from a log that the real toolchain wrote (tests/integration/failures.py)."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from cvimake.core.action import Ending, Limits
from cvimake.toolchain.diagnose import Diagnosis, diagnose, missed_layers, telling
from cvimake.toolchain.known_failures import KNOWN

ROOT = Path(__file__).resolve().parents[3]
LOGS = sorted((Path(__file__).parents[1] / "data" / "logs").glob("*/*.log"))


def read(case: str) -> tuple[Ending, str]:
    (path,) = [path for path in LOGS if path.stem == case]
    head, _, log = path.read_text(encoding="utf-8").partition("\n")
    return Ending(**json.loads(head)), log


def of(case: str, limits: Limits | None = None) -> Diagnosis:
    found = diagnose(*read(case), limits or Limits())
    assert found is not None
    return found


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_a_real_log_is_told_as_what_it_was(path: Path) -> None:
    assert of(path.stem).id == path.parent.name


def test_every_known_failure_has_a_real_log() -> None:
    assert {path.parent.name for path in LOGS} == {known.id for known in KNOWN}


def test_the_file_that_was_compared_tells_whose_fault_it_is() -> None:
    ending, log = read("tolerance")
    found = diagnose(ending, log.replace("_tpu_outputs.npz", "_model_outputs.npz"), Limits())
    assert found is not None
    assert found.id == "miscompiled"


def test_an_unknown_failure_stays_unknown() -> None:
    assert diagnose(Ending(exit_code=1), "Segmentation fault\nbye", Limits()) is None
    assert diagnose(Ending(exit_code=1), "", Limits()) is None


def test_the_log_of_a_success_is_no_failure() -> None:
    _, log = read("out-of-memory")
    assert "[Success]" in log
    assert diagnose(Ending(exit_code=1), log, Limits()) is None


def test_the_cause_quotes_the_log() -> None:
    assert of("unknown-output").cause == "the network has no tensor 'conv1_rleu'"
    assert of("mod").cause == "tpu_mlir 1.7 does not have the operator 'Mod'"
    assert of("sin").cause == "the processor cannot compute the operator Sin of layer odd_Sin"
    assert of("gray-network").cause.startswith("the network's input images has 1 channels")
    assert "3072 bytes instead of 12288" in of("sample-shape").cause


def test_a_missed_tolerance_has_advice_for_what_the_variant_computes_in() -> None:
    assert "calibrate" in of("tolerance").remedy
    assert "calibrate" not in of("tolerance-bf16").remedy
    assert "qtable = {" not in of("tolerance-mixed").remedy


@pytest.mark.parametrize("case", ["search-died", "search-gave-up"])
def test_a_search_without_a_qtable_ranks_the_layers(case: str) -> None:
    lines = of(case).remedy.splitlines()
    assert lines[0] == "3 layers were compared (the log has all of them); the least similar in INT8:"
    cosines = [float(line.split()[1]) for line in lines[1:4]]
    assert cosines == sorted(cosines)


def test_a_search_that_ran_into_a_limit_ranks_the_layers_that_it_had_compared() -> None:
    found = diagnose(
        Ending(exit_code=137, timed_out=True),
        "Processing b:  10%|#\n\nLayer: a_Conv Cos: 0.999000\nrubbish\nLayer: b_Conv Cos: 0.980000\n",
        Limits(),
    )
    assert found is not None
    assert found.remedy.splitlines()[1:3] == ["  b_Conv  0.980000", "  a_Conv  0.999000"]


def test_the_cause_names_the_limit() -> None:
    limits = Limits(memory=512 * 1024**2, seconds=90.0, processes=3)
    assert of("out-of-memory", limits).cause == "the tool needs more than its memory limit of 0.5 GiB"
    assert of("time-limit", limits).cause == "the tool was stopped after its time limit of 90 s"
    assert "3 processes" in of("process-limit", limits).cause


def test_a_limit_takes_precedence_over_the_log() -> None:
    _, log = read("mod")
    found = diagnose(Ending(exit_code=137, out_of_memory=True), log, Limits())
    assert found is not None
    assert found.id == "out-of-memory"


def test_a_missed_tolerance_names_the_worst_layers_and_how_far_they_are() -> None:
    found = of("tolerance-of-layers")
    head, first, *_ = found.remedy.splitlines()
    assert "compared layers are less similar than 0.999 (cosine), 0.95 (Euclidean)" in head
    name, cosine, euclidean = first.split()
    assert name.startswith("conv")
    assert float(cosine) < 0.999
    assert float(euclidean) < 0.95
    assert found.remedy.count("\n") <= 8


def test_the_layers_that_missed_are_sorted_by_how_far() -> None:
    layers = missed_layers(read("tolerance-of-layers")[1])
    assert len(layers) > 1
    assert layers == sorted(layers, key=lambda layer: (layer.cosine, layer.euclidean))
    assert all(layer.cosine < 0.999 or layer.euclidean < 0.95 for layer in layers)


def test_docs_errors_lists_the_known_failures() -> None:
    path = ROOT / "docs" / "list_errors.py"
    spec = importlib.util.spec_from_file_location("list_errors", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert written == module.page(), "write it anew: python docs/list_errors.py"


def test_stack_frames_are_left_out_of_the_shown_log() -> None:
    lines = [
        "[Running]: tpuc-opt",
        "Stack dump:",
        "0.\tProgram arguments: tpuc-opt net.mlir",
        "25 tpuc-opt  0x0000555555cd24d5",
        "Aborted",
        "Traceback (most recent call last):",
        '  File "/opt/tool.py", line 51, in _os_system',
        '    raise RuntimeError("[!Error]: {}".format(cmd_str))',
        "RuntimeError: [!Error]: tpuc-opt",
        "    an indented line of the tool's own",
    ]
    assert telling(lines) == [lines[0], lines[4], lines[8], lines[9]]
