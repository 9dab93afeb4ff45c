"""`report --watch`: serve the report on this machine, and make it again whenever a build has gone on."""

from __future__ import annotations

import http.server
import mimetypes
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cvimake.core import terminal
from cvimake.core.errors import CvimakeError
from cvimake.core.paths import BUILD
from cvimake.report.data import FOLDER

LOOPBACK = "127.0.0.1"
_INDEX = f"/{FOLDER.as_posix()}/index.html"
# Seconds after which a browser asks for a page again. Pages have no script that could ask for changes alone.
_REFRESH = 5
# Seconds between two looks at the records of builds.
_LOOK = 2.0
_DECLARATION = "model.toml"
# A page may not run anything, and no file is taken for a page.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Server(http.server.ThreadingHTTPServer):
    """A server of a project's report and of the files that it links to. The port 0 means any that is free."""

    daemon_threads = True

    def __init__(self, root: Path, port: int = 0) -> None:
        self.root = root.resolve()
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def url(self) -> str:
        """Return the address of the overview."""
        return f"http://{LOOPBACK}:{self.server_port}{_INDEX}"

    def file(self, path: str) -> Path | None:
        """Return the file at a path of an address; None if it may not be served."""
        asked = Path(unquote(path).replace("\0", "").lstrip("/"))
        file = (self.root / asked).resolve()
        if not file.is_file() or not file.is_relative_to(self.root):
            return None
        own = file.relative_to(self.root)
        if any(part.startswith(".") for part in own.parts) or own.suffix.startswith(".sqlite"):
            return None
        # Pages link to results and to declarations; everything else is nobody's business.
        return file if own.is_relative_to(BUILD) or own.name == _DECLARATION else None

    def handle_error(self, request: object, client_address: object) -> None:
        """Print an error of the server, unless the browser has only gone away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # as it was given


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """Answer with a page or with a file that pages link to."""
        hosts = {f"{host}:{self.server.server_port}" for host in (LOOPBACK, "localhost")}
        # A page of another site could reach this server under a name of its own (DNS rebinding).
        if self.headers.get("Host") not in hosts:
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        path = urlsplit(self.path).path
        file = self.server.file(_INDEX if path == "/" else path)
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        is_page = file.suffix == ".html" and file.is_relative_to(self.server.root / FOLDER)
        with file.open("rb") as opened:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8" if is_page else _kind(file))
            self.send_header("Content-Length", str(os.fstat(opened.fileno()).st_size))
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            if is_page:
                self.send_header("Refresh", str(_REFRESH))
            self.end_headers()
            shutil.copyfileobj(opened, self.wfile)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
        """Print nothing: the terminal is for the answer to the user."""


def _kind(file: Path) -> str:
    guessed = mimetypes.guess_type(file.name)[0] or ""
    if guessed.startswith("image/") and "svg" not in guessed:
        return guessed
    is_text = file.suffix in {".json", ".txt", ".toml"} or not file.suffix
    return "text/plain; charset=utf-8" if is_text else "application/octet-stream"


class Watch:
    """Makes the report again whenever the records of builds or the declarations have changed.

    Args:
        root: the project's folder.
        models: the models of the report; none for all.
    """

    def __init__(self, root: Path, models: Sequence[str]) -> None:
        self._root, self._models = root, models
        self._stopped = threading.Event()
        self._seen: object = None

    def run(self) -> None:
        """Look again and again, until `stop` is called."""
        while not self._stopped.wait(_LOOK):
            self.look()

    def look(self) -> bool:
        """Make the report if something has changed since the last look, and tell whether it has."""
        now = self._state()
        if now == self._seen:
            return False
        self._seen = now
        # A process of its own reads the declarations and the records anew.
        command = [sys.executable, "-I", "-m", "cvimake.cli", "report", *self._models]
        result = subprocess.run(command, cwd=self._root, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            terminal.complain(result.stderr.strip() or f"the report ended with {result.returncode}")
        return True

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()

    def _state(self) -> object:
        records = [
            self._root / BUILD / f"{name}.sqlite{end}" for name in ("doit", "history") for end in ("", "-wal")
        ]
        return [_stamp(path) for path in [*records, *sorted(self._root.glob(f"*/*/{_DECLARATION}"))]]


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), status.st_mtime_ns, status.st_size


def serve(root: Path, models: Sequence[str], port: int) -> int:
    """Serve the report until Ctrl-C, and return the exit code.

    Raises:
        CvimakeError: the port cannot be served.
    """
    try:
        server = Server(root, port)
    except (OSError, OverflowError) as error:
        raise CvimakeError(f"port {port} cannot be served: {error}") from error
    watch = Watch(root, models)
    with server:
        watch.look()
        thread = threading.Thread(target=watch.run, daemon=True)
        thread.start()
        terminal.line(f"the report is at {server.url} until Ctrl-C; it follows every build in this project")
        terminal.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
        finally:
            watch.stop()
    return 0
