"""Builds a release again, in an empty folder and without the store, and compares the two."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from cvimake import __version__
from cvimake.core import announce, clock, digest, git, log_tail
from cvimake.core.errors import CvimakeError
from cvimake.core.invocation import INVOKED_FROM
from cvimake.core.removal import remove_tree
from cvimake.fetching.jobs import check_inside
from cvimake.project import read_declarations
from cvimake.project.awaiting import owners
from cvimake.project.names import NAME
from cvimake.release import fields, sums
from cvimake.release.making import read_info
from cvimake.release.opened import Opened
from cvimake.release.provenance import COMMIT, IMAGES, OWN_PROGRAMS, Provenance
from cvimake.release.refusal import SWITCHES

RELEASES = Path("release")
_LAST_LINES = 20
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
# The beginning of the text that git has instead of a file that git-lfs keeps.
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_SCRATCH, _LOCK = ".rebuild-", "lock"
# Seconds that an interrupted build gets to end its stages.
_PATIENCE = 30.0
# A result from the store would not show that it can be built again.
_WITHOUT_STORE = {"CVIMAKE_STORE": "none"}


def differences(
    release: Opened, known: Provenance, project: Path, environment: Mapping[str, str]
) -> list[str]:
    """Build a release again and return the differences; empty if all bytes are equal.

    Args:
        release: a release whose sums and provenance are good.
        known: its provenance.
        project: a folder in the repository that has its commit.
        environment: the variables that cvimake was started with.

    Raises:
        CvimakeError: it cannot be built again. The error says why.
    """
    label = f"{known.external['name']}-{known.external['version']}"
    if not NAME.fullmatch(label):
        raise CvimakeError(f"{label!r} is not a name of a release")
    external = known.external
    if unknown := [option for option in external["allowed"] if option not in SWITCHES]:
        # These become arguments of a command, so a stranger's text must not be among them.
        raise CvimakeError(f"its provenance names options that do not exist: {unknown}")
    if unknown := [model for model in external["models"] if not NAME.fullmatch(model)]:
        raise CvimakeError(f"its provenance has names that no model can have: {unknown}")
    if known.internal["dirty"] or not known.sources.get(COMMIT):
        raise CvimakeError(
            "it was made from uncommitted sources, so it cannot be built again",
            "Its provenance lists the sources that it was made from, with their digests.",
        )
    if known.cvimake != __version__:
        announce.note(f"warning: it was made by cvimake {known.cvimake}, and this is {__version__}")
    with _checkout(project, known, environment) as folder:
        _build(folder, known, environment)
        return list(_compared(release, folder / RELEASES / label))


@contextlib.contextmanager
def _checkout(project: Path, known: Provenance, environment: Mapping[str, str]) -> Iterator[Path]:
    """Make a folder with the commit and the sources that are in no commit."""
    tree = git.tree(project, environment)
    if not tree.commit:
        raise CvimakeError(f"there is no repository to build from: {tree.reason}")
    commit = known.sources[COMMIT]
    if not _COMMIT.fullmatch(commit):
        raise CvimakeError(f"{commit!r} is not a commit")
    _refuse_foreign(project, commit, environment)
    with _scratch(project / "build") as scratch:
        clone = scratch / "clone"
        root = git.git(project, environment, "rev-parse", "--show-toplevel")
        git.git(scratch, environment, "clone", "--quiet", "--shared", "--no-checkout", root, str(clone))
        git.git(clone, environment, "checkout", "--quiet", "--detach", commit, "--")
        folder = clone / tree.prefix
        _add_sources(project, folder, known.sources)
        _add_fetched(project, folder)
        yield folder


def _refuse_foreign(project: Path, commit: str, environment: Mapping[str, str]) -> None:
    """Refuse a commit that is on none of the user's own branches and tags: building it runs its `dodo.py`.

    A provenance can name any commit, such as that of a stranger's pull request that was fetched.

    Raises:
        CvimakeError: the commit is not there, or on no branch and under no tag.
    """
    try:
        git.git(project, environment, "cat-file", "-e", f"{commit}^{{commit}}")
    except CvimakeError as error:
        raise CvimakeError(
            f"its commit {commit} is not in the repository of {project}", "git fetch may bring it."
        ) from error
    if git.git(
        project, environment, "for-each-ref", "--count=1", "--contains", commit, "refs/heads", "refs/tags"
    ):
        return
    if not git.git(project, environment, "rev-list", "--max-count=1", commit, "--not", "HEAD"):
        return
    raise CvimakeError(
        f"its commit {commit} is on no branch and under no tag of this repository, and building it again "
        "would run the code in it",
        f"Look at it (git show {commit[:12]}), then make a branch of it: git branch rebuild {commit[:12]}",
    )


@contextlib.contextmanager
def _scratch(beside: Path) -> Iterator[Path]:
    """Make an empty folder that is removed afterwards, and remove those that killed processes left.

    It is in the project's `build`, so an engine that can read the project's files can read it too.
    """
    beside.mkdir(exist_ok=True)
    for leftover in beside.glob(f"{_SCRATCH}*"):
        with contextlib.suppress(OSError), (leftover / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(leftover)
    with (
        tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=beside) as name,
        (Path(name) / _LOCK).open("wb") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(name)


def _add_sources(project: Path, folder: Path, sources: Mapping[str, str]) -> None:
    """Copy the sources that are not in git, often large ones, if they have not changed.

    Raises:
        CvimakeError: some are missing or have changed. The error names all of them.
    """
    wrong = []
    for name, sha256 in sources.items():
        if name in {COMMIT, *IMAGES} or name.startswith(OWN_PROGRAMS):
            continue
        path = folder / name
        if name.partition("/")[0] == ".git":
            wrong.append(f"{name}: a source cannot be in .git")
        elif path.is_file() and not path.read_bytes().startswith(_LFS_POINTER):
            if digest.of_file(path) != sha256:
                wrong.append(f"{name}: the commit has another version of it")
        elif not sums.is_safe(name):
            # It is outside of the project, where nothing is written. So it has to be in its place already.
            if not path.is_file() or digest.of_file(path) != sha256:
                wrong.append(f"{name}: missing or changed")
        elif not (project / name).is_file() or digest.of_file(project / name) != sha256:
            wrong.append(f"{name}: not in the commit, and missing or changed in this folder")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(project / name, path)
    if wrong:
        raise CvimakeError("sources of the release are missing or have changed", "\n".join(wrong))


def _add_fetched(project: Path, folder: Path) -> None:
    """Copy the files that `[fetch]` declares and no stage reads: without them, a model would wait.

    Raises:
        CvimakeError: `pyproject.toml` is wrong, or a link leads out of a folder.
    """
    for owner in owners(read_declarations(folder)):
        if not Path(os.path.normpath(owner.folder)).is_relative_to(folder):
            # It is outside of the project, so its files are in their places already.
            continue
        for name in owner.missing:
            path, here = owner.folder / name, project / owner.folder.relative_to(folder) / name
            if here.is_file() and digest.of_file(here) == owner.fetch.files[name].sha256:
                check_inside(path, owner.folder)
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(here, path)


def _build(folder: Path, known: Provenance, environment: Mapping[str, str]) -> None:
    """Run `./doit release` with the options of the release."""
    external = known.external
    command = [
        sys.executable, "-m", "cvimake.cli", "release",
        "--name", external["name"], "--version", external["version"],
        *external["allowed"], *external["models"],
    ]  # fmt: skip
    variables = {name: value for name, value in environment.items() if name != INVOKED_FROM}
    variables |= {clock.VARIABLE: str(external["sourceDateEpoch"]), **_WITHOUT_STORE}
    with announce.step("building it again in an empty folder"):
        code, printed = _run(command, folder, variables)
    if code != 0:
        raise CvimakeError("building it again failed", log_tail.last_lines(printed, _LAST_LINES))


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a build, and return its exit code and its output.

    If this process is interrupted, the build gets time to remove its containers.
    """
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
        try:
            code = child.wait()
        except BaseException:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_PATIENCE)
            raise
        finally:
            child.kill()
            child.wait()
        out.seek(0)
        return code, out.read().decode(errors="replace")


def _compared(release: Opened, rebuilt: Path) -> Iterator[str]:
    """Yield the differences between a release and the one that was built again."""
    others = {path.relative_to(rebuilt).as_posix() for path in rebuilt.rglob("*") if path.is_file()}
    for name in sorted({*release.sizes, *others}):
        if name not in others:
            yield f"{name}: missing in the release that was built again"
        elif name not in release.sizes:
            yield f"{name}: only in the release that was built again"
        else:
            with release.open(name) as file:
                old = file.read()
            new = (rebuilt / name).read_bytes()
            if old != new:
                info = read_info(rebuilt / f"{name.removesuffix('.cvimodel')}_info.json")
                places = "; ".join(fields.differences(name, old, new, info))
                yield f"{name}: differs after building it again: {places}"
