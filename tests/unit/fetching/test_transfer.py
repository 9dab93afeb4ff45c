"""One file from a real server that does everything that servers do, against a client with little patience."""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import file_server
import pytest
from file_server import FileServer, Handler

from cvimake.fetching import transfer as module
from cvimake.fetching.faults import FetchError
from cvimake.fetching.network import Network, Patience
from cvimake.fetching.transfer import StoppedError, Wanted, Watch, transfer
from cvimake.fetching.web import Web

CONTENT = bytes(range(256)) * 400
SUM = hashlib.sha256(CONTENT).hexdigest()
PATIENCE = Patience(connect=2.0, stall=0.3, least=1000, pauses=(0.01, 0.01))


class Client:
    """Downloads `/a` into a part file."""

    def __init__(self, server: FileServer, folder: Path) -> None:
        self.server, self.part = server, folder / "part"
        self.network = Network(patience=PATIENCE)
        server.files["/a"] = CONTENT

    def get(self, *, size: int | None = len(CONTENT), sha256: str = SUM, path: str = "/a") -> bytes:
        wanted = Wanted(server=self.server.url, sha256=sha256, size=size)
        with contextlib.closing(Web(self.network)) as web:
            ask = functools.partial(web.ask, f"{self.server.url}{path}")
            transfer(ask, self.part, wanted, Watch(), PATIENCE)
        return self.part.read_bytes()

    def fails(self, way: Callable[[Handler], None], size: int | None = len(CONTENT)) -> tuple[str, str]:
        """Serve in a way; return id and cause of the error, in which the server is SERVER."""
        self.server.ways["/a"] = way
        with pytest.raises(FetchError) as caught:
            self.get(size=size)
        return caught.value.id, caught.value.cause.replace(self.server.url, "SERVER")

    @property
    def ranges(self) -> list[int]:
        return [first for _, first in self.server.asked]


@pytest.fixture
def client(server: FileServer, tmp_path: Path) -> Client:
    return Client(server, tmp_path)


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_file_is_downloaded(client: Client, size: int | None) -> None:
    assert client.get(size=size) == CONTENT
    assert client.ranges == [0]


def test_what_is_there_is_not_downloaded_again(client: Client) -> None:
    client.part.write_bytes(CONTENT[:1000])
    assert client.get() == CONTENT
    assert client.ranges == [1000]


def test_a_complete_part_needs_no_server_if_its_size_is_declared(client: Client) -> None:
    client.part.write_bytes(CONTENT)
    assert client.get() == CONTENT
    assert client.ranges == []
    assert client.get(size=None) == CONTENT


def test_a_server_that_cannot_resume_sends_everything(client: Client) -> None:
    client.part.write_bytes(CONTENT[:1000])
    client.server.ways["/a"] = file_server.without_ranges
    assert client.get() == CONTENT
    assert client.ranges == [1000]


def test_the_beginning_of_another_file_is_found_by_the_sum_and_started_anew_once(client: Client) -> None:
    client.part.write_bytes(b"x" * 1000)
    assert client.get() == CONTENT
    assert client.ranges == [1000, 0]
    # The server has another file now.
    client.part.write_bytes(CONTENT[:1000])
    client.server.files["/a"] = CONTENT[::-1]
    other = hashlib.sha256(CONTENT[::-1]).hexdigest()
    assert client.fails(file_server.serve) == (
        "fetch-sum",
        f"SERVER sends a file with the sha256 {other}, but {SUM} is declared",
    )
    assert client.ranges[2:] == [1000, 0]
    assert not client.part.exists()


def test_a_part_that_is_too_long_is_started_anew(client: Client) -> None:
    client.part.write_bytes(CONTENT + b"x")
    assert client.get() == CONTENT
    assert client.ranges == [len(CONTENT) + 1, 0]


