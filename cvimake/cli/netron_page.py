"""Shows a network in Netron, on this machine only.

Netron's own server is not used: its page asks other hosts where the user is, reports what is opened,
and refuses to work 180 days after its release. The page that is served here may not talk to other hosts.
"""

from __future__ import annotations

import html
import http.server
import mimetypes
import re
import shutil
import sys
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from cvimake.core.errors import CvimakeError

LOOPBACK = "127.0.0.1"
_MODEL = "/model/"
# As in a checkout of Netron: the page reports nothing, and does not check its own age.
_VERSION = re.compile(r'<meta name="(?:version|date)" content="[^"]*">')
_DEVELOPMENT = '<meta name="version" content="0.0.0">'
_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:"
)


def netron_folder() -> Path:
    """Return the folder of Netron's page.

    Raises:
        CvimakeError: Netron is not installed.
    """
    found = find_spec("netron")
    if found is None or found.origin is None:
        raise CvimakeError(
            "Netron is not installed: it is only needed to look at networks",
            ".venv/bin/python -m pip install netron",
        )
    return Path(found.origin).parent


def page(index: str, model: str) -> str:
    """Return Netron's page, changed so that it opens the model at once.

    Raises:
        CvimakeError: this version of the page is not known, so it cannot be changed.
    """
    if not _VERSION.search(index):
        raise CvimakeError(
            "the page of this version of Netron is not known", ".venv/bin/python -m pip install 'netron<10'"
        )
    file = f'<meta name="file" content="{html.escape(_MODEL + quote(model))}">'
    metas = iter((f"{_DEVELOPMENT}\n{file}",))
    return _VERSION.sub(lambda _match: next(metas, ""), index)


class Server(http.server.ThreadingHTTPServer):
    """A server of Netron's page and one model. The port 0 means any that is free."""

    daemon_threads = True

    def __init__(self, model: Path, netron: Path, port: int = 0) -> None:
        self.model = model
        self.netron = netron.resolve()
        self.page = page((netron / "index.html").read_text(encoding="utf-8"), model.name).encode()
        super().__init__((LOOPBACK, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print an error of the server, unless the browser has only gone away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # as it was given

    @property
    def url(self) -> str:
        """Return the address of the page."""
        return f"http://{LOOPBACK}:{self.server_port}/"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """Answer with the page, a file of Netron's, or the model."""
        # A page of another site could reach this server under a name of its own (DNS rebinding).
        if self.headers.get("Host") not in {
            f"{host}:{self.server.server_port}" for host in (LOOPBACK, "localhost")
        }:
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        path = unquote(urlsplit(self.path).path).replace("\0", "")
        if path == "/":
            self._begin("text/html; charset=utf-8", len(self.server.page))
            self.wfile.write(self.server.page)
        elif path == _MODEL + self.server.model.name:
            self._file(self.server.model, "application/octet-stream")
        else:
            file = (self.server.netron / path.lstrip("/")).resolve()
            if (
                file.is_relative_to(self.server.netron)
                and file.suffix not in {".py", ".pyc"}
                and file.is_file()
            ):
                self._file(file, mimetypes.guess_type(file.name)[0] or "application/octet-stream")
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

    def _file(self, path: Path, kind: str) -> None:
        with path.open("rb") as file:
            self._begin(kind, path.stat().st_size)
            shutil.copyfileobj(file, self.wfile)

    def _begin(self, kind: str, length: int) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Security-Policy", _POLICY)
        # The page would ask for consent to count visits; it counts none here.
        self.send_header("Set-Cookie", "consent=0; SameSite=Strict")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
        """Print nothing: the terminal is for the answer to the user."""
