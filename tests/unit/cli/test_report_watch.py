from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from loopback_servers import get, serving

from cvimake.cli.report_watch import Server, Watch


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, text in {
        "build/report/index.html": "<p>page",
        "build/report/.pages.json": "{}",
        "build/m/m_info.json": "{}",
        "build/m/page.html": "<script>",
        "build/history.sqlite": "secret",
        "models/m/model.toml": "source",
        "secret.txt": "secret",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    with serving(Server(root)) as server:
        yield server


@pytest.mark.parametrize("path", ["/", "/build/report/index.html"])
def test_a_page_is_served_and_asked_for_again(server: Server, path: str) -> None:
    status, body, headers = get(server, path)
    assert (status, body) == (200, b"<p>page")
    assert headers["Refresh"] == "5"
    assert headers["Content-Type"] == "text/html; charset=utf-8"


def test_files_that_pages_link_to_are_served_and_never_as_pages(server: Server) -> None:
    for path in ("/build/m/m_info.json", "/models/m/model.toml", "/build/m/page.html"):
        status, _, headers = get(server, path)
        assert status == 200
        assert not headers["Content-Type"].startswith("text/html")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Refresh" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt", "/build/report/.pages.json", "/build/history.sqlite", "/missing", "/build",
        "/../secret.txt", "/build/%2e%2e/secret.txt", "//etc/passwd", "/build/m/%00",
    ],
)  # fmt: skip
def test_nothing_else_is_served(server: Server, path: str) -> None:
    assert get(server, path)[0] == 404


def test_a_link_out_of_the_project_is_not_followed(server: Server, root: Path) -> None:
    (root / "build" / "m" / "out.txt").symlink_to("/etc/passwd")
    (root / "build" / "m" / "up.txt").symlink_to(root / "secret.txt")
    assert get(server, "/build/m/out.txt")[0] == 404
    assert get(server, "/build/m/up.txt")[0] == 404


def test_another_name_of_this_machine_is_refused(server: Server) -> None:
    assert get(server, "/", host="evil.example")[0] == 403


def test_the_report_is_made_again_when_the_records_or_a_declaration_have_changed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_options: object) -> object:
        commands.append(command)
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    watch = Watch(root, ["m"])
    assert watch.look()
    assert not watch.look()
    (root / "build" / "doit.sqlite").write_text("a record", encoding="utf-8")
    assert watch.look()
    (root / "models" / "m" / "model.toml").write_text("another source", encoding="utf-8")
    assert watch.look()
    assert [command[-2:] for command in commands] == [["report", "m"]] * 3
