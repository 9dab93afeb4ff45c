from __future__ import annotations

import ast
import fcntl
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from cvimake import environment
from cvimake.environment import EnvironmentFailedError, prepare, prepare_apart


class FakePip:
    """Notes what is installed, makes `bin/doit`, and fails on what it is told to."""

    def __init__(self) -> None:
        self.installed: list[str] = []
        self.fails_on = ""

    def __call__(self, command: Sequence[str], folder: Path) -> None:
        what = command[-1]
        self.installed.append(what)
        if self.fails_on and what.endswith(self.fails_on):
            raise EnvironmentFailedError(f"only part of {what} could be installed")
        (folder / "bin").mkdir(exist_ok=True)
        (folder / "bin" / "doit").touch()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "run.txt").write_text("doit==1\n", encoding="utf-8")
    (tmp_path / "requirements" / "test.txt").write_text("doit==1\npytest==1\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The environments that were made."""
    made: list[Path] = []

    def make(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        made.append(folder)

    monkeypatch.setattr(environment, "_make", make)
    monkeypatch.setattr(environment, "_succeeds", lambda _command: True)
    return made


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, made: list[Path]) -> FakePip:
    assert made == []
    pip = FakePip()
    monkeypatch.setattr(environment, "_run", pip)
    return pip


def test_the_locked_packages_are_installed_and_then_the_project(project: Path, pip: FakePip) -> None:
    assert prepare(project, "run") == project / ".venv"
    assert pip.installed == [str(project / "requirements" / "run.txt"), str(project)]


def test_a_ready_environment_is_left_alone(project: Path, pip: FakePip) -> None:
    prepare(project, "run")
    pip.installed.clear()
    prepare(project, "run")
    assert pip.installed == []


def test_the_test_environment_serves_for_running_too(project: Path, pip: FakePip) -> None:
    prepare(project, "test")
    pip.installed.clear()
    prepare(project, "run")
    assert pip.installed == []


def test_the_running_environment_does_not_serve_for_tests(project: Path, pip: FakePip) -> None:
    prepare(project, "run")
    pip.installed.clear()
    prepare(project, "test")
    assert pip.installed == [str(project / "requirements" / "test.txt"), str(project)]


@pytest.mark.parametrize("name", ["requirements/run.txt", "pyproject.toml"])
def test_a_changed_file_is_installed_into_the_same_environment(
    project: Path, pip: FakePip, made: list[Path], name: str
) -> None:
    prepare(project, "run")
    (project / name).write_text("changed\n", encoding="utf-8")
    pip.installed.clear()
    prepare(project, "run")
    assert len(pip.installed) == 2
    assert len(made) == 1


def test_an_environment_of_another_place_is_made_anew(project: Path, pip: FakePip, made: list[Path]) -> None:
    prepare(project, "run")
    (project / ".venv" / "cvimake" / "place").write_text("/elsewhere\n", encoding="utf-8")
    prepare(project, "run")
    assert len(made) == 2
    assert len(pip.installed) == 4


def test_an_environment_whose_python_is_gone_is_made_anew(
    project: Path, pip: FakePip, made: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(project, "run")
    (project / "pyproject.toml").write_text("changed\n", encoding="utf-8")
    monkeypatch.setattr(environment, "_succeeds", lambda _command: False)
    prepare(project, "run")
    assert len(made) == 2
    assert len(pip.installed) == 4


def test_what_must_not_meet_the_project_goes_into_an_environment_of_its_own(
    project: Path, pip: FakePip, made: list[Path]
) -> None:
    lock = project / "requirements" / "bench.txt"
    lock.write_text("ninja==1\n", encoding="utf-8")
    assert prepare_apart(project, "bench") == project / ".venv-bench"
    assert pip.installed == [str(lock)]
    prepare_apart(project, "bench")
    assert pip.installed == [str(lock)]
    lock.write_text("ninja==2\n", encoding="utf-8")
    prepare_apart(project, "bench")
    assert pip.installed == [str(lock)] * 2
    assert made == [project / ".venv-bench"]
    # Neither takes the other for its own.
    assert prepare(project, "run") == project / ".venv"
    assert made == [project / ".venv-bench", project / ".venv"]


def test_an_environment_of_its_own_that_was_not_finished_is(project: Path, pip: FakePip) -> None:
    (project / "requirements" / "bench.txt").write_text("ninja==1\n", encoding="utf-8")
    pip.fails_on = "bench.txt"
    with pytest.raises(EnvironmentFailedError):
        prepare_apart(project, "bench")
    pip.fails_on = ""
    pip.installed.clear()
    prepare_apart(project, "bench")
    assert len(pip.installed) == 1


@pytest.mark.parametrize("step", ["run.txt", "project"])
def test_an_interrupted_installation_is_finished_by_the_next(project: Path, pip: FakePip, step: str) -> None:
    pip.fails_on = project.name if step == "project" else step
    with pytest.raises(EnvironmentFailedError):
        prepare(project, "run")
    pip.fails_on = ""
    pip.installed.clear()
    prepare(project, "run")
    assert pip.installed[-1] == str(project)


def test_a_failed_change_that_is_taken_back_is_installed_again(project: Path, pip: FakePip) -> None:
    lock = project / "requirements" / "run.txt"
    prepare(project, "run")
    lock.write_text("doit==2\n", encoding="utf-8")
    pip.fails_on = lock.name
    with pytest.raises(EnvironmentFailedError):
        prepare(project, "run")
    lock.write_text("doit==1\n", encoding="utf-8")
    pip.fails_on = ""
    pip.installed.clear()
    prepare(project, "run")
    assert str(lock) in pip.installed


def test_each_step_is_said_in_a_line(project: Path, pip: FakePip, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(project, "run")
    assert pip.installed
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" ... ")[0] for line in lines] == [
        f"cvimake: making .venv with Python {sys.version.split()[0]}",
        "cvimake: installing the packages locked in requirements/run.txt",
        "cvimake: installing cvimake itself",
    ]


def test_nothing_is_said_when_there_is_nothing_to_do_or_it_shall_be_quiet(
    project: Path, pip: FakePip, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(project, "run", quiet=True)
    prepare(project, "run")
    assert pip.installed
    assert capsys.readouterr().err == ""


def test_two_at_once_take_turns(project: Path, pip: FakePip, capsys: pytest.CaptureFixture[str]) -> None:
    second = threading.Thread(target=prepare, args=(project, "run"))
    with (project / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second.start()
        second.join(0.1)
        assert pip.installed == []
        assert second.is_alive()
    second.join(5)
    assert len(pip.installed) == 2
    assert "another ./doit is setting this project up; waiting for it" in capsys.readouterr().err


def test_a_failed_step_shows_the_end_of_its_output_and_where_the_rest_is(
    project: Path, made: list[Path]
) -> None:
    python = project / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nseq 20; echo 'no matching distribution' >&2; exit 1\n", encoding="utf-8")
    python.chmod(0o755)
    with pytest.raises(EnvironmentFailedError) as caught:
        prepare(project, "run")
    assert made
    lines = str(caught.value).splitlines()
    assert "failed with exit code 1" in lines[0]
    assert lines[-3:-1] == ["  20", "  no matching distribution"]
    assert lines[-1] == f"  The whole output: {project}/.venv/install.log"


def test_a_python_without_venv_is_told_which_package_to_install(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_succeeds", lambda _command: False)
    monkeypatch.setenv("CVIMAKE_NO_INSTALL", "1")
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    with pytest.raises(EnvironmentFailedError, match=f"apt-get install .* {package}"):
        prepare(project, "run")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (EnvironmentFailedError("no pip"), 2, "cvimake: no pip"),
        (PermissionError(13, "Permission denied"), 2, "cannot be made: [Errno 13] Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_failure_has_an_exit_code_and_a_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(environment, "prepare", fail)
    assert environment.main(["/project", "run"]) == code
    assert said in capsys.readouterr().err


def test_a_ready_environment_is_exit_code_0(project: Path, pip: FakePip) -> None:
    assert environment.main([str(project), "run"]) == 0
    assert pip.installed


def test_it_needs_only_the_standard_library() -> None:
    tree = ast.parse(Path(environment.__file__).read_text(encoding="utf-8"), feature_version=(3, 10))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in modules} <= sys.stdlib_module_names
