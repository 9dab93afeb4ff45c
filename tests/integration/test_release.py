"""Releases of what the real toolchain makes: equal wherever they are made, and built anew to the last bit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lab import EXAMPLE, HANGS_AFTER, ROOT, environment

from cvimake.core import digest
from cvimake.execution.image.making import ToolchainImage

SOCKET = Path("/var/run/docker.sock")
USER = 12345
PYPROJECT = '[project]\nname = "example"\nversion = "1"\n'


@dataclass(frozen=True)
class Clone:
    """A project in git.

    Attributes:
        user: who works in it; None for the caller.
    """

    folder: Path
    user: int | None = None

    @classmethod
    def first(cls, folder: Path) -> Clone:
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "dodo.py", folder)
        (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
        (folder / ".gitignore").write_text("/build/\n/release/\n__pycache__/\n", encoding="utf-8")
        for name in ("models", "datasets"):
            shutil.copytree(EXAMPLE / name / "tiny", folder / name / "tiny")
        clone = cls(folder)
        clone.git("init", "--quiet")
        clone.git("add", "--all")
        clone.git("-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "--message", "x")
        return clone

    def cloned(self, folder: Path, user: int | None) -> Clone:
        # Files of its own: whose they are is changed.
        self.git("clone", "--quiet", "--no-hardlinks", str(self.folder), str(folder))
        for path in (folder, *folder.rglob("*")) if user is not None else ():
            os.chown(path, user or 0, user or 0, follow_symlinks=False)
        return Clone(folder, user)

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, capture_output=True)

    def doit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cvimake.cli", *arguments]
        if self.user is not None:
            # Of root's rights it keeps the one to read, since this Python may lie in root's own folder.
            command = [
                "setpriv", f"--reuid={self.user}", f"--regid={self.user}", f"--groups={SOCKET.stat().st_gid}",
                "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", *command,
            ]  # fmt: skip
        return subprocess.run(
            command, cwd=self.folder, env=environment(HOME=str(self.folder)), capture_output=True, text=True,
            check=False, timeout=HANGS_AFTER,
        )  # fmt: skip

    def release(self, *arguments: str) -> Path:
        result = self.doit("release", "--version", "1.0", *arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return self.folder / "release" / "example-1.0"


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def exchange(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Clone:
    assert toolchain_image.id
    clone = Clone.first(tmp_path_factory.mktemp("origin") / "project")
    clone.release()
    return clone


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody can get to: git looks for its repository without any right of root's."""
    with tempfile.TemporaryDirectory(prefix="cvimake-test-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_two_clones_of_two_people_give_the_same_release(origin: Clone, open_folder: Path) -> None:
    user = USER if os.geteuid() == 0 else None
    other = origin.cloned(open_folder / "a much longer folder" / "p", user).release()
    first = origin.folder / "release" / "example-1.0"
    subprocess.run(["diff", "--recursive", str(first), str(other)], check=True)
    assert Path(f"{first}.tar").read_bytes() == Path(f"{other}.tar").read_bytes()


def test_rebuild_finds_a_release_that_does_not_come_from_its_sources(origin: Clone, tmp_path: Path) -> None:
    """Whoever writes sums and provenance anew can make anything look whole, and still not be what comes out.

    That all else is equal shows that building anew gives the same bytes.
    """
    forged = tmp_path / "example-1.0"
    shutil.copytree(origin.folder / "release" / "example-1.0", forged)
    page, provenance, sums = (forged / name for name in ("README.md", "provenance.intoto.json", "SHA256SUMS"))
    old, before = digest.of_file(page), digest.of_file(provenance)
    append(page, "\nTrust me.\n")
    exchange(provenance, old, digest.of_file(page))
    exchange(sums, old, digest.of_file(page))
    exchange(sums, before, digest.of_file(provenance))
    assert origin.doit("release:verify", str(forged)).returncode == 0
    result = origin.doit("release:verify", str(forged), "--rebuild")
    assert result.returncode == 1
    told = [line.split(": differs after")[0].strip() for line in result.stdout.splitlines()[1:]]
    assert told == ["README.md", "SHA256SUMS", "provenance.intoto.json"], result.stdout
    assert not list(origin.folder.glob("build/.rebuild-*"))
