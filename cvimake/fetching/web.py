"""Asks servers for files over http and https."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import ssl
import threading
import time
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import certifi
import urllib3
from urllib3 import exceptions

from cvimake import __version__
from cvimake.core.errors import CvimakeError
from cvimake.fetching.faults import FetchError
from cvimake.fetching.network import Network, server
from cvimake.fetching.reply import CannotResumeError, Reply
from cvimake.project.fetch import WEB

_PIECE = 256 * 1024
_MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
_OK, _PARTIAL, _NOT_SATISFIABLE = 200, 206, 416
# No file has more bytes than 18 digits can say.
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")
_LENGTH = re.compile(r"[0-9]{1,18}")
# Characters of a server's own words in a message.
_MOST_SHOWN = 200
_AGENT = f"cvimake/{__version__}"


class Web:
    """Servers that speak HTTP. Several threads may ask at once."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._guard = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        with self._guard:
            for pool in self._pools.values():
                pool.clear()

    @contextlib.contextmanager
    def ask(self, url: str, offset: int) -> Iterator[Reply]:
        """Ask for a file from an offset on.

        Raises:
            FetchError: there is no answer, or it is not the file.
            CannotResumeError: the server only sends the whole file.
        """
        with contextlib.closing(self._answer(url, offset)) as response:
            reply = _reply(response, url, offset)
            yield dataclasses.replace(reply, pieces=self._pieces(response, url, reply))

    def _answer(self, url: str, offset: int) -> urllib3.BaseHTTPResponse:
        """Return the answer at the end of all redirects."""
        seen = {url}
        while True:
            response = self._request(url, offset)
            if response.status not in _REDIRECTS:
                return response
            response.close()
            try:
                target = urljoin(url, response.headers.get("location", ""))
                scheme = urlsplit(target).scheme
            except ValueError as error:
                raise FetchError("fetch-redirect", server=server(url), what="to no URL") from error
            if target in seen or len(seen) > _MOST_REDIRECTS:
                what = "in a circle" if target in seen else f"more than {_MOST_REDIRECTS} times"
                raise FetchError("fetch-redirect", server=server(url), what=what)
            if scheme not in WEB or (urlsplit(url).scheme == "https" and scheme != "https"):
                what = f"from {urlsplit(url).scheme}:// to {scheme}://, which is not safe"
                raise FetchError("fetch-redirect", server=server(url), what=what)
            seen.add(target)
            url = target

    def _request(self, url: str, offset: int) -> urllib3.BaseHTTPResponse:
        # Compressed on the way, the bytes would have another sum.
        headers = {"Accept-Encoding": "identity", "User-Agent": _AGENT}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        if password := self._network.password(url):
            headers |= urllib3.make_headers(basic_auth=password)
        patience = self._network.patience
        try:
            return self._pool(url).request(
                "GET",
                url,
                headers=headers,
                preload_content=False,
                decode_content=False,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(connect=patience.connect, read=patience.stall),
            )
        except (exceptions.HTTPError, OSError, ValueError) as error:
            raise self._failed(error, url) from error

    def _pool(self, url: str) -> urllib3.PoolManager:
        """Return the connections for a URL: the direct ones, or those through its proxy."""
        proxy = self._network.proxy(url)
        with self._guard:
            if proxy not in self._pools:
                trusted = ssl.create_default_context()
                trusted.load_verify_locations(certifi.where())
                if self._network.certificates:
                    trusted.load_verify_locations(self._network.certificates)
                if proxy:
                    parts = urllib3.util.parse_url(proxy)
                    login = urllib3.make_headers(proxy_basic_auth=parts.auth) if parts.auth else {}
                    self._pools[proxy] = urllib3.ProxyManager(
                        proxy, proxy_headers=login, ssl_context=trusted, maxsize=16
                    )
                else:
                    self._pools[proxy] = urllib3.PoolManager(ssl_context=trusted, maxsize=16)
            return self._pools[proxy]

    def _pieces(self, response: urllib3.BaseHTTPResponse, url: str, reply: Reply) -> Iterator[bytes]:
        """Yield the bytes as they come. A server that sends next to nothing does not hold us up for ever."""
        patience, got = self._network.patience, reply.start
        since, received = time.monotonic(), 0
        try:
            while piece := response.read1(_PIECE):
                yield piece
                received += len(piece)
                got += len(piece)
                if time.monotonic() - since > patience.stall:
                    if received < patience.least:
                        raise FetchError("fetch-stalled", server=server(url), seconds=patience.stall)
                    since, received = time.monotonic(), 0
        except exceptions.ProtocolError as error:
            whole = "all" if reply.whole is None else reply.whole
            raise FetchError("fetch-truncated", server=server(url), got=got, whole=whole) from error
        except (exceptions.HTTPError, OSError) as error:
            raise self._failed(error, url) from error

    def _failed(self, error: Exception, url: str) -> CvimakeError:
        at = server(url)
        cause: BaseException = error
        # urllib3 wraps what happened, a proxy's failure for example twice.
        while isinstance(cause, exceptions.ProxyError | exceptions.MaxRetryError) and cause.args:
            inner = cause.args[-1]
            if not isinstance(inner, BaseException):
                break
            cause = inner
        refused = isinstance(cause, exceptions.NewConnectionError)
        if isinstance(cause, exceptions.ConnectTimeoutError) and not refused:
            return FetchError("fetch-network", server=at, why="it does not accept a connection")
        if isinstance(cause, exceptions.ReadTimeoutError | TimeoutError):
            return FetchError("fetch-stalled", server=at, seconds=self._network.patience.stall)
        if isinstance(cause, exceptions.SSLError | ssl.SSLError):
            return FetchError("fetch-certificate", server=at, why=f"{cause}"[:_MOST_SHOWN])
        if isinstance(error, exceptions.ProtocolError):
            return FetchError("fetch-no-answer", server=at)
        why = f"{cause}".partition(": ")[2] or f"{cause}"
        if cause is not error:
            why = f"the proxy: {why}"
        return FetchError("fetch-network", server=at, why=why[:_MOST_SHOWN])


def _reply(response: urllib3.BaseHTTPResponse, url: str, offset: int) -> Reply:
    """Return what an answer announces, without its bytes."""
    status = response.status
    if status == _OK:
        return Reply(start=0, whole=_length(response), pieces=iter(()))
    if offset and status in {_PARTIAL, _NOT_SATISFIABLE}:
        sent = _RANGE.fullmatch(response.headers.get("content-range", ""))
        if status == _NOT_SATISFIABLE or sent is None or int(sent[1]) != offset:
            raise CannotResumeError
        return Reply(start=offset, whole=int(sent[2]), pieces=iter(()))
    said = f"{status} {response.reason or ''}".strip()[:80]
    raise FetchError("fetch-busy" if status in _BUSY else "fetch-status", server=server(url), status=said)


def _length(response: urllib3.BaseHTTPResponse) -> int | None:
    length = response.headers.get("content-length", "")
    return int(length) if _LENGTH.fullmatch(length) else None
