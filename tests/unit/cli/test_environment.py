from __future__ import annotations

import ast
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from cvimake.cli import environment
from cvimake.cli.environment import EnvironmentFailedError, prepare, prepare_apart


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


def test_incompatible_packages_get_an_environment_of_their_own(
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


def test_each_part_of_the_setup_prints_a_line(
    project: Path, pip: FakePip, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(project, "run")
    assert pip.installed
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" ... ")[0] for line in lines] == [
        f"cvimake: making .venv with Python {sys.version.split()[0]}",
        "cvimake: installing the packages locked in requirements/run.txt",
        "cvimake: installing cvimake itself",
    ]


def test_setup_is_silent_with_nothing_to_do_or_when_quiet(
    project: Path, pip: FakePip, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(project, "run", quiet=True)
    prepare(project, "run")
    assert pip.installed
    assert capsys.readouterr().err == ""


def test_two_setups_at_once_take_turns(
    project: Path, pip: FakePip, capsys: pytest.CaptureFixture[str]
) -> None:
    second = threading.Thread(target=prepare, args=(project, "run"))
    with (project / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second.start()
        second.join(0.1)
        assert pip.installed == []
        assert second.is_alive()
    second.join(60)
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


def test_the_launcher_needs_only_the_standard_library() -> None:
    tree = ast.parse(Path(environment.__file__).read_text(encoding="utf-8"), feature_version=(3, 10))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in modules} <= sys.stdlib_module_names


# A project that uses cvimake

LOCKED = f"# The cvimake of this project.\ncvimake==0.1.0 --hash=sha256:{'a' * 64}\n"


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A project as `new` makes it, without its wheel; its environment has the lock of that cvimake."""
    project = tmp_path / "mine"
    packages = project / ".venv" / "lib" / "python3.11" / "site-packages" / "cvimake" / "requirements"
    packages.mkdir(parents=True)
    (packages / "run.txt").write_text("doit==1\n", encoding="utf-8")
    (project / ".cvimake").mkdir()
    (project / ".cvimake" / "requirements.txt").write_text(LOCKED, encoding="utf-8")
    declaration = '[project]\ndependencies = ["cvimake==0.1.0"]\n'
    (project / "pyproject.toml").write_text(declaration, encoding="utf-8")
    return project


def installations(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    commands: list[Sequence[str]] = []
    pip = FakePip()

    def run(command: Sequence[str], folder: Path) -> None:
        commands.append(command)
        pip(command, folder)

    monkeypatch.setattr(environment, "_run", run)
    prepare(project, "run")
    return commands


@pytest.mark.usefixtures("made")
def test_cvimake_is_installed_by_its_hash_from_the_wheel_beside_the_launcher_and_no_index(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (user / ".cvimake" / "cvimake-0.1.0-py3-none-any.whl").touch()
    own, packages = installations(user, monkeypatch)
    assert own[-2:] == ["-r", str(user / ".cvimake" / "requirements.txt")]
    assert {"--require-hashes", "--no-index", "--no-deps", "--force-reinstall"} <= set(own)
    assert own[own.index("--find-links") + 1] == str(user / ".cvimake")
    assert "--require-hashes" in packages
    assert packages[-1].endswith("site-packages/cvimake/requirements/run.txt")
    # Ready, until another one is locked.
    assert installations(user, monkeypatch) == []
    lock = user / ".cvimake" / "requirements.txt"
    lock.write_text(LOCKED.replace("a", "b"), encoding="utf-8")
    with pytest.raises(EnvironmentFailedError):
        installations(user, monkeypatch)
    lock.write_text(LOCKED.replace("a" * 64, "b" * 64), encoding="utf-8")
    assert len(installations(user, monkeypatch)) == 2


@pytest.mark.usefixtures("made")
def test_without_the_wheel_an_index_may_have_it_and_the_hash_is_still_required(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, _ = installations(user, monkeypatch)
    assert "--require-hashes" in own
    assert "--no-index" not in own


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    "lock", [None, "", "cvimake==0.2.0 --hash=sha256:00\n", "doit==0.37 --hash=sha256:00\n"]
)
def test_cvimake_is_never_installed_by_its_name_alone(
    user: Path, monkeypatch: pytest.MonkeyPatch, lock: str | None
) -> None:
    path = user / ".cvimake" / "requirements.txt"
    path.unlink()
    if lock is not None:
        path.write_text(lock, encoding="utf-8")
    with pytest.raises(EnvironmentFailedError, match=rf"(?s)requirements\.txt.*\./doit new --update {user}"):
        installations(user, monkeypatch)


# Where Python is started


class FakeProcesses:
    """Notes how programs are started, and has them succeed."""

    def __init__(self) -> None:
        self.started: list[tuple[list[str], dict[str, str], object]] = []

    def run(self, command: list[str], **options: object) -> SimpleNamespace:
        variables = options.get("env")
        assert isinstance(variables, dict)
        self.started.append((command, variables, options.get("cwd")))
        return SimpleNamespace(returncode=0)


def test_no_python_takes_a_module_from_the_users_folder_or_variables(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = FakeProcesses()
    monkeypatch.setattr(subprocess, "run", processes.run)
    for name in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PYTHON", "PIP_REQUIREMENT", "PIP_CONSTRAINT"):
        monkeypatch.setenv(name, "/evil")
    kept = {"PIP_INDEX_URL": "http://index/simple", "PIP_CERT": "/mine.crt", "https_proxy": "http://proxy"}
    for name, value in kept.items():
        monkeypatch.setenv(name, value)
    prepare(project, "run")
    assert len(processes.started) == 4
    for command, variables, _ in processes.started:
        assert command[1] == "-I"
        assert {name for name in variables if name.startswith(("PYTHON", "PIP_"))} <= {
            *kept, *environment._PIP_KEPT,
        }  # fmt: skip
        assert kept.items() <= variables.items()
        assert variables["PATH"] == os.environ["PATH"]


def test_a_module_in_the_users_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("venv", "ensurepip", "pip", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("open('was_run', 'w')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    environment._make(tmp_path / ".venv")
    assert environment._belongs_here(tmp_path, tmp_path / ".venv") is False
    environment._mark(tmp_path / ".venv", "place", f"{tmp_path}\n")
    assert environment._belongs_here(tmp_path, tmp_path / ".venv")
    assert not (tmp_path / "was_run").exists()
