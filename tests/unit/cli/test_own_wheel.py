from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cvimake import __version__
from cvimake.cli import own_wheel
from cvimake.cli.new import New
from cvimake.core import resources
from cvimake.core.errors import CvimakeError

WHEEL = f"cvimake-{__version__}-py3-none-any.whl"


def new(folder: Path, *, update: bool = False) -> int:
    return New().perform({"update": update}, [str(folder)])


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that `new` made from this checkout."""
    folder = tmp_path_factory.mktemp("new") / "mine"
    assert new(folder) == 0
    return folder


def test_a_new_project_has_the_wheel_of_this_cvimake_and_its_hash(made: Path) -> None:
    wheel = made / ".cvimake" / WHEEL
    assert b"DOIT_CONFIG" in contents(wheel)["cvimake/dodo.py"]
    lock = (made / ".cvimake" / "requirements.txt").read_text(encoding="utf-8").splitlines()[-1]
    assert lock == f"cvimake=={__version__} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"


def test_an_installed_cvimake_makes_the_wheel_again_that_it_was_installed_from(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages, pip = tmp_path / "packages", [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check"]
    wheel = made / ".cvimake" / WHEEL
    install = [*pip, "install", "--quiet", "--no-index", "--no-deps", "--target"]
    subprocess.run([*install, str(packages), str(wheel)], check=True)
    (installed,) = importlib.metadata.distributions(name="cvimake", path=[str(packages)])
    monkeypatch.setattr(resources, "checkout", lambda: None)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _name: installed)
    (tmp_path / "mine").mkdir()
    own_wheel.put_into(tmp_path / "mine")
    again = tmp_path / "mine" / ".cvimake" / WHEEL
    before, after = contents(wheel), contents(again)
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name] and not name.endswith("/RECORD")] == []
    # pip accepts it, by its hash.
    lock = tmp_path / "mine" / ".cvimake" / "requirements.txt"
    hashes = ["--require-hashes", "--find-links", str(again.parent), "-r", str(lock)]
    subprocess.run([*install, str(tmp_path / "again"), *hashes], check=True)
    assert (tmp_path / "again" / "cvimake" / "dodo.py").is_file()


def test_git_sees_nothing_of_what_a_build_writes_beside_the_sources_of_a_new_project(made: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=made, check=True)
    subprocess.run([sys.executable, "-m", "py_compile", "dodo.py"], cwd=made, check=True)
    assert list(made.glob("__pycache__/dodo.*.pyc"))
    untracked = ["git", "status", "--porcelain", "--untracked-files=all"]
    assert (
        "pycache"
        not in subprocess.run(untracked, cwd=made, check=True, capture_output=True, text=True).stdout
    )


def test_a_project_is_put_on_this_cvimake_and_keeps_its_models(made: Path, tmp_path: Path) -> None:
    project = tmp_path / "mine"
    (project / ".cvimake").mkdir(parents=True)
    (project / ".cvimake" / "cvimake-0.0.1-py3-none-any.whl").touch()
    text = (made / "pyproject.toml").read_text(encoding="utf-8")
    declaration = project / "pyproject.toml"
    declaration.write_text(f"{text.replace(f'=={__version__}', '==0.0.1')}\n[tool.mine]\n", encoding="utf-8")
    (project / "dodo.py").write_text("# mine\n", encoding="utf-8")
    assert new(project, update=True) == 0
    assert declaration.read_text(encoding="utf-8") == f"{text}\n[tool.mine]\n"
    assert (project / "dodo.py").read_text(encoding="utf-8") == "# mine\n"
    assert {path.name for path in (project / ".cvimake").iterdir()} == {
        WHEEL, "environment.py", "requirements.txt",
    }  # fmt: skip
    assert (project / "doit").read_bytes() == (made / "doit").read_bytes()


def test_only_a_project_that_new_made_is_updated(tmp_path: Path) -> None:
    with pytest.raises(CvimakeError, match="is no project that `new` made"):
        new(tmp_path, update=True)
    assert list(tmp_path.iterdir()) == []


def test_new_touches_no_folder_that_has_something_in_it(made: Path) -> None:
    with pytest.raises(CvimakeError, match="already and not empty"):
        new(made)
