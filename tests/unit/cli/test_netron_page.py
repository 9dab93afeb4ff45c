from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_servers import get, serving

from cvimake.cli import netron_page
from cvimake.cli.netron_page import Server, page
from cvimake.core.errors import CvimakeError

INDEX = '<head><meta name="version" content="9.3.3">\n<meta name="date" content="2026-10-23 19:50:08"></head>'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    netron = tmp_path / "netron"
    netron.mkdir()
    (netron / "index.html").write_text(INDEX, encoding="utf-8")
    (netron / "view.js").write_text("let view;", encoding="utf-8")
    (netron / "server.py").write_text("secret", encoding="utf-8")
    (tmp_path / "net 1.onnx").write_bytes(b"weights" * 1000)
    (tmp_path / "other.onnx").write_bytes(b"other")
    with serving(Server(tmp_path / "net 1.onnx", netron)) as server:
        yield server


def test_the_page_opens_the_model_and_has_no_leave_to_talk_to_others(server: Server) -> None:
    status, body, headers = get(server, "/")
    assert status == 200
    assert b'<meta name="file" content="/model/net%201.onnx">' in body
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert server.url == f"http://127.0.0.1:{server.server_port}/"


def test_it_is_neither_counted_nor_too_old(server: Server) -> None:
    body = get(server, "/")[1]
    assert b'name="version" content="0.0.0"' in body
    assert b'name="date"' not in body


def test_the_model_and_the_files_of_the_page_are_served(server: Server) -> None:
    assert get(server, "/model/net%201.onnx")[1] == b"weights" * 1000
    status, body, headers = get(server, "/view.js")
    assert (status, body, headers["Content-Type"]) == (200, b"let view;", "text/javascript")


@pytest.mark.parametrize(
    "path", ["/server.py", "/../other.onnx", "/model/other.onnx", "/model/../other.onnx", "/%2e%2e/x", "/x"]
)
def test_the_viewer_serves_no_other_files(server: Server, path: str) -> None:
    assert get(server, path)[0] == 404


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1", "127.0.0.1.example.com:80"])
def test_the_viewer_refuses_other_host_names(server: Server, host: str) -> None:
    assert get(server, "/", host)[0] == 403


def test_a_reader_that_goes_away_is_no_error(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    server.model.write_bytes(bytes(64 * 1024**2))
    with socket.create_connection(("127.0.0.1", server.server_port)) as reader:
        host = f"127.0.0.1:{server.server_port}"
        reader.sendall(f"GET /model/net%201.onnx HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        reader.recv(1024)
    # Its thread has ended when the next is answered by a server that is done with it.
    server.shutdown()
    server.server_close()
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(10)
    assert capfd.readouterr().err == ""


def test_the_viewer_listens_on_this_machine_alone(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_a_page_of_another_form_is_refused() -> None:
    with pytest.raises(CvimakeError, match="is not known"):
        page("<html></html>", "net.onnx")


def test_a_netron_without_its_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CvimakeError, match="is not known"):
        Server(tmp_path / "net.onnx", tmp_path)


def test_a_name_cannot_leave_its_place() -> None:
    assert '"/model/%22%3E%3Cscript%3E"' in page(INDEX, '"><script>')


def test_without_netron_view_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netron_page, "find_spec", lambda _name: None)
    with pytest.raises(CvimakeError) as caught:
        netron_page.netron_folder()
    assert "pip install netron" in caught.value.remedy
