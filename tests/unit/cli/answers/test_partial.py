"""The program in a process of its own, in a project of many models: whom does it judge after a change?"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from processes import Told, answered, append, exchange, other, tell, write

from bench import project
from cvimake.cli.answers.request import VARIABLE
from cvimake.cli.new import DODO

# Those that are not judged have more than 40 cvimodels, so a table would not show them.
_MODELS = 23
# It tells at its end which declarations it has read.
_PROGRAM = """\
import os, sys
from cvimake.cli.__main__ import main
read = []
def note(event, arguments):
    if event == "open" and str(arguments[0]).endswith("model.toml"):
        read.append(os.path.basename(os.path.dirname(arguments[0])))
sys.addaudithook(note)
code = main()
sys.stdout.flush()
os.write(2, f"read {' '.join(read)}\\n".encode() + (b"worked" if "doit" in sys.modules else b"repeated"))
sys.exit(code)
"""
_DECLARATION, _OTHER = "models/m0003/model.toml", "models/m0004/model.toml"
_RESULT, _RECORDS, _SAMPLE = "build/m0003/m0003.mlir", "build/doit.sqlite", "datasets/samples/03.png"
_EVERYTHING = None
_OWN = b'[verify]\ninput = "own.png"'
_SHARED = b'[verify]\ninput = "../../datasets/samples/00.png"'


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with many models, in which everything is built."""
    root = tmp_path_factory.mktemp("built")
    project.write(root, _MODELS)
    # An image that one model alone reads.
    shutil.copy(root / _SAMPLE, root / "models/m0003/own.png")
    exchange(root / _DECLARATION, _SHARED, _OWN)
    # A model that reads a file of another's folder.
    exchange(root / _OTHER, _SHARED, _OWN.replace(b"own", b"../m0005/its"))
    shutil.copy(root / _SAMPLE, root / "models/m0005/its.png")
    project.mark_done(root)
    assert tell(root).out.endswith("0 built, 185 unchanged\n")
    return root


def judged(told: Told) -> set[str] | None:
    """The models whose declarations were read; None for all, of which one may be removed."""
    (line,) = re.findall("^read (.*)$", told.errors, re.MULTILINE)
    read = set(line.split())
    return _EVERYTHING if len(read) >= _MODELS - 1 else read


def without_times(text: str) -> str:
    return re.sub(r"(about )?[\d.:]+ (s|min)( to [\d.:]+ (s|min))?|  +", " ", text)


def forget(root: Path) -> None:
    assert tell(root, "forget", "m0003:mlir").code == 0


def two_declarations(root: Path) -> None:
    for path in (_DECLARATION, _OTHER):
        exchange(root / path, b"[0.0,", b"[1.0,")


# Changes to a project, and the models that are judged afterwards.
EDITS: Mapping[str, tuple[Callable[[Path], object], set[str] | None]] = {
    "declaration": (lambda root: exchange(root / _DECLARATION, b"0.9999", b"0.9998"), {"m0003"}),
    "declaration, without effect": (lambda root: append(root / _DECLARATION, b"# x"), {"m0003"}),
    "declaration, wrong": (lambda root: append(root / _DECLARATION, b"x = 1"), {"m0003"}),
    "two declarations": (two_declarations, {"m0003", "m0004"}),
    "result removed": (lambda root: (root / _RESULT).unlink(), {"m0003"}),
    "result, slyly": (lambda root: write(root / _RESULT, other), {"m0003"}),
    "record forgotten": (forget, {"m0003"}),
    "declaration removed": (lambda root: (root / _DECLARATION).unlink(), set()),
    "another model": (lambda root: shutil.copytree(root / "models/m0003", root / "models/x"), _EVERYTHING),
    "network": (lambda root: write(root / "models/m0003/tiny.onnx", other), _EVERYTHING),
    "sample": (lambda root: write(root / _SAMPLE, other), _EVERYTHING),
    "toolchain": (lambda root: write(root / "build/toolchain.json", other), _EVERYTHING),
    "records removed": (lambda root: (root / _RECORDS).unlink(), _EVERYTHING),
    "settings": (lambda root: append(root / "pyproject.toml", b"[tool.cvimake]"), _EVERYTHING),
    "dodo.py": (lambda root: append(root / "dodo.py", b"\n"), _EVERYTHING),
}


@pytest.mark.parametrize("name", EDITS)
def test_after_a_change_it_judges_what_may_be_out_of_date_and_finds_the_same(root: Path, name: str) -> None:
    edit, models = EDITS[name]
    answered(root, "plan")
    edit(root)
    part = tell(root, "plan", program=_PROGRAM)
    whole = tell(root, "plan", program=_PROGRAM, variables={VARIABLE: "1"})
    assert (judged(part), judged(whole)) == (models, _EVERYTHING)
    assert (part.code, without_times(part.out)) == (whole.code, without_times(whole.out))


def test_a_file_in_the_folder_of_another_model_counts_for_its_reader(root: Path) -> None:
    answered(root, "plan")
    for path, model in (("m0003/own.png", "m0003"), ("m0005/its.png", "m0004")):
        write(root / "models" / path, other)
        told = tell(root, "plan", program=_PROGRAM)
        assert model in (judged(told) or {model})
        assert f"{model}:mlir" in told.out


def test_a_build_after_a_change_without_effect_says_the_same_and_keeps_its_answer(root: Path) -> None:
    answered(root)
    append(root / _DECLARATION, b"# x")
    part = tell(root, program=_PROGRAM)
    assert (judged(part), part.out) == ({"m0003"}, "0 built, 185 unchanged\n")
    assert not answered(root).worked
    assert judged(tell(root, variables={VARIABLE: "1"}, program=_PROGRAM)) is _EVERYTHING


def test_changes_add_up(root: Path) -> None:
    answered(root, "plan")
    for number, models in ((3, {"m0003"}), (4, {"m0004"}), (3, {"m0003"})):
        append(root / f"models/m000{number}/model.toml", b"# x")
        assert judged(tell(root, "plan", program=_PROGRAM)) == models
    write(root / "build/m0007/m0007.mlir", other)
    told = tell(root, "plan", program=_PROGRAM)
    assert judged(told) == {"m0007"}
    assert "m0007:mlir" in told.out


@pytest.mark.parametrize("arguments", [("plan", "m0003"), ("why", "m0003"), ("list", "--all")])
def test_other_commands_look_at_everything(root: Path, arguments: tuple[str, ...]) -> None:
    answered(root, *arguments)
    append(root / _DECLARATION, b"# x")
    assert judged(tell(root, *arguments, program=_PROGRAM)) is _EVERYTHING


def test_with_tasks_of_its_own_a_project_is_looked_at_as_a_whole(root: Path) -> None:
    own = "\n\ndef task_mine():\n    return {'actions': None, 'task_dep': ['m0004']}\n"
    (root / "dodo.py").write_text(f"{DODO}{own}", encoding="utf-8")
    answered(root, "plan")
    append(root / _DECLARATION, b"# x")
    told = tell(root, "plan", program=_PROGRAM)
    assert (judged(told), told.code, told.out) == (_EVERYTHING, 0, "nothing to do\n")


def test_a_small_project_is_looked_at_as_a_whole(root: Path) -> None:
    for number in range(2, _MODELS):
        shutil.rmtree(root / f"models/m{number:04}")
    answered(root, "plan")
    append(root / "models/m0000/model.toml", b"# x")
    (line,) = re.findall("^read (.*)$", tell(root, "plan", program=_PROGRAM).errors, re.MULTILINE)
    assert line == "m0000 m0001"
