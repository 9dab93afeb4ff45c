from __future__ import annotations

import pytest

from cvimake.cli.loopback import Handler, Server
from cvimake.core.errors import CvimakeError


class Empty(Handler):
    """Has no files."""

    def answer(self, _path: str) -> None:
        self.send_error(404)


def test_a_port_that_is_taken_is_one_error() -> None:
    with Server(0, Empty) as taken:
        port = taken.server_port
        with pytest.raises(CvimakeError, match=f"port {port} cannot be served: .*in use"):
            Server(port, Empty)


def test_the_address_is_of_this_machine_alone() -> None:
    with Server(0, Empty) as server:
        assert server.server_address[0] == "127.0.0.1"
        assert server.url == f"http://127.0.0.1:{server.server_port}/"
