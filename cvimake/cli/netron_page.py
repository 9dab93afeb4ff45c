"""Shows a network in Netron, on this machine only.

Netron's own server is not used: its page asks other hosts where the user is, reports what is opened,
and refuses to work 180 days after its release. The page that is served here may not talk to other hosts.
"""

from __future__ import annotations

import html
import mimetypes
import re
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from cvimake.cli import loopback
from cvimake.core.errors import CvimakeError

_MODEL = "/model/"
# As in a checkout of Netron: the page reports nothing, and does not check its own age.
_VERSION = re.compile(r'<meta name="(?:version|date)" content="[^"]*">')
_DEVELOPMENT = '<meta name="version" content="0.0.0">'
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:"
    ),
    # The page would ask for consent to count visits; it counts none here.
    "Set-Cookie": "consent=0; SameSite=Strict",
}


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


class Server(loopback.Server):
    """A server of Netron's page and one model.

    Raises:
        CvimakeError: the page is not known, or the port cannot be served.
    """

    def __init__(self, model: Path, netron: Path, port: int = 0) -> None:
        self.model = model
        self.netron = netron.resolve()
        index = netron / "index.html"
        text = index.read_text(encoding="utf-8") if index.is_file() else ""
        self.page = page(text, model.name).encode()
        super().__init__(port, _Handler)


class _Handler(loopback.Handler):
    server: Server

    def answer(self, path: str) -> None:
        """Answer with the page, a file of Netron's, or the model."""
        if path == "/":
            self.begin("text/html; charset=utf-8", len(self.server.page), _HEADERS)
            self.wfile.write(self.server.page)
        elif path == _MODEL + self.server.model.name:
            self.send_file(self.server.model, "application/octet-stream", _HEADERS)
        else:
            file = (self.server.netron / path.lstrip("/")).resolve()
            if (
                file.is_relative_to(self.server.netron)
                and file.suffix not in {".py", ".pyc"}
                and file.is_file()
            ):
                kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                self.send_file(file, kind, _HEADERS)
            else:
                self.send_error(HTTPStatus.NOT_FOUND)
