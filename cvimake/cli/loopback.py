"""A web server for the user's browser, which other machines and pages of other sites cannot reach."""

from __future__ import annotations

import contextlib
import http.server
import os
import shutil
import sys
from abc import abstractmethod
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cvimake.core.errors import CvimakeError

_ADDRESS = "127.0.0.1"


class Server(http.server.ThreadingHTTPServer):
    """A server on this machine's loopback address.

    Args:
        port: the port to serve on; 0 for any that is free.
        handler: answers the requests.

    Attributes:
        first_page: the path of the page that the user opens.

    Raises:
        CvimakeError: the port cannot be served.
    """

    daemon_threads = True
    first_page = "/"

    def __init__(self, port: int, handler: type[Handler]) -> None:
        try:
            super().__init__((_ADDRESS, port), handler)
        except (OSError, OverflowError) as error:
            raise CvimakeError(f"port {port} cannot be served: {error}") from error

    @property
    def url(self) -> str:
        """Return the address of the first page."""
        return f"http://{_ADDRESS}:{self.server_port}{self.first_page}"

    @property
    def hosts(self) -> set[str]:
        """Return the names under which a browser on this machine may ask."""
        return {f"{host}:{self.server_port}" for host in (_ADDRESS, "localhost")}

    def serve_until_interrupted(self) -> None:
        """Answer requests until Ctrl-C."""
        with contextlib.suppress(KeyboardInterrupt):
            self.serve_forever()

    def handle_error(self, request: object, client_address: object) -> None:
        """Print an error of the server, unless the browser has only gone away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # as it was given


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request, unless it was made under another name than this machine's own."""

    server: Server

    @abstractmethod
    def answer(self, path: str) -> None:
        """Answer a request for a path, in which nothing is quoted any more."""

    def do_GET(self) -> None:
        """Answer a request, or refuse it."""
        # A page of another site could reach this server under a name of its own (DNS rebinding).
        if self.headers.get("Host") in self.server.hosts:
            self.answer(unquote(urlsplit(self.path).path).replace("\0", ""))
        else:
            self.send_error(HTTPStatus.FORBIDDEN)

    def send_file(self, path: Path, kind: str, headers: Mapping[str, str]) -> None:
        """Send a file of this MIME type."""
        with path.open("rb") as file:
            self.begin(kind, os.fstat(file.fileno()).st_size, headers)
            shutil.copyfileobj(file, self.wfile)

    def begin(self, kind: str, length: int, headers: Mapping[str, str]) -> None:
        """Send all that stands before the contents, which have this MIME type and this many bytes."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
        """Print nothing: the terminal is for the answer to the user."""
