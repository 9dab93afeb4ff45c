"""The store of results in a real object store: rights, faults, and several writers at once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import s3fs
from lab import HANGS_AFTER, ROOT, environment
from object_store import BUCKET, ObjectStore, running

from cvimake.builder import store as stores
from cvimake.builder.store import Blob, Entry, Store, eviction, verification
from cvimake.builder.store.place import Beat
from cvimake.builder.store.remote import RemotePlace

URL = f"s3://{BUCKET}/store"
KEY = "ab" * 32


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with running(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture(autouse=True)
def empty(server: ObjectStore) -> None:
    files = server.files("owner")
    if files.exists(URL):
        files.rm(URL, recursive=True)


Opened = Callable[..., Store]


@pytest.fixture
def opened(server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens the store as somebody, as a process does that has not reached it before."""

    def open_as(name: str, url: str = URL, *, port: int | None = None, read_only: bool = False) -> Store:
        for variable, value in server.variables(name, port).items():
            monkeypatch.setenv(variable, value)
        s3fs.S3FileSystem.clear_instance_cache()
        return Store(RemotePlace(url), url, read_only=read_only)

    return open_as


def kept(store: Store, folder: Path, content: bytes, key: str = KEY) -> Entry:
    """Put the result of a stage into a store."""
    path = folder / "out.npz"
    path.write_bytes(content)
    blob = Blob(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    entry = Entry(action="net:mlir", seconds=1.0, outputs={path.name: blob})
    store.keep(key, entry, {path.name: path})
    return entry


def taken(store: Store, folder: Path, key: str = KEY) -> bytes | None:
    """Take a result out of a store; None if it is not there."""
    entry, target = store.find(key), folder / "taken.npz"
    if entry is None or not store.restore(key, entry, {"out.npz": target}, lambda: None):
        return None
    return target.read_bytes()


def test_a_result_is_taken_by_those_who_may_only_read(
    opened: Opened, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept(opened("builder"), tmp_path, b"content")
    reader = opened("reader", read_only=True)
    assert taken(reader, tmp_path) == b"content"
    kept(reader, tmp_path, b"other", "cd" * 32)
    assert reader.find("cd" * 32) is None
    assert capfd.readouterr().err == ""


def test_somebody_without_the_right_to_write_is_told_once(
    opened: Opened, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept(opened("builder"), tmp_path, b"content")
    reader = opened("reader")
    assert taken(reader, tmp_path) == b"content"
    for key in ("cd" * 32, "ef" * 32):
        kept(reader, tmp_path, b"other", key)
    said = capfd.readouterr().err
    assert said.count(f"warning: the store {URL} is left alone in this build: PermissionError") == 1
    assert not reader.takes_results


def test_refused_credentials_are_told(
    opened: Opened, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert taken(opened("stranger"), tmp_path) is None
    said = capfd.readouterr().err
    assert said.count("is left alone in this build: PermissionError") == 1


def test_a_bucket_that_is_not_there_is_told_and_not_made(
    server: ObjectStore, opened: Opened, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("reader", "owner"):
        store = opened(name, "s3://taem/store")
        assert taken(store, tmp_path) is None
        said = capfd.readouterr().err
        assert "there is no bucket 'taem': make it, or correct the URL" in said
        kept(opened(name, "s3://taem/store"), tmp_path, b"content")
        assert "there is no bucket 'taem'" in capfd.readouterr().err
    assert not server.files("owner").exists("taem")


WRITER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from test_object_store import RemotePlace, Store, URL, kept
store = Store(RemotePlace(URL), URL)
folder = Path(sys.argv[1])
folder.mkdir()
for number in range(12):
    kept(store, folder, bytes([number]) * 100_000, f"{number:02d}" * 32)
print(store.takes_results)
"""


def test_several_machines_write_the_same_results_at_once(
    server: ObjectStore, opened: Opened, tmp_path: Path
) -> None:
    places = [str(ROOT), str(ROOT / "tests/integration"), str(ROOT / "tests")]

    def write(number: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", WRITER, str(tmp_path / str(number)), *places],
            env={**environment(), **server.variables("builder")},
            capture_output=True, text=True, check=True, timeout=HANGS_AFTER,
        ).stdout  # fmt: skip

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(write, range(4))) == ["True\n"] * 4
    store = opened("reader")
    held, faults = verification.verify(store.place)
    assert (len(held.actions), len(held.blobs)) == (12, 12)
    assert (faults.damaged, faults.incomplete) == ([], [])
    for number in range(12):
        assert taken(store, tmp_path, f"{number:02d}" * 32) == bytes([number]) * 100_000
    # Whoever may write may also make room.
    eviction.evict(opened("builder").place, 0)
    held, _ = verification.verify(store.place)
    assert (len(held.actions), len(held.blobs)) == (0, 0)


def test_a_server_that_is_killed_during_an_upload_keeps_no_half_result(
    server: ObjectStore,
    opened: Opened,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(stores, "TRANSFER", 3.0)
    # Larger than a part of an upload.
    content = os.urandom(120 * 1024**2)
    store = opened("builder")
    keep, parts = RemotePlace.keep, list[None]()

    def killing(place: RemotePlace, name: str, source: Path, beat: Beat) -> None:
        def beats() -> None:
            parts.append(None)
            if len(parts) == 1:
                server.kill()
            beat()

        keep(place, name, source, beats)

    with monkeypatch.context() as patched:
        patched.setattr(RemotePlace, "keep", killing)
        kept(store, tmp_path, content)
    assert parts
    assert "is left alone in this build" in capfd.readouterr().err
    server.start()
    store = opened("builder")
    assert store.find(KEY) is None
    assert verification.verify(store.place)[0].blobs == {}
    kept(store, tmp_path, content)
    assert taken(store, tmp_path) == content


def test_a_server_that_does_not_answer_is_left_alone(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stores, "LOOK_UP", 1.0)
    # The kernel takes connections, and nobody answers.
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        assert taken(opened("builder", port=nobody.getsockname()[1]), tmp_path) is None
    assert f"the store {URL} is left alone in this build: no answer within 1 s" in capfd.readouterr().err


def project(folder: Path) -> Path:
    shutil.copytree(ROOT / "tests" / "models" / "tiny", folder / "models" / "tiny")
    shutil.copytree(ROOT / "tests" / "datasets" / "tiny", folder / "datasets" / "tiny")
    shutil.copy(ROOT / "dodo.py", folder)
    (folder / "pyproject.toml").write_text(f'[tool.cvimake.store]\nurl = "{URL}"\n', encoding="utf-8")
    return folder


def doit(folder: Path, variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    mine = {name: value for name, value in environment(**variables).items() if name != "CVIMAKE_STORE"}
    return subprocess.run(
        [sys.executable, "-m", "cvimake.cli", *arguments], cwd=folder,
        env={**mine, "XDG_CACHE_HOME": str(folder.parent / "cache")},
        capture_output=True, text=True, check=False, timeout=HANGS_AFTER,
    )  # fmt: skip


def test_a_build_elsewhere_takes_everything_from_the_bucket(server: ObjectStore, tmp_path: Path) -> None:
    first, second = project(tmp_path / "first"), project(tmp_path / "second")
    built = doit(first, server.variables("builder"))
    assert built.returncode == 0, built.stderr
    reading = {**server.variables("reader"), "CVIMAKE_STORE_READ_ONLY": "1"}
    restored = doit(second, reading, "--json")
    assert restored.returncode == 0, restored.stderr
    done = [event for line in restored.stdout.splitlines() if (event := json.loads(line))["event"] == "done"]
    assert {event["result"] for event in done if ":" in event["stage"]} == {"restored"}
    for path in first.glob("build/tiny/*"):
        assert (second / "build" / "tiny" / path.name).read_bytes() == path.read_bytes()
    shown = doit(second, reading, "store", "--json")
    assert json.loads(shown.stdout)["results"] == len(server.files("reader").find(f"{URL}/actions"))
    refused = doit(second, server.variables("stranger"), "store")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert f"the store {URL}: PermissionError" in refused.stderr
