"""Asks servers for files through fsspec's drivers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import fsspec

from cvimake.fetching.faults import FetchError
from cvimake.fetching.network import server
from cvimake.fetching.reply import Reply

_PIECE = 1024 * 1024


@contextlib.contextmanager
def ask(url: str, offset: int) -> Iterator[Reply]:
    """Ask for a file from an offset on; with a driver that cannot go there, for the whole file.

    Raises:
        FetchError: there is no driver, or it fails.
    """
    try:
        files, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise FetchError("fetch-driver", server=server(url), why=error) from error
    except Exception as error:
        raise _failed(error, url) from error
    with contextlib.ExitStack() as stack:
        with _as_fetch_error(url):
            file = stack.enter_context(files.open(path, "rb"))
            whole = files.info(path).get("size")
            start = offset if offset and _seek(file, offset) else 0
        yield Reply(start=start, whole=None if whole is None else int(whole), pieces=_pieces(file, url))


def _seek(file: Any, offset: int) -> bool:  # noqa: ANN401 - fsspec has no type information
    try:
        file.seek(offset)
    except (NotImplementedError, OSError, ValueError):
        return False
    return True


def _pieces(file: Any, url: str) -> Iterator[bytes]:  # noqa: ANN401 - as above
    while True:
        with _as_fetch_error(url):
            piece = file.read(_PIECE)
        if not piece:
            return
        yield piece


@contextlib.contextmanager
def _as_fetch_error(url: str) -> Iterator[None]:
    """Turn every driver's own errors into ours."""
    try:
        yield
    except Exception as error:
        raise _failed(error, url) from error


def _failed(error: Exception, url: str) -> FetchError:
    return FetchError("fetch-driver-failed", server=server(url), why=f"{type(error).__name__}: {error}")