def test_a_transfer_that_breaks_off_goes_on(client: Client) -> None:
    client.server.ways["/a"] = file_server.once(file_server.cut_off)
    assert client.get() == CONTENT
    assert client.ranges == [0, len(CONTENT) // 2]


@pytest.mark.parametrize("way", [file_server.cut_off, file_server.cut_off_unannounced])
def test_a_body_that_always_ends_too_early_is_an_error(
    client: Client, way: Callable[[Handler], None]
) -> None:
    name, cause = client.fails(way)
    assert name == "fetch-truncated"
    assert cause.startswith("SERVER ended the transfer after ")
    assert cause.endswith(f" of {len(CONTENT)} bytes")
    assert len(client.ranges) == 1 + len(PATIENCE.pauses)
    # The next run goes on from there.
    assert CONTENT.startswith(client.part.read_bytes())


@pytest.mark.parametrize(
    ("way", "told"),
    [
        (file_server.status(404), ("fetch-status", "SERVER answers 404 Not Found")),
        (file_server.status(403), ("fetch-status", "SERVER answers 403 Forbidden")),
        (file_server.status(204), ("fetch-status", "SERVER answers 204 No Content")),
        (file_server.redirect("/a"), ("fetch-redirect", "SERVER redirects in a circle")),
        (
            file_server.redirect("file:///etc/passwd"),
            ("fetch-redirect", "SERVER redirects from http:// to file://, which is not safe"),
        ),
        (
            file_server.redirect("ftp://127.0.0.1/a"),
            ("fetch-redirect", "SERVER redirects from http:// to ftp://, which is not safe"),
        ),
    ],
)
def test_an_answer_that_is_not_the_file_is_told_at_once(
    client: Client, way: Callable[[Handler], None], told: tuple[str, str]
) -> None:
    assert client.fails(way) == told
    assert client.ranges == [0]
    assert not client.part.exists()


def test_redirects_are_followed_but_not_without_end(client: Client) -> None:
    for number in range(40):
        client.server.ways[f"/r{number}"] = file_server.redirect(f"/r{number + 1}")
    client.server.ways["/r40"] = file_server.redirect(f"{client.server.url}/a")
    assert client.get(path="/r35") == CONTENT
    client.part.unlink()
    assert client.fails(file_server.redirect("/r0")) == (
        "fetch-redirect",
        "SERVER redirects more than 10 times",
    )


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again(client: Client, code: int) -> None:
    client.server.ways["/a"] = file_server.once(file_server.status(code))
    assert client.get() == CONTENT
    client.part.unlink()
    name, cause = client.fails(file_server.status(code))
    assert (name, cause.split(" ", 3)[:3]) == ("fetch-busy", ["SERVER", "answers", str(code)])
    assert not client.part.exists()


def test_a_connection_that_is_hung_up_is_tried_again(client: Client) -> None:
    client.server.ways["/a"] = file_server.once(file_server.hang_up)
    assert client.get() == CONTENT
    client.part.unlink()
    assert client.fails(file_server.hang_up)[0] == "fetch-no-answer"


@pytest.mark.parametrize("way", [file_server.silent, file_server.speechless, file_server.dripping])
def test_a_server_that_stalls_is_not_waited_for(client: Client, way: Callable[[Handler], None]) -> None:
    assert client.fails(way) == ("fetch-stalled", "SERVER has sent nothing, or next to nothing, for 0.3 s")


def test_a_server_that_stalls_once_is_asked_for_the_rest(client: Client) -> None:
    client.server.ways["/a"] = file_server.once(file_server.silent)
    assert client.get() == CONTENT
    assert client.ranges == [0, 10]


def test_another_size_than_declared_is_refused_before_it_is_downloaded(client: Client) -> None:
    assert client.fails(file_server.serve, size=5) == (
        "fetch-size",
        f"SERVER has a file of {len(CONTENT)} bytes, but 5 are declared",
    )
    assert not client.part.exists()


def test_an_endless_file_is_cut_at_the_declared_size_or_at_the_most(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.fails(file_server.endless)[0] == "fetch-size"
    monkeypatch.setattr(module, "MOST_UNDECLARED", 3_000_000)
    assert client.fails(file_server.endless, size=None) == (
        "fetch-too-large",
        "SERVER sends more than 3000000 bytes, and no size is declared",
    )
    client.server.files["/a"] = bytes(3_000_001)
    assert client.fails(file_server.serve, size=None)[0] == "fetch-too-large"
    assert not client.part.exists()


def test_no_network_keeps_the_part(client: Client) -> None:
    client.part.write_bytes(CONTENT[:1000])
    client.server.shutdown()
    client.server.server_close()
    name, cause = client.fails(file_server.serve)
    assert name == "fetch-network"
    assert cause.startswith("SERVER cannot be reached: ")
    assert cause.endswith("Connection refused")
    assert client.part.read_bytes() == CONTENT[:1000]


def test_a_host_that_does_not_exist_is_told(client: Client) -> None:
    ask = functools.partial(Web(client.network).ask, "http://no-such-host.invalid/a")
    with pytest.raises(FetchError, match=r"^http://no-such-host\.invalid cannot be reached") as caught:
        transfer(ask, client.part, Wanted(server="", sha256=SUM, size=None), Watch(), PATIENCE)
    assert caught.value.id == "fetch-network"


def test_a_stopped_transfer_leaves_what_it_has(client: Client) -> None:
    watch = Watch(stop=threading.Event())
    watch.have = lambda count: watch.stop.set() if count > 20000 else None
    ask = functools.partial(Web(client.network).ask, f"{client.server.url}/a")
    client.server.pause = 0.01
    with pytest.raises(StoppedError):
        transfer(ask, client.part, Wanted(server="", sha256=SUM, size=None), watch, PATIENCE)
    left = client.part.read_bytes()
    assert left
    assert left != CONTENT
    assert CONTENT.startswith(left)


def test_a_link_in_place_of_the_part_is_not_written_through(client: Client, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine", encoding="utf-8")
    client.part.symlink_to(precious)
    with pytest.raises(OSError, match="part"):
        client.get()
    assert precious.read_text(encoding="utf-8") == "mine"


def test_the_answer_of_a_server_does_not_steer_the_terminal(client: Client) -> None:
    client.server.ways["/a"] = file_server.status(404, "\x1b[31mred" + "x" * 500)
    with pytest.raises(FetchError) as caught:
        client.get()
    assert "\x1b" not in str(caught.value)
    assert len(caught.value.cause) < 200


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"\x00\xff" * 1000,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 9999999999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 10-" + b"9" * 5000 + b"/" + b"9" * 5000 + b"\r\n\r\nx",
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-6/7\r\n\r\nx",
        b"HTTP/1.1 416 No\r\n\r\n",
        b"HTTP/1.1 302 Found\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://a:x/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://" + b"a" * 300 + b"/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://\xff\xfe/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http:///\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: \x1b[31m\r\n\r\n",
    ],
)
# After two lengths that differ, urllib3 leaves its socket open. It is collected here, not in another test.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("begun", [0, 10])
def test_whatever_a_server_answers_ends_in_an_error_of_ours(
    client: Client, answer: bytes, begun: int
) -> None:
    client.server.ways["/a"] = file_server.raw(answer)
    client.part.write_bytes(CONTENT[:begun])
    with pytest.raises(FetchError) as caught:
        client.get()
    assert "\x1b" not in str(caught.value)
    assert len(caught.value.cause) < 500
    del caught
    gc.collect()
