from __future__ import annotations

import os
from pathlib import Path

import pytest

from cvimake.builder.store import Blob, Entry, statistics
from cvimake.builder.store import current as module
from cvimake.builder.store.current import Choice, Current, choose
from cvimake.builder.store.statistics import Uses
from cvimake.core.errors import CvimakeError

KEY = "ab" * 32
CONTENT = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "user_cache", lambda _environment: tmp_path / "cache")
    monkeypatch.delenv("CVIMAKE_STORE", raising=False)
    return tmp_path / "cache"


def url(given: str, root: Path = Path("/project")) -> str:
    return choose(root, os.environ, given, read_only=False, limit=1.0).url


def test_without_a_word_it_is_in_the_users_cache(cache: Path) -> None:
    choice = choose(Path("/project"), os.environ, "", read_only=False, limit=20.0)
    assert choice == Choice(url=str(cache / "store"), read_only=False, limit=20 * 1024**3)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("none", ""),
        ("/mnt/store", "/mnt/store"),
        ("store", "/project/store"),
        ("../store", "/store"),
        ("file:///mnt/store", "/mnt/store"),
        ("s3://bucket/store", "s3://bucket/store"),
    ],
)
def test_kinds_of_store_urls(given: str, meant: str) -> None:
    assert url(given) == meant


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVIMAKE_STORE", "none")
    assert url("/mnt/store") == ""
    monkeypatch.setenv("CVIMAKE_STORE_READ_ONLY", "1")
    assert choose(Path("/"), os.environ, "", read_only=False, limit=1.0).read_only
    monkeypatch.setenv("CVIMAKE_STORE_READ_ONLY", "0")
    assert not choose(Path("/"), os.environ, "", read_only=True, limit=1.0).read_only


def test_invalid_environment_variables_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVIMAKE_STORE_READ_ONLY", "yes")
    with pytest.raises(CvimakeError, match="CVIMAKE_STORE_READ_ONLY is 'yes'; it can be 1 or 0"):
        url("")


def kept(current: Current, root: Path) -> Path:
    file = root / "output"
    file.write_bytes(b"content")
    entry = Entry(action="net:mlir", seconds=9.0, outputs={"x": Blob(sha256=CONTENT, size=7)})
    current.keep(KEY, entry, {"x": file})
    return file


def chosen(folder: Path, limit: int = 10**9) -> Current:
    return Current(lambda: Choice(url=str(folder), read_only=False, limit=limit), {})


def test_stored_entries_are_complete_at_the_end_and_counted(tmp_path: Path, cache: Path) -> None:
    current = chosen(tmp_path / "store")
    assert current.store
    current.miss()
    kept(current, tmp_path)
    current.finish()
    assert current.store.find(KEY) is not None
    current.hit(8.5)
    current.finish()
    uses = statistics.of_store(cache / "stores.sqlite", str(tmp_path / "store"))
    assert uses == Uses(hits=1, misses=1, kept=1, seconds_saved=8.5)


def test_a_store_over_its_limit_is_reduced_at_the_end(tmp_path: Path) -> None:
    current = chosen(tmp_path / "store", limit=0)
    kept(current, tmp_path)
    current.finish()
    assert current.store
    assert current.store.find(KEY) is None


def test_without_a_store_nothing_is_kept_or_written(tmp_path: Path, cache: Path) -> None:
    current = Current(lambda: Choice(url="", read_only=False, limit=1), {})
    kept(current, tmp_path)
    current.finish()
    assert not cache.exists()


def test_a_store_that_cannot_be_opened_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    current = Current(lambda: Choice(url="nonsense://x", read_only=False, limit=1), {})
    assert [current.store for _ in range(2)] == [None, None]
    assert capsys.readouterr().err.count("the store nonsense://x is left alone in this build") == 1


def test_statistics_that_cannot_be_written_or_read_fail_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    statistics.add(tmp_path / "file" / "database", "s", Uses(hits=1))
    (tmp_path / "broken").write_text("no database", encoding="utf-8")
    statistics.add(tmp_path / "broken", "s", Uses(hits=1))
    assert statistics.of_store(tmp_path / "broken", "s") == Uses()
