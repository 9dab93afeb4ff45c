from __future__ import annotations

import ast
import json
import py_compile
import random
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cvimake.toolchain.container import installed_files

FILES = {
    "interpreter/bin/VERSION": "program",
    "interpreter/lib/libpython3.so": "library",
    "interpreter/lib/libc.so": "not Python's",
    "standard_library/os.py": "import sys",
    "standard_library/json/decoder.py": "import re",
    "standard_library/__pycache__/os.cpython-310.pyc": "bytecode",
    "standard_library/dist-packages/other.py": "not seen",
    "packages/numpy/core.so": "numpy",
    "packages/numpy/site-packages/kept.py": "",
    "packages/numpy-1.dist-info/METADATA": "Name: numpy",
    "packages/numpy-1.dist-info/RECORD": "by pip",
    "packages/pycocotools/mask.so": "compiled here",
    "packages/pycocotools-2.0.6.dist-info/METADATA": "Name: pycocotools",
    "onnx_packages/onnx/checker.py": "",
    "simulator/libfastsimulator.so": "compiled here",
    "simulator/libfaketime.so.1": "the user's",
}
COUNTED = {
    "interpreter": ["bin/VERSION", "lib/libpython3.so"],
    "standard_library": ["json/decoder.py", "os.py"],
    "packages": ["numpy-1.dist-info/METADATA", "numpy/core.so", "numpy/site-packages/kept.py"],
    "onnx_packages": ["onnx/checker.py"],
    "simulator": ["libfastsimulator.so"],
}


@pytest.fixture
def toolchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, FILES)
    monkeypatch.setattr(installed_files, "VERSION", "VERSION")
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "bytecode"))
    at(tmp_path, monkeypatch)
    return tmp_path


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed_files, "roots", lambda: {part: folder / part for part in COUNTED})


def lists() -> dict[str, list[str]]:
    return installed_files.lists(["pycocotools"])


def changed(lines: dict[str, list[str]]) -> list[str]:
    """The names that a check finds, with a list that was made before."""
    text = "".join(f"{line}\n" for of_part in lines.values() for line in of_part)
    return sorted(set(installed_files.not_as_listed(text, installed_files.digests(lines), random.Random(0))))


@pytest.mark.usefixtures("toolchain")
def test_every_file_that_a_process_loads_is_listed_with_its_sha256() -> None:
    lines = lists()
    names = {part: sorted(line.partition(f"  {part}/")[2] for line in lines[part]) for part in lines}
    assert names == COUNTED
    sha256 = "09d7f7b2e2ffcfda35ba9b2babf90a83a99c08c3a2fdd2a2d5f8e30e2a9b1aa6"
    assert len(lines["standard_library"][0].split()[0]) == len(sha256)


@pytest.mark.parametrize("name", [f"{part}/{name}" for part, names in COUNTED.items() for name in names])
def test_a_change_of_any_of_them_changes_the_digest_of_its_part_alone(toolchain: Path, name: str) -> None:
    before = installed_files.digests(lists())
    (toolchain / name).write_text("replaced", encoding="utf-8")
    after = installed_files.digests(lists())
    assert [part for part in before if before[part] != after[part]] == [name.partition("/")[0]]


@pytest.mark.parametrize(
    "name", sorted(FILES.keys() - {f"{p}/{n}" for p, names in COUNTED.items() for n in names})
)
def test_files_that_no_process_loads_do_not_count(toolchain: Path, name: str) -> None:
    before = installed_files.digests(lists())
    (toolchain / name).write_text("replaced", encoding="utf-8")
    assert installed_files.digests(lists()) == before


def test_equal_contents_have_equal_digests_in_another_place(
    toolchain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = installed_files.digests(lists())
    write(toolchain / "elsewhere", FILES)
    at(toolchain / "elsewhere", monkeypatch)
    assert installed_files.digests(lists()) == before


@pytest.mark.usefixtures("toolchain")
def test_an_unchanged_toolchain_is_as_listed() -> None:
    assert changed(lists()) == []


@pytest.mark.parametrize(
    "name", ["interpreter/bin/VERSION", "standard_library/os.py", "packages/numpy/core.so"]
)
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_file_that_was_replaced_or_removed_is_found(toolchain: Path, name: str, *, is_gone: bool) -> None:
    lines = lists()
    (toolchain / name).unlink()
    if not is_gone:
        (toolchain / name).write_text("replaced", encoding="utf-8")
    assert changed(lines) == [name]


def test_bytecode_of_another_source_is_found(toolchain: Path) -> None:
    source = toolchain / "standard_library" / "os.py"
    lines = lists()
    py_compile.compile(str(source), doraise=True)
    assert changed(lines) == []
    compiled = next((toolchain / "bytecode").rglob("os.*.pyc"))
    py_compile.compile(str(toolchain / "standard_library/json/decoder.py"), str(compiled), doraise=True)
    assert changed(lines) == ["standard_library/os.py"]


@pytest.mark.usefixtures("toolchain")
def test_a_list_that_was_changed_with_its_files_is_found() -> None:
    lines = lists()
    text = "".join(f"{line}\n" for of_part in lines.values() for line in of_part)
    expected = installed_files.digests({**lines, "packages": lines["packages"][:-1]})
    assert installed_files.not_as_listed(text, expected, random.Random(0)) == ["the list of packages"]


def test_the_program_writes_what_it_found(toolchain: Path) -> None:
    lines = lists()
    (toolchain / "list").write_text(
        "".join(f"{line}\n" for of_part in lines.values() for line in of_part), encoding="utf-8"
    )
    (toolchain / "digests").write_text(json.dumps(installed_files.digests(lines)), encoding="utf-8")
    (toolchain / "packages/numpy/core.so").write_text("replaced", encoding="utf-8")
    installed_files.main(*(str(toolchain / name) for name in ("list", "digests", "result")))
    found = json.loads((toolchain / "result").read_text(encoding="utf-8"))
    assert set(found) == {"packages/numpy/core.so"}


def test_it_runs_under_python_3_10_with_its_standard_library() -> None:
    source = Path(installed_files.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 10))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in modules} <= sys.stdlib_module_names
