"""HTTP servers of this machine, run in a thread, and a browser's request to them."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import threading
from collections.abc import Iterator
from typing import TypeVar

S = TypeVar("S", bound=http.server.ThreadingHTTPServer)


@contextlib.contextmanager
def serving(server: S) -> Iterator[S]:
    """Answers requests in a thread, and closes the server at the end."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def get(
    server: http.server.ThreadingHTTPServer, path: str, host: str | None = None
) -> tuple[int, bytes, http.client.HTTPMessage]:
    """Asks for a path under the name of a host, the server's own if none is given."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request("GET", path, headers={"Host": host} if host else {})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body, response.headers
