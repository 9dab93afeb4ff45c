"""The shell script `doit`, in a checkout with a prepared environment that tells what it is called with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
# Stands for the Python of the environment, which runs cvimake.
ECHO = f"""#!{sys.executable} -I
import os, sys
assert sys.argv[1:4] == ["-I", "-m", "cvimake.cli"]
print(f"cwd={{os.getcwd()}}", f"from={{os.environ['CVIMAKE_INVOKED_FROM']}}", sep="\\n")
for argument in sys.argv[4:]:
    print(f"argument={{argument}}")
sys.exit(int(os.environ.get("EXIT_CODE", "0")))
"""
# Stands for cvimake/cli/environment.py: it says how it was called, and does what the test wants.
ENVIRONMENT = """
import os, sys
print("setup", *sys.argv[1:], flush=True)
sys.exit(int(os.environ.get("SETUP_CODE", "0")))
"""


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "my project's $HOME"
    (project / "requirements").mkdir(parents=True)
    shutil.copy(CHECKOUT / "doit", project / "doit")
    (project / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    (project / "requirements" / "run.txt").write_text("doit==0.37\n", encoding="utf-8")
    write_program(project / "cvimake" / "cli" / "environment.py", ENVIRONMENT)
    write_program(project / ".venv" / "bin" / "python", ECHO)
    # What doit's own package installs.
    write_program(project / ".venv" / "bin" / "doit", "")
    marks = project / ".venv" / "cvimake"
    marks.mkdir()
    (marks / "place").write_text(f"{project}\n", encoding="utf-8")
    shutil.copy(project / "pyproject.toml", marks)
    shutil.copy(project / "requirements" / "run.txt", marks)
    return project


def launch(
    launcher: Path | str, *arguments: str, cwd: Path, path: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CVIMAKE_")}
    return subprocess.run(
        [launcher, *arguments],
        cwd=cwd,
        env={**inherited, "PATH": path or os.environ["PATH"], "PWD": str(cwd), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def lines(*, cwd: Path, invoked_from: Path, arguments: tuple[str, ...] = ()) -> list[str]:
    return [f"cwd={cwd}", f"from={invoked_from}", *(f"argument={argument}" for argument in arguments)]


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox"])
def test_the_launcher_is_a_script_of_any_posix_shell(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: apt-get install {shell}")
    command = [shell, "sh", "-n"] if shell == "busybox" else [shell, "-n"]
    result = subprocess.run([*command, CHECKOUT / "doit"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_shellcheck_finds_nothing() -> None:
    # `./doit test` installs it into the environment that runs this.
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    shellcheck = shutil.which("shellcheck", path=places)
    if shellcheck is None:
        pytest.skip("shellcheck is not in this environment: pip install -r requirements/test.txt")
    result = subprocess.run([shellcheck, CHECKOUT / "doit"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_the_launcher_can_be_run() -> None:
    assert os.access(CHECKOUT / "doit", os.X_OK)


def test_arguments_are_passed_on_as_they_are(project: Path) -> None:
    arguments = ("-n", "4", "two words", "", "*", "$HOME", "it's", '"', "--", "a\\b")
    result = launch("./doit", *arguments, cwd=project)
    assert result.stdout.splitlines() == lines(cwd=project, invoked_from=project, arguments=arguments)
    assert result.stderr == ""


def test_the_exit_code_is_doits(project: Path) -> None:
    assert launch("./doit", cwd=project, EXIT_CODE="3").returncode == 3


def test_the_launcher_runs_in_the_project_and_records_the_callers_folder(
    project: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    result = launch(project / "doit", "x", cwd=elsewhere)
    assert result.stdout.splitlines() == lines(cwd=project, invoked_from=elsewhere, arguments=("x",))


def test_the_launcher_can_be_called_from_a_subfolder(project: Path) -> None:
    (project / "build").mkdir()
    result = launch("../doit", cwd=project / "build")
    assert result.stdout.splitlines() == lines(cwd=project, invoked_from=project / "build")


def test_the_launcher_can_be_called_through_the_path(project: Path, tmp_path: Path) -> None:
    result = launch("doit", cwd=tmp_path, path=f"{project}:{os.environ['PATH']}")
    assert result.stdout.splitlines() == lines(cwd=project, invoked_from=tmp_path)


def test_the_launcher_can_be_given_to_a_shell(project: Path) -> None:
    result = launch("sh", "doit", "x", cwd=project)
    assert result.stdout.splitlines() == lines(cwd=project, invoked_from=project, arguments=("x",))


def test_the_launcher_can_be_called_through_a_link_to_a_link(project: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "one").symlink_to(project / "doit")
    (tmp_path / "bin" / "two").symlink_to("one")
    result = launch(tmp_path / "bin" / "two", cwd=tmp_path)
    assert result.stdout.splitlines() == lines(cwd=project, invoked_from=tmp_path)


def test_a_project_behind_a_link_is_the_same_project(project: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(project)
    result = launch("./doit", cwd=tmp_path / "link")
    assert result.stdout.splitlines()[0] == f"cwd={project}"


def test_the_users_cdpath_does_not_matter(project: Path, tmp_path: Path) -> None:
    (tmp_path / "other" / project.name).mkdir(parents=True)
    result = launch(f"{project.name}/doit", cwd=tmp_path, CDPATH=str(tmp_path / "other"))
    assert result.stdout.splitlines() == lines(cwd=project, invoked_from=tmp_path)


# When the environment is not ready


@pytest.mark.parametrize(
    "stale",
    ["pyproject.toml", "requirements/run.txt", ".venv/cvimake/place", ".venv/cvimake/run.txt"],
)
def test_a_stale_environment_is_set_up_first(project: Path, stale: str) -> None:
    (project / stale).write_text("changed\n", encoding="utf-8")
    result = launch("./doit", cwd=project)
    assert result.stdout.splitlines() == [
        f"setup {project} run", *lines(cwd=project, invoked_from=project),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "missing",
    [".venv/bin/doit", ".venv/cvimake/place", ".venv/cvimake/pyproject.toml", ".venv/cvimake/run.txt"],
)
def test_an_unfinished_environment_is_set_up_first(project: Path, missing: str) -> None:
    (project / missing).unlink()
    assert f"setup {project} run" in launch("./doit", cwd=project).stdout


@pytest.mark.parametrize("kind", ["pipe", "folder", "missing"])
def test_a_pyproject_toml_that_is_no_plain_file_is_told_and_not_waited_for(project: Path, kind: str) -> None:
    (project / "pyproject.toml").unlink()
    if kind == "pipe":
        os.mkfifo(project / "pyproject.toml")
    elif kind == "folder":
        (project / "pyproject.toml").mkdir()
    result = launch(project / "doit", cwd=project)
    assert result.returncode == 2
    assert result.stderr.startswith(f"cvimake: {project}/pyproject.toml is missing or no plain file.")


def test_a_moved_checkout_is_set_up_anew(project: Path, tmp_path: Path) -> None:
    moved = project.rename(tmp_path / "moved")
    assert f"setup {moved} run" in launch("./doit", cwd=moved).stdout


def test_doit_does_not_run_where_the_setup_failed(project: Path) -> None:
    (project / "pyproject.toml").write_text("changed\n", encoding="utf-8")
    result = launch("./doit", cwd=project, SETUP_CODE="2")
    assert (result.returncode, result.stdout) == (2, f"setup {project} run\n")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for the PATH with what the launcher needs, and no Python."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sh", "cmp", "readlink"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def test_a_ready_environment_needs_no_python_on_the_path(project: Path, tools: Path) -> None:
    assert launch("./doit", cwd=project, path=str(tools)).returncode == 0


def test_without_a_python_it_says_what_to_do(project: Path, tools: Path) -> None:
    (project / "pyproject.toml").write_text("changed\n", encoding="utf-8")
    result = launch("./doit", cwd=project, path=str(tools))
    assert (result.returncode, result.stdout) == (2, "")
    assert "no Python 3.10 or newer is on the PATH" in result.stderr
    assert "CVIMAKE_PYTHON=/path/to/python3 ./doit" in result.stderr


def test_a_python_that_is_too_old_is_passed_over(project: Path, tools: Path) -> None:
    (project / "pyproject.toml").write_text("changed\n", encoding="utf-8")
    write_program(tools / "python3", "#!/bin/sh\nexit 1\n")
    assert launch("./doit", cwd=project, path=str(tools)).returncode == 2
    (tools / "python3.11").symlink_to(sys.executable)
    assert launch("./doit", cwd=project, path=str(tools)).returncode == 0


def test_a_named_python_comes_first(project: Path, tools: Path) -> None:
    (project / "pyproject.toml").write_text("changed\n", encoding="utf-8")
    (tools / "python3").symlink_to(sys.executable)
    write_program(tools / "mine", '#!/bin/sh\n[ "$2" = -c ] || echo mine "$@"\n')
    result = launch("./doit", cwd=project, path=str(tools), CVIMAKE_PYTHON=str(tools / "mine"))
    assert result.stdout.startswith(f"mine -I {project}/cvimake/cli/environment.py {project} run\n")


def test_a_python_that_is_named_from_where_the_user_is_is_found(project: Path, tools: Path) -> None:
    (project / "pyproject.toml").write_text("changed\n", encoding="utf-8")
    write_program(tools / "mine", '#!/bin/sh\n[ "$2" = -c ] || echo mine "$@"\n')
    result = launch(project / "doit", cwd=tools, path=str(tools), CVIMAKE_PYTHON="./mine")
    assert result.stdout.startswith("mine -I ")


def test_nothing_in_the_users_folder_or_variables_is_run(project: Path, tmp_path: Path) -> None:
    (project / "pyproject.toml").write_text("changed\n", encoding="utf-8")
    setup = project / "cvimake" / "cli" / "environment.py"
    code = "import ensurepip, pip, sys, venv\nprint('setup', *sys.argv[1:], flush=True)\n"
    setup.write_text(code, encoding="utf-8")
    evil = tmp_path / "evil"
    for name in ("sitecustomize.py", "venv.py", "pip/__init__.py", "ensurepip.py", "doit.py"):
        write_program(evil / name, "print('evil')\n")
    write_program(evil / "python3", "#!/bin/sh\necho evil\n")
    path = f"{Path(sys.executable).parent}::.:{os.environ['PATH']}"
    result = launch(project / "doit", cwd=evil, path=path, PYTHONPATH=f":{evil}", PYTHONHOME=str(evil))
    assert result.stdout.splitlines() == [f"setup {project} run", *lines(cwd=project, invoked_from=evil)]
    result = launch(project / "doit", cwd=evil, path=f".:{path}", PYTHONPATH=f":{evil}")
    assert "evil" not in result.stdout.splitlines()


def test_another_locked_hash_runs_the_setup_again(project: Path) -> None:
    """Of a project that uses cvimake, the lock file with the hash of its wheel decides."""
    lock = project / ".cvimake" / "requirements.txt"
    write_program(lock, "cvimake==0.1.0 --hash=sha256:00\n")
    assert launch("./doit", cwd=project).stdout.startswith("setup ")
    shutil.copy(lock, project / ".venv" / "cvimake")
    assert launch("./doit", cwd=project).stdout.startswith("cwd=")
    lock.write_text("cvimake==0.1.0 --hash=sha256:11\n", encoding="utf-8")
    assert launch("./doit", cwd=project).stdout.startswith("setup ")
