"""`report --watch`: serve the report on this machine, and make it again whenever a build has gone on."""

from __future__ import annotations

import mimetypes
import subprocess
import sys
import threading
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from cvimake.cli import loopback
from cvimake.core import terminal
from cvimake.core.paths import BUILD
from cvimake.report.data import FOLDER

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


class Server(loopback.Server):
    """A server of a project's report and of the files that it links to."""

    first_page = _INDEX

    def __init__(self, root: Path, port: int = 0) -> None:
        self.root = root.resolve()
        super().__init__(port, _Handler)

    def file(self, path: str) -> Path | None:
        """Return the file at a path of an address; None if it may not be served."""
        file = (self.root / path.lstrip("/")).resolve()
        if not file.is_file() or not file.is_relative_to(self.root):
            return None
        own = file.relative_to(self.root)
        if any(part.startswith(".") for part in own.parts) or own.suffix.startswith(".sqlite"):
            return None
        # Pages link to results and to declarations; everything else is nobody's business.
        return file if own.is_relative_to(BUILD) or own.name == _DECLARATION else None


class _Handler(loopback.Handler):
    server: Server

    def answer(self, path: str) -> None:
        """Answer with a page or with a file that pages link to."""
        file = self.server.file(_INDEX if path == "/" else path)
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        elif file.suffix == ".html" and file.is_relative_to(self.server.root / FOLDER):
            self.send_file(file, "text/html; charset=utf-8", {**_HEADERS, "Refresh": str(_REFRESH)})
        else:
            self.send_file(file, _kind(file), _HEADERS)


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
    watch = Watch(root, models)
    with Server(root, port) as server:
        watch.look()
        thread = threading.Thread(target=watch.run, daemon=True)
        thread.start()
        terminal.line(f"the report is at {server.url} until Ctrl-C; it follows every build in this project")
        terminal.flush()
        try:
            server.serve_until_interrupted()
        finally:
            watch.stop()
    return 0
