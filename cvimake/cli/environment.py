"""The virtual environment of a checkout: made, filled from a lock file, and marked as finished.

Run by the launcher under the system's Python before anything is installed, so it needs only the standard
library: `python environment.py PROJECT run`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

# Holds what the environment was made from, to see whether it is still current; the launcher reads it too.
MARKS = "cvimake"
LOG = "install.log"
# The folder of a project that uses cvimake, for the wheel and the lock file with the wheel's hash.
OWN = ".cvimake"
OWN_LOCK = "requirements.txt"
# The variables of pip that say where packages come from and how they are fetched. Any other could make pip
# install something else, or to another place.
_PIP_KEPT = frozenset(
    f"PIP_{name}"
    for name in (
        "CACHE_DIR", "CERT", "CLIENT_CERT", "CONFIG_FILE", "DEFAULT_TIMEOUT", "EXTRA_INDEX_URL", "FIND_LINKS",
        "INDEX_URL", "KEYRING_PROVIDER", "NO_CACHE_DIR", "NO_INDEX", "PROXY", "RETRIES", "TIMEOUT",
        "TRUSTED_HOST",
    )
)  # fmt: skip


class EnvironmentFailedError(Exception):
    """The virtual environment could not be made; the text says why and what to do."""


def prepare(project: Path, requirements: str, *, quiet: bool = False) -> Path:
    """Install what `requirements/REQUIREMENTS.txt` locks, and the project itself, into `PROJECT/.venv`.

    A project without that file is one that uses cvimake: it gets the wheel whose hash is in
    `.cvimake/requirements.txt`, and the packages that this cvimake locks.

    Nothing is done if the environment is current. Two calls at once take turns; the next call finishes an
    interrupted one.

    Args:
        project: the checkout, an absolute path.
        requirements: name of the lock file, `run` or `test`; `test` includes `run`.
        quiet: print nothing about a step that succeeds.

    Returns:
        The environment's folder.

    Raises:
        EnvironmentFailedError: a step failed; its output is in `.venv/install.log`.
    """
    environment = project / ".venv"
    with exclusive(project / ".venv.lock"):
        marks = _expected(project, requirements)
        if (environment / "bin" / "doit").exists() and is_marked(environment, marks):
            return environment
        _begin(project, environment, quiet=quiet)
        command = _pip(environment)
        lock = own_lock = project / "requirements" / f"{requirements}.txt"
        if not own_lock.exists():
            wanted, source = _own_cvimake(project)
            with _announced(f"installing {wanted}", quiet=quiet):
                # Another wheel can have the version of the one that is installed.
                options = ["--no-deps", "--force-reinstall", *source, "--require-hashes"]
                _run([*command, *options, "-r", str(project / OWN / OWN_LOCK)], environment)
            lock = _packaged_lock(environment)
        what = f"requirements/{lock.name}" if lock == own_lock else "it"
        with _announced(f"installing the packages locked in {what}", quiet=quiet):
            _run([*command, "--require-hashes", "-r", str(lock)], environment)
        if own_lock.exists():
            with _announced("installing cvimake itself", quiet=quiet):
                _run([*command, "--no-deps", "--no-build-isolation", "--editable", str(project)], environment)
        for name, text in marks.items():
            _mark(environment, name, text)
    return environment


def prepare_apart(project: Path, requirements: str) -> Path:
    """Install what `requirements/REQUIREMENTS.txt` locks into `PROJECT/.venv-REQUIREMENTS`, and no more.

    It is for programs whose packages must be apart from the project's own. The result and the errors are
    those of `prepare`.
    """
    environment, lock = project / f".venv-{requirements}", project / "requirements" / f"{requirements}.txt"
    with exclusive(project / ".venv.lock"):
        marks = {"place": f"{project}\n", lock.name: lock.read_text(encoding="utf-8")}
        if not is_marked(environment, marks):
            _begin(project, environment, quiet=False)
            install(lock, environment)
    return environment


def install(lock: Path, environment: Path) -> None:
    """Install what a lock file lists into an environment, and mark the environment with it."""
    with _announced(f"installing the packages locked in requirements/{lock.name}", quiet=False):
        _run([*_pip(environment), "--require-hashes", "-r", str(lock)], environment)
    _mark(environment, lock.name, lock.read_text(encoding="utf-8"))


def _pip(environment: Path) -> list[str]:
    """Return the command that installs into an environment."""
    return [str(environment / "bin" / "python"), "-I", "-m", "pip", "install", "--disable-pip-version-check"]


def _begin(project: Path, environment: Path, *, quiet: bool) -> None:
    """Make an environment, if there is none, or unmark it."""
    if not _belongs_here(project, environment):
        with _announced(f"making {environment.name} with Python {platform.python_version()}", quiet=quiet):
            _make(environment)
        _mark(environment, "place", f"{project}\n")
    for mark in (environment / MARKS).glob("*.t*"):
        mark.unlink()


def _belongs_here(project: Path, environment: Path) -> bool:
    """Tell whether an environment works and was made in this folder: its scripts hold absolute paths."""
    try:
        place = (environment / MARKS / "place").read_text(encoding="utf-8")
    except OSError:
        return False
    python = environment / "bin" / "python"
    return place == f"{project}\n" and _succeeds([str(python), "-I", "-m", "pip", "--version"])


def is_marked(environment: Path, marks: dict[str, str]) -> bool:
    """Tell whether an environment has all these marks."""
    try:
        return all(
            (environment / MARKS / name).read_text(encoding="utf-8") == text for name, text in marks.items()
        )
    except OSError:
        return False


def _expected(project: Path, requirements: str) -> dict[str, str]:
    """Return the mark of a finished environment: where it is and what it was made from."""
    made_from = [project / "pyproject.toml"]
    # `test` includes `run`, and the launcher looks for that.
    made_from += [project / "requirements" / f"{name}.txt" for name in {"run", requirements}]
    made_from.append(project / OWN / OWN_LOCK)
    marks = {path.name: path.read_text(encoding="utf-8") for path in made_from if path.exists()}
    return {"place": f"{project}\n", **marks}


def _own_cvimake(project: Path) -> tuple[str, list[str]]:
    """Return the cvimake that a project is locked to, and pip's options that say where it comes from.

    Python 3.10 cannot read TOML.

    Raises:
        EnvironmentFailedError: there is no lock file, or `pyproject.toml` names another version.
    """
    lock, declaration = project / OWN / OWN_LOCK, project / "pyproject.toml"
    remedy = f"  With the cvimake that it is to use: ./doit new --update {project}"
    if not lock.exists():
        raise EnvironmentFailedError(
            f"{lock}, which says which cvimake this project uses, is missing.\n{remedy}"
        )
    locked = re.findall(r"^(cvimake\s*(?:==|@)[^\s;#\\]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    wanted = re.findall(r"""["'](cvimake\s*==[^"']+)["']""", declaration.read_text(encoding="utf-8"))
    if len(locked) != 1 or any(_plain(version) != _plain(locked[0]) for version in wanted):
        wants, has = ", ".join(wanted) or "cvimake", ", ".join(locked) or "none"
        raise EnvironmentFailedError(f"{declaration} wants {wants}, and {lock} has {has}.\n{remedy}")
    wheels = lock.parent
    return locked[0], ["--no-index", "--find-links", str(wheels)] if any(wheels.glob("*.whl")) else []


def _plain(requirement: str) -> str:
    return "".join(requirement.split())


def _packaged_lock(environment: Path) -> Path:
    """Return the lock file that is part of an installed cvimake."""
    for path in environment.glob("lib/python*/site-packages/cvimake/requirements/run.txt"):
        return path
    raise EnvironmentFailedError("this cvimake brings no lock file; name another version in pyproject.toml")


def _mark(environment: Path, name: str, text: str) -> None:
    folder = environment / MARKS
    folder.mkdir(exist_ok=True)
    temporary = folder / f".{name}.new"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(folder / name)


def _make(environment: Path) -> None:
    if environment.exists():
        shutil.rmtree(environment)
    if not _succeeds([sys.executable, "-I", "-c", "import ensurepip, venv"]):
        _install_venv_module()
    environment.mkdir()
    _run([sys.executable, "-I", "-m", "venv", "--clear", str(environment)], environment)


def _install_venv_module() -> None:
    """Install the package that holds `venv` on Debian and Ubuntu."""
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    command = ["apt-get", "install", "--yes", "--no-install-recommends", package]
    by_hand = f"apt-get update && {' '.join(command)}"
    if os.environ.get("CVIMAKE_NO_INSTALL") or os.geteuid() != 0 or not shutil.which("apt-get"):
        raise EnvironmentFailedError(f"this Python has no venv module. Install it, as root: {by_hand}")
    if sys.stdin.isatty() and sys.stderr.isatty():
        sys.stderr.write(f"\ncvimake: this Python has no venv module. Install {package} now? [Y/n] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in {"", "y", "yes"}:
            raise EnvironmentFailedError(f"this Python has no venv module. Install it: {by_hand}")
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update"], command):
        result = subprocess.run(step, env=variables, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise EnvironmentFailedError(f"`{' '.join(step)}` failed:\n{result.stderr.strip()}")


def _variables() -> dict[str, str]:
    """Return the environment without variables that make Python or pip run or install something else."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and (not name.startswith("PIP_") or name in _PIP_KEPT)
    }


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, env=_variables(), capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _run(command: Sequence[str], environment: Path) -> None:
    """Run a step and append its output to the log; if the step fails, print the end of the log."""
    log = environment / LOG
    with log.open("ab") as output:
        output.write(f"$ {' '.join(command)}\n".encode())
        output.flush()
        code = subprocess.run(
            command,
            cwd=environment.parent,
            env=_variables(),
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if code != 0:
        last_lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        raise EnvironmentFailedError(
            f"`{' '.join(command[:4])} …` failed with exit code {code}:\n"
            + "\n".join(f"  {line}" for line in last_lines)
            + f"\n  The whole output: {log}"
        )


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however the process ends."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("cvimake: another ./doit is setting this project up; waiting for it.\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _announced(what: str, *, quiet: bool) -> Iterator[None]:
    if quiet:
        yield
        return
    sys.stderr.write(f"cvimake: {what} ... ")
    sys.stderr.flush()
    started, outcome = time.monotonic(), "failed"
    try:
        yield
        outcome = f"{time.monotonic() - started:.1f} s"
    finally:
        sys.stderr.write(f"{outcome}\n")


def main(arguments: Sequence[str]) -> int:
    """Run `environment.py PROJECT REQUIREMENTS`; return 0 if the environment is ready, otherwise 2."""
    project, requirements = arguments
    try:
        prepare(Path(project), requirements)
    except EnvironmentFailedError as error:
        sys.stderr.write(f"cvimake: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"cvimake: the virtual environment cannot be made: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("cvimake: interrupted; the next ./doit goes on from here.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
