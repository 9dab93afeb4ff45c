"""Builds a release anew, in an empty folder and without any kept result."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from cvimake import __version__
from cvimake.core import announce, clock, git, tail
from cvimake.core.errors import CvimakeError
from cvimake.core.invocation import INVOKED_FROM
from cvimake.core.removal import remove_tree
from cvimake.project.names import NAME
from cvimake.release import fields, sums
from cvimake.release.making import read_info
from cvimake.release.opened import Opened
from cvimake.release.provenance import COMMIT, IMAGES, Provenance
from cvimake.release.refusal import SWITCHES

RELEASES = Path("release")
_LAST_LINES = 20
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
# What git has in the place of a file that git-lfs keeps.
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_SCRATCH, _LOCK = ".rebuild-", "lock"
# How long what is interrupted may take to end its steps, in seconds.
_PATIENCE = 30.0
# A kept result would only show that it was kept.
_WITHOUT_STORE = {"CVIMAKE_STORE": "none"}


def differences(release: Opened, known: Provenance, project: Path) -> list[str]:
    """Where a release and the same one built anew are not equal, byte by byte; empty where they are.

    Args:
        release: whose sums and provenance are good.
        known: its provenance.
        project: with the repository that has its commit.

    Raises:
        CvimakeError: it cannot be built anew; says why.
    """
    label = f"{known.external['name']}-{known.external['version']}"
    if not NAME.fullmatch(label):
        raise CvimakeError(f"{label!r} is not a name of a release")
    external = known.external
    if unknown := [option for option in external["allowed"] if option not in SWITCHES]:
        # They become arguments of a command: nothing that a stranger wrote may be one.
        raise CvimakeError(f"its provenance names options that there are not: {unknown}")
    if unknown := [model for model in external["models"] if not NAME.fullmatch(model)]:
        raise CvimakeError(f"its provenance names models that cannot be: {unknown}")
    if known.internal["dirty"] or not known.sources.get(COMMIT):
        raise CvimakeError(
            "it was made of a tree that no commit holds, and cannot be built anew from its sources",
            "What it is made of stands in its provenance, with digests.",
        )
    if known.cvimake != __version__:
        announce.note(f"warning: it was made by cvimake {known.cvimake}, and this is {__version__}")
    with _checkout(project, known) as folder:
        _build(folder, known)
        return list(_compared(release, folder / RELEASES / label))


@contextlib.contextmanager
def _checkout(project: Path, known: Provenance) -> Iterator[Path]:
    """An empty folder with the commit, and the sources that are in no commit."""
    tree = git.tree(project)
    if not tree.commit:
        raise CvimakeError(f"there is no repository to build from: {tree.reason}")
    commit = known.sources[COMMIT]
    if not _COMMIT.fullmatch(commit):
        raise CvimakeError(f"{commit!r} is not a commit")
    _refuse_foreign(project, commit)
    with _scratch(project / "build") as scratch:
        clone = scratch / "clone"
        root = git.git(project, "rev-parse", "--show-toplevel")
        git.git(scratch, "clone", "--quiet", "--shared", "--no-checkout", root, str(clone))
        git.git(clone, "checkout", "--quiet", "--detach", commit, "--")
        folder = clone / tree.prefix
        _add_sources(project, folder, known.sources)
        yield folder


def _refuse_foreign(project: Path, commit: str) -> None:
    """Refuse a commit that is on none of the user's own branches and tags: building it runs its `dodo.py`.

    A provenance can name any commit, such as one of a stranger's pull request that was fetched.

    Raises:
        CvimakeError: it is not there, or on nobody's branch.
    """
    try:
        git.git(project, "cat-file", "-e", f"{commit}^{{commit}}")
    except CvimakeError as error:
        raise CvimakeError(
            f"its commit {commit} is not in the repository of {project}", "git fetch may bring it."
        ) from error
    if git.git(project, "for-each-ref", "--count=1", "--contains", commit, "refs/heads", "refs/tags"):
        return
    if not git.git(project, "rev-list", "--max-count=1", commit, "--not", "HEAD"):
        return
    raise CvimakeError(
        f"its commit {commit} is on no branch and under no tag of this repository, and building it anew "
        "would run the code that is in it",
        f"Look at it (git show {commit[:12]}), then make a branch of it: git branch rebuild {commit[:12]}",
    )


@contextlib.contextmanager
def _scratch(beside: Path) -> Iterator[Path]:
    """An empty folder that is gone afterwards; those of processes that were killed by force go too.

    It lies beside what is built here: an engine that sees that sees this too.
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
    """Copies sources that git does not keep (large ones, often), if they are what they were.

    Raises:
        CvimakeError: some are not; names all of them.
    """
    wrong = []
    for name, digest in sources.items():
        if name in {COMMIT, *IMAGES} or name.startswith("cvimake/toolchain/container/"):
            continue
        path = folder / name
        if name.partition("/")[0] == ".git":
            wrong.append(f"{name}: no source lies there")
        elif path.is_file() and not path.read_bytes().startswith(_LFS_POINTER):
            if _sha256(path) != digest:
                wrong.append(f"{name}: the commit holds another one")
        elif not sums.is_safe(name):
            # Outside of the project it is where it was: nothing is written there.
            if not path.is_file() or _sha256(path) != digest:
                wrong.append(f"{name}: not there, or another one")
        elif not (project / name).is_file() or _sha256(project / name) != digest:
            wrong.append(f"{name}: not in the commit, and not here as it was")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(project / name, path)
    if wrong:
        raise CvimakeError("sources of the release are not there", "\n".join(wrong))


def _build(folder: Path, known: Provenance) -> None:
    """Runs `./doit release` as it was run."""
    external = known.external
    command = [
        sys.executable, "-m", "cvimake.cli", "release",
        "--name", external["name"], "--version", external["version"],
        *external["allowed"], *external["models"],
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != INVOKED_FROM}
    environment |= {clock.VARIABLE: str(external["sourceDateEpoch"]), **_WITHOUT_STORE}
    with announce.step("building it anew in an empty folder"):
        code, printed = _run(command, folder, environment)
    if code != 0:
        raise CvimakeError("building it anew failed", tail.last_lines(printed, _LAST_LINES))


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Runs a build; returns its exit code and what it printed.

    Where we are interrupted it gets the time to remove its containers: nobody else would.
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
    """Where the files of a release are not those of a folder."""
    others = {path.relative_to(rebuilt).as_posix() for path in rebuilt.rglob("*") if path.is_file()}
    for name in sorted({*release.sizes, *others}):
        if name not in others:
            yield f"{name}: not in what was built anew"
        elif name not in release.sizes:
            yield f"{name}: only in what was built anew"
        else:
            with release.open(name) as file:
                old = file.read()
            new = (rebuilt / name).read_bytes()
            if old != new:
                info = read_info(rebuilt / f"{name.removesuffix('.cvimodel')}_info.json")
                places = "; ".join(fields.differences(name, old, new, info))
                yield f"{name}: built anew it is another: {places}"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
