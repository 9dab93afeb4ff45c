"""A real HTTP server on loopback that serves files, and does on demand all that a server should not do."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections.abc import Callable, Iterator

import loopback_servers


class FileServer(http.server.ThreadingHTTPServer):
    """Serves files.

    Attributes:
        files: the bytes of each path.
        ways: how a path is served, instead of well.
        asked: the path and the first byte of each request.
        sent: the bytes that went out.
        pause: seconds between two pieces of 16 KiB.
        released: ends a server's silence.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ways: dict[str, Callable[[Handler], None]] = {}
        self.asked: list[tuple[str, int]] = []
        self.proxied: list[str] = []
        self.sent, self.pause = 0, 0.0
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the standard library's
        """Print nothing."""

    @property
    def first(self) -> int:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found else 0

    def do_GET(self) -> None:
        # A proxy is asked with the whole URL.
        if self.path.startswith("http://"):
            self.server.proxied.append(self.path)
            self.path = "/" + self.path.split("/", 3)[3]
        self.server.asked.append((self.path, self.first))
        self.server.ways.get(self.path, serve)(self)

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def body(self, content: bytes) -> None:
        for start in range(0, len(content), 16384):
            piece = content[start : start + 16384]
            self.wfile.write(piece)
            self.server.sent += len(piece)
            if self.server.pause:
                self.server.released.wait(self.server.pause)

    @property
    def content(self) -> bytes:
        return self.server.files[self.path]


def serve(handler: Handler) -> None:
    if handler.path not in handler.server.files:
        handler.head(404, Content_Length=0)
        return
    first, content = handler.first, handler.content
    if first >= len(content) > 0:
        handler.head(416, Content_Length=0, Content_Range=f"bytes */{len(content)}")
    elif first:
        span = f"bytes {first}-{len(content) - 1}/{len(content)}"
        handler.head(206, Content_Length=len(content) - first, Content_Range=span)
        handler.body(content[first:])
    else:
        handler.head(200, Content_Length=len(content))
        handler.body(content)


def without_ranges(handler: Handler) -> None:
    handler.head(200, Content_Length=len(handler.content))
    handler.body(handler.content)


def cut_off(handler: Handler) -> None:
    """Announces everything and sends half of what is left."""
    content = handler.content[handler.first :]
    status = 206 if handler.first else 200
    span = f"bytes {handler.first}-{len(handler.content) - 1}/{len(handler.content)}"
    handler.head(status, Content_Length=len(content), Content_Range=span)
    handler.body(content[: len(content) // 2])
    handler.close_connection = True


def cut_off_unannounced(handler: Handler) -> None:
    handler.head(200, Connection="close")
    handler.body(handler.content[: len(handler.content) // 2])
    handler.close_connection = True


def once(
    way: Callable[[Handler], None], then: Callable[[Handler], None] = serve
) -> Callable[[Handler], None]:
    """Serves in a way the first time, and in another one after that."""
    ways = iter([way])

    def answer(handler: Handler) -> None:
        next(ways, then)(handler)

    return answer


def status(code: int, reason: str | None = None) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(code, reason)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def redirect(target: str) -> Callable[[Handler], None]:
    return lambda handler: handler.head(302, Location=target, Content_Length=0)


def silent(handler: Handler) -> None:
    """Sends some bytes and then nothing."""
    handler.head(200, Content_Length=len(handler.content))
    handler.body(handler.content[:10])
    handler.server.released.wait(20)
    handler.close_connection = True


def speechless(handler: Handler) -> None:
    """Does not even answer."""
    handler.server.released.wait(20)
    handler.close_connection = True


def dripping(handler: Handler) -> None:
    handler.head(200, Content_Length=len(handler.content))
    for byte in handler.content:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        if handler.server.released.wait(0.05):
            break
    handler.close_connection = True


def endless(handler: Handler) -> None:
    handler.head(200, Connection="close")
    while not handler.server.released.is_set():
        handler.body(bytes(1024 * 1024))


def raw(answer: bytes) -> Callable[[Handler], None]:
    """Sends some bytes, whatever they are."""

    def send(handler: Handler) -> None:
        handler.wfile.write(answer)
        handler.close_connection = True

    return send


def hang_up(handler: Handler) -> None:
    handler.close_connection = True


@contextlib.contextmanager
def serving() -> Iterator[FileServer]:
    with loopback_servers.serving(FileServer()) as server:
        try:
            yield server
        finally:
            server.released.set()
