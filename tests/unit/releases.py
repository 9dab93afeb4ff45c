"""Projects in git whose tools are fakes, and releases of them: the real graph, commands and files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import graphs
import pytest
from graphs import Workshop

from cvimake.pipeline.cvimodel_info import Comparison
from cvimake.release import difference, machine, opened
from cvimake.release.difference import Contents
from cvimake.release.machine import Machine

LABEL = "bench-1.0"
VALIDATED = (
    Comparison(target="m0000_int8_sym_tpu_outputs.npz", cosine=0.99, euclidean=0.9, signal_to_noise=20.0),
    Comparison(target="m0000_int8_sym_model_outputs.npz", cosine=1.0, euclidean=1.0, signal_to_noise=None),
)


class Shop(Workshop):
    """A workshop in git, whose cvimodels are validated.

    Attributes:
        not_held: what its machine does not hold still.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root, monkeypatch)
        self._monkeypatch = monkeypatch
        self.not_held: tuple[str, ...] = ()
        self.conclude()
        monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
        monkeypatch.setattr(
            machine, "look", lambda _runtime: Machine(not_held=self.not_held, record={"cores": 2})
        )
        (root / ".gitignore").write_text("/build/\n/release/\n__pycache__/\n", encoding="utf-8")
        git(root, "init", "--quiet")
        self.commit()

    def conclude(self, **facts: object) -> None:
        """What every info says from now on."""
        told = {"similarity": VALIDATED, **facts}
        self._monkeypatch.setattr(graphs, "_INFO", graphs._INFO.model_copy(update=told))

    def commit(self) -> str:
        """Commits everything; returns the commit."""
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "--allow-empty", "--message", "x")
        return git(self.root, "rev-parse", "HEAD")

    def release(self, *arguments: str, version: str = "1.0") -> int:
        return self.doit("release", *arguments, "--version", version)

    def released(self, *arguments: str, version: str = "1.0") -> Path:
        """Makes a release and returns its folder."""
        assert self.release(*arguments, version=version) == 0
        return self.root / "release" / f"bench-{version}"

    def contents(self, *versions: str) -> tuple[Contents, ...]:
        """Return the contents of releases."""
        folders = (self.root / "release" / f"bench-{version}" for version in versions)
        return tuple(difference.read(opened.open_release(folder)) for folder in folders)


def git(folder: Path, *arguments: str) -> str:
    """Runs git as somebody at some fixed time: equal contents are equal commits."""
    at = "2026-01-01T00:00:00Z"
    who = [part for name in ("AUTHOR", "COMMITTER") for part in (f"GIT_{name}_DATE={at}",)]
    return subprocess.run(
        ["env", *who, "git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@x", *arguments],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
