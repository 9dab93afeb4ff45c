from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from releases import LABEL, Shop, git

from cvimake.core.errors import CvimakeError
from cvimake.release import opened, rebuild, verify


class Anew:
    """In the place of the `./doit release` that builds anew: puts down a release, as it was or changed.

    Attributes:
        change: the file that comes out as another.
    """

    def __init__(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shop, self.change, self.code = shop, "", 0
        self.folder = Path()
        self.command: list[str] = []
        self.variables: dict[str, str] = {}
        monkeypatch.setattr(rebuild, "_run", self.run)

    def run(self, command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
        self.folder, self.command, self.variables = folder, command, environment
        self.seen = sorted(path.name for path in self.folder.iterdir())
        made = self.folder / "release" / LABEL
        made.parent.mkdir()
        subprocess.run(["cp", "-r", self.shop.root / "release" / LABEL, made], check=True)
        if self.change:
            (made / self.change).write_bytes(b"another")
        return self.code, "out\nits own error"


@pytest.fixture
def anew(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Anew:
    return Anew(shop, monkeypatch)


def differences(shop: Shop, label: str = LABEL) -> list[str]:
    release = opened.open_release(shop.root / "release" / label)
    return rebuild.differences(release, verify.read_provenance(release), shop.root, os.environ)


def test_a_rebuild_uses_an_empty_folder_with_the_commit(shop: Shop, anew: Anew) -> None:
    assert differences(shop) == []
    assert anew.seen == [".git", ".gitignore", "datasets", "dodo.py", "models", "pyproject.toml"]
    assert anew.command[3:] == ["release", "--name", "bench", "--version", "1.0", "m0000"]
    assert anew.variables["SOURCE_DATE_EPOCH"] == "1704067200"
    assert not anew.folder.exists()


def test_a_commit_of_a_stranger_that_was_only_fetched_is_not_run(shop: Shop, anew: Anew) -> None:
    made_of = git(shop.root, "rev-parse", "HEAD")
    git(shop.root, "update-ref", "refs/pull/7/head", made_of)
    git(shop.root, "symbolic-ref", "HEAD", "refs/heads/other")
    for branch in git(shop.root, "for-each-ref", "--format=%(refname)", "refs/heads").split():
        git(shop.root, "update-ref", "-d", branch)
    git(shop.root, "commit", "--quiet", "--message", "another history")
    with pytest.raises(CvimakeError, match="is on no branch and under no tag") as caught:
        differences(shop)
    assert f"git branch rebuild {made_of[:12]}" in str(caught.value)
    assert not anew.command
    git(shop.root, "tag", "good", made_of)
    assert differences(shop) == []


def test_a_file_that_comes_out_as_another_is_named(shop: Shop, anew: Anew) -> None:
    anew.change = "m0000/m0000_cv181x_int8.cvimodel"
    (fault,) = differences(shop)
    assert fault.startswith(f"{anew.change}: differs after building it again: from byte 0 on: ")


def test_a_failing_build_says_why(shop: Shop, anew: Anew) -> None:
    anew.code = 1
    with pytest.raises(CvimakeError, match="building it again failed") as caught:
        differences(shop)
    assert "its own error" in str(caught.value)


def test_an_interrupted_rebuild_lets_its_build_end_by_itself(tmp_path: Path) -> None:
    program = tmp_path / "build.py"
    program.write_text(
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    pathlib.Path('ended').touch()\n"
        "    sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "pathlib.Path('started').touch()\n"
        "time.sleep(60)\n",
        encoding="utf-8",
    )

    def interrupt(*_arguments: object) -> None:
        if (tmp_path / "started").exists():
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            rebuild._run([sys.executable, str(program)], tmp_path, dict(os.environ))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert (tmp_path / "ended").exists()


def test_the_folder_of_a_killed_rebuild_is_removed(shop: Shop, anew: Anew) -> None:
    killed, other = (shop.root / "build" / f".rebuild-{name}" for name in ("killed", "other"))
    for folder in (killed, other):
        folder.mkdir()
        (folder / "lock").touch()
    with (other / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert differences(shop) == []
    assert not killed.exists()
    assert other.exists()
    assert anew.command


def test_a_dirty_one_cannot_be_built_anew(shop: Shop) -> None:
    (shop.root / "more").touch()
    assert shop.release("--allow-dirty") == 0
    with pytest.raises(CvimakeError, match="from uncommitted sources"):
        differences(shop, f"{LABEL}-dirty")


def test_a_source_that_git_does_not_keep_is_taken_from_here_if_it_is_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    shop = Shop(tmp_path / "project", monkeypatch)
    ignore = shop.root / ".gitignore"
    ignore.write_text(ignore.read_text(encoding="utf-8") + "*.onnx\n", encoding="utf-8")
    subprocess.run(
        ["git", "-C", shop.root, "rm", "--quiet", "--cached", "models/m0000/tiny.onnx"], check=True
    )
    shop.commit()
    shop.released()
    Anew(shop, monkeypatch)
    assert differences(shop) == []
    (shop.root / "models" / "m0000" / "tiny.onnx").write_bytes(b"another")
    with pytest.raises(CvimakeError, match="sources of the release are missing or have changed") as caught:
        differences(shop)
    assert "models/m0000/tiny.onnx: not in the commit, and missing or changed in this folder" in str(
        caught.value
    )


def test_fetched_files_that_no_stage_reads_are_there_too_so_that_no_model_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path, monkeypatch)
    samples = shop.root / "datasets" / "samples"
    for name in ("notes.txt", "other.txt"):
        (samples / name).write_text("fetched", encoding="utf-8")
    (samples / ".gitignore").write_text("*.txt\n", encoding="utf-8")
    table = f'{{ sha256 = "{hashlib.sha256(b"fetched").hexdigest()}", url = "https://example.org/x" }}'
    declared = f'[fetch.files]\n"notes.txt" = {table}\n"other.txt" = {table}\n'
    (samples / "dataset.toml").write_text(declared, encoding="utf-8")
    shop.commit()
    shop.released()
    anew = Anew(shop, monkeypatch)
    found: set[str] = set()

    def run(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
        found.update(path.name for path in (folder / "datasets" / "samples").glob("*.txt"))
        return anew.run(command, folder, environment)

    monkeypatch.setattr(rebuild, "_run", run)
    assert differences(shop) == []
    assert found == {"notes.txt", "other.txt"}
    # Another file would make the dataset another one.
    (samples / "other.txt").write_text("changed", encoding="utf-8")
    found.clear()
    assert differences(shop) == []
    assert found == {"notes.txt"}


def test_labels_that_git_does_not_keep_are_there_too_if_they_are_what_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    shop = Shop(tmp_path / "project", monkeypatch)
    shop.measure()
    labels = shop.root / "datasets" / "samples" / "labels.json"
    (labels.parent / ".gitignore").write_text("labels.json\n", encoding="utf-8")
    shop.commit()
    release = opened.open_release(shop.released())
    assert verify.faults(release) == []
    anew = Anew(shop, monkeypatch)
    found: list[str] = []

    def run(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
        found.append((folder / labels.relative_to(shop.root)).read_text(encoding="utf-8"))
        return anew.run(command, folder, environment)

    monkeypatch.setattr(rebuild, "_run", run)
    assert differences(shop) == []
    assert found == [labels.read_text(encoding="utf-8")]
    labels.write_text("{}", encoding="utf-8")
    with pytest.raises(CvimakeError, match="sources of the release are missing or have changed") as caught:
        differences(shop)
    assert "datasets/samples/labels.json: not in the commit, and missing or changed" in str(caught.value)


def test_a_commit_that_is_not_here_is_told(shop: Shop, anew: Anew) -> None:
    release = opened.open_release(shop.root / "release" / LABEL)
    known = verify.read_provenance(release)
    for item in known.definition["resolvedDependencies"]:
        if item["name"] == "commit":
            item["digest"] = {"gitCommit": "0" * 40}
    with pytest.raises(CvimakeError, match=r"its commit 0{40} is not in the repository"):
        rebuild.differences(release, known, shop.root, os.environ)
    assert not anew.command


@pytest.mark.parametrize(
    ("place", "wrong", "told"),
    [
        ("allowed", ["--file=/tmp/dodo.py"], "options that do not exist"),
        ("allowed", ["--sign=id_ed25519"], "options that do not exist"),
        ("models", ["--dir=/tmp"], "names that no model can have"),
        ("version", "../../x", "is not a name of a release"),
        ("commit", "--upload-pack=x", "is not a commit"),
    ],
)
def test_text_from_a_release_never_becomes_an_argument(
    shop: Shop, anew: Anew, place: str, wrong: object, told: str
) -> None:
    release = opened.open_release(shop.root / "release" / LABEL)
    known = verify.read_provenance(release)
    if place == "commit":
        (commit,) = (item for item in known.definition["resolvedDependencies"] if item["name"] == place)
        commit["digest"] = {"gitCommit": wrong}
    else:
        known.external[place] = wrong
    with pytest.raises(CvimakeError, match=told):
        rebuild.differences(release, known, shop.root, os.environ)
    assert not anew.command


def test_a_source_in_gits_own_folder_is_refused(shop: Shop, anew: Anew) -> None:
    release = opened.open_release(shop.root / "release" / LABEL)
    known = verify.read_provenance(release)
    known.definition["resolvedDependencies"].append({"name": ".git/hooks/x", "digest": {"sha256": "0"}})
    with pytest.raises(CvimakeError, match="sources of the release are missing or have changed"):
        rebuild.differences(release, known, shop.root, os.environ)
    assert not anew.command


def test_a_release_with_accuracy_is_rebuilt_without_the_programs_of_cvimake_in_the_project(
    shop: Shop, anew: Anew
) -> None:
    shop.measure()
    shop.commit()
    subprocess.run(["rm", "-r", shop.root / "release"], check=True)
    shop.released()
    assert differences(shop) == []
    anew.change = "m0000/m0000_float_accuracy.json"
    (fault,) = differences(shop)
    assert fault.startswith(f"{anew.change}: differs after building it again: ")
