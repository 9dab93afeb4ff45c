"""`fetch` as users run it: a process of its own, against a real server on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import file_server
import pytest
from file_server import FileServer, serving
from graphs import Workshop

from cvimake.cli.program import Main
from cvimake.project import read_declarations

PICTURES = {f"{number:03}.jpg": random.Random(number).randbytes(100_000) for number in range(24)}
HOST = "files.example.org"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as server:
        server.files = {f"/{HOST}/photos/{name}": content for name, content in PICTURES.items()}
        yield server


class Project:
    """A project with the dataset `photos`, whose 24 pictures are fetched."""

    def __init__(self, root: Path, server: FileServer) -> None:
        self.root, self.server = root, server
        self.folder = root / "datasets" / "photos"
        self.declare({name: {} for name in PICTURES})

    def declare(self, files: Mapping[str, Mapping[str, object]], more: str = "") -> None:
        lines = [f'files = ["*.jpg"]\n[fetch]\nbase_url = "https://{HOST}/photos"\n[fetch.files]']
        for name, values in files.items():
            content = PICTURES.get(name, b"")
            known = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), **values}
            table = ", ".join(
                f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
                for key, value in known.items()
                if value is not None
            )
            lines.append(f'"{name}" = {{ {table} }}')
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "dataset.toml").write_text("\n".join([*lines, more]), encoding="utf-8")

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "cvimake.cli", "fetch", *arguments],
            cwd=self.root,
            env={**os.environ, "CVIMAKE_MIRROR": self.server.url, "no_proxy": "*", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def fetch(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def failed(self, **variables: str) -> str:
        """Fetch, which fails and leaves nothing half-made; return the error."""
        code, _, err = self.fetch(**variables)
        assert code == 2
        assert "Traceback" not in err
        assert {path.name for path in self.folder.iterdir()} <= {"dataset.toml", *PICTURES}
        assert self.whole()
        return err.replace(self.server.url, "SERVER")

    @property
    def there(self) -> set[str]:
        return {path.name for path in self.folder.glob("*.jpg")}

    def whole(self) -> bool:
        return all((self.folder / name).read_bytes() == PICTURES[name] for name in self.there)

    @property
    def parts(self) -> list[str]:
        return sorted(path.name for path in (self.root / ".cvimake" / "fetch").glob("*.part*"))


@pytest.fixture
def project(tmp_path: Path, server: FileServer) -> Project:
    return Project(tmp_path, server)


def test_a_dataset_can_be_used_after_its_fetch_was_killed_three_times(project: Project) -> None:
    assert read_declarations(project.root).datasets["photos"].missing
    server, whole = project.server, sum(map(len, PICTURES.values()))
    server.pause = 0.02
    for quarter in (1, 2, 3):
        process = project.start("photos")
        end = time.monotonic() + 60
        while server.sent < whole * quarter // 4:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.005)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert project.there < PICTURES.keys()
        # Only whole files are beside the declaration.
        assert project.whole()
        assert {path.name for path in project.folder.iterdir()} == {"dataset.toml", *project.there}
        assert project.parts
    server.pause = 0.0
    code, out, _ = project.fetch("photos")
    assert code == 0
    assert " of photos (" in out
    assert any(first for _, first in server.asked), "no download went on where it had stopped"
    assert project.there == PICTURES.keys()
    assert project.whole()
    assert project.parts == []
    dataset = read_declarations(project.root).datasets["photos"]
    assert dataset.missing == ()
    assert list(dataset.samples.files) == list(PICTURES)
    assert project.fetch("photos")[:2] == (0, "photos: all 24 files are there\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_only_the_parts(project: Project, number: int, code: int) -> None:
    path = f"/{HOST}/photos/003.jpg"
    project.server.ways[path] = file_server.silent
    process = project.start()
    while (path, 0) not in project.server.asked or len(project.there) < 23:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err == "cvimake: interrupted; the next ./doit fetch goes on from there\n"
    assert project.whole()
    assert len(project.parts) == 1
    del project.server.ways[path]
    assert project.fetch()[0] == 0
    assert (path, 10) in project.server.asked


def test_two_at_once_take_turns(project: Project) -> None:
    project.server.pause = 0.01
    processes = [project.start() for _ in range(2)]
    ended = [(process.communicate(timeout=60), process.returncode) for process in processes]
    assert [code for _, code in ended] == [0, 0]
    assert sum("all 24 files are there" in out for (out, _), _ in ended) == 1
    assert len(project.server.asked) == 24
    assert project.whole()


def test_each_failure_is_told_once_and_the_other_files_are_fetched(project: Project) -> None:
    project.server.ways = {
        f"/{HOST}/photos/000.jpg": file_server.status(404),
        f"/{HOST}/photos/001.jpg": file_server.status(404),
        f"/{HOST}/photos/002.jpg": file_server.redirect(f"/{HOST}/photos/002.jpg"),
    }
    project.server.files[f"/{HOST}/photos/003.jpg"] = PICTURES["003.jpg"][::-1]
    err = project.failed()
    assert "photos: 000.jpg and 1 more: SERVER answers 404 Not Found\n" in err
    assert "photos: 002.jpg: SERVER redirects in a circle\n" in err
    found = hashlib.sha256(PICTURES["003.jpg"][::-1]).hexdigest()
    assert f"photos: 003.jpg: SERVER sends a file with the sha256 {found}, but " in err
    assert len(project.there) == 20
    assert project.parts == []


def test_without_a_network_there_is_one_error(project: Project) -> None:
    project.server.shutdown()
    project.server.server_close()
    err = project.failed()
    assert err.startswith("cvimake: photos: 000.jpg and 23 more: SERVER cannot be reached: ")
    assert err.count("cvimake:") == 1
    assert "Check the network and the proxy" in err
    assert project.parts == []


def test_a_proxy_is_used(project: Project) -> None:
    code, _, _ = project.fetch(
        CVIMAKE_MIRROR=f"http://{HOST}/{HOST}", http_proxy=project.server.url, no_proxy=""
    )
    assert code == 2  # The mirror's own path has the host twice.
    project.server.proxied.clear()
    code, _, _ = project.fetch(
        CVIMAKE_MIRROR="http://mirror.invalid", http_proxy=project.server.url, no_proxy=""
    )
    assert code == 0
    assert len(project.server.proxied) == 24
    assert project.whole()


def test_a_proxy_that_does_not_answer_is_named(project: Project) -> None:
    with file_server.serving() as gone:
        address = gone.url
    err = project.failed(http_proxy=address, no_proxy="")
    assert "SERVER cannot be reached: the proxy: " in err


def test_a_file_that_is_another_one_stays_unless_it_is_to_be_replaced(project: Project) -> None:
    (project.folder / "005.jpg").write_bytes(b"mine")
    code, _, err = project.fetch()
    assert code == 2
    assert "photos: 005.jpg: the file there is not the declared one: its sha256 is " in err
    assert (project.folder / "005.jpg").read_bytes() == b"mine"
    assert len(project.there) == 24
    assert project.fetch("--force")[0] == 0
    assert project.whole()


def test_a_link_in_place_of_a_file_is_replaced_and_not_followed(project: Project, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    (project.folder / "005.jpg").symlink_to(precious)
    assert project.fetch("photos", "--force")[0] == 0
    assert precious.read_bytes() == b"mine"
    assert project.whole()


def test_a_link_out_of_the_folder_is_refused(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (project.folder / "sub").symlink_to(outside)
    project.declare({"sub/a.jpg": {"sha256": "0" * 64, "size": None}, "000.jpg": {}})
    code, _, err = project.fetch()
    assert code == 2
    assert "photos: sub/a.jpg: a link leads out of the folder of the declaration\n" in err
    assert list(outside.iterdir()) == []
    assert project.there == {"000.jpg"}


@pytest.mark.parametrize(
    "name", [".cvimake", ".cvimake/fetch", ".cvimake/fetch/.lock", ".cvimake/fetch/.gitignore"]
)
def test_a_link_in_place_of_our_own_files_is_refused(project: Project, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = project.root / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside / "x")
    code, _, err = project.fetch()
    assert code == 2
    assert f"{name} is a link\n" in err
    assert list(outside.iterdir()) == []


def test_equal_files_are_downloaded_once(project: Project) -> None:
    same = hashlib.sha256(PICTURES["000.jpg"]).hexdigest()
    project.declare({"000.jpg": {}, "copy.jpg": {"sha256": same, "size": len(PICTURES["000.jpg"])}})
    assert project.fetch()[0] == 0
    assert len(project.server.asked) == 1
    assert (project.folder / "copy.jpg").read_bytes() == PICTURES["000.jpg"]


def test_members_of_an_archive_are_fetched_with_one_download(project: Project, tmp_path: Path) -> None:
    from fetching.test_archive import FORMATS  # noqa: PLC0415 - another test's

    archive = tmp_path / "all.tar.gz"
    FORMATS["gz"](archive, {f"all/{name}": content for name, content in PICTURES.items()})
    content = archive.read_bytes()
    project.server.files[f"/{HOST}/all.tar.gz"] = content
    project.declare(
        {name: {"archive": "all", "member": f"all/{name}"} for name in PICTURES},
        f'[fetch.archives.all]\nurl = "https://{HOST}/all.tar.gz"\n'
        f'size = {len(content)}\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n',
    )
    assert project.fetch()[0] == 0
    assert project.whole()
    assert len(project.there) == 24
    assert project.server.asked == [(f"/{HOST}/all.tar.gz", 0)]
    assert project.parts == []


def test_a_mirror_can_be_a_folder(project: Project, tmp_path: Path) -> None:
    for path, content in project.server.files.items():
        file = tmp_path / "mirror" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    assert project.fetch(CVIMAKE_MIRROR=f"file://{tmp_path}/mirror")[0] == 0
    assert project.whole()
    assert project.server.asked == []


def test_a_driver_that_is_not_installed_is_told_with_its_package(project: Project) -> None:
    project.declare({"000.jpg": {"url": "gs://bucket/000.jpg"}})
    _, _, err = project.fetch(CVIMAKE_MIRROR="")
    assert "photos: 000.jpg: there is no driver for gs://bucket: " in err
    assert "gcsfs" in err


def test_a_dry_run_downloads_nothing(project: Project) -> None:
    assert project.fetch("--dry-run")[:2] == (0, "24 files of photos (2.4 MB) to be fetched\n")
    assert project.server.asked == []
    assert not (project.root / ".cvimake").exists()


def test_parts_of_files_that_are_no_longer_declared_are_removed(project: Project) -> None:
    parts = project.root / ".cvimake" / "fetch"
    parts.mkdir(parents=True)
    (parts / f"{'0' * 64}.part").write_bytes(b"x")
    assert project.fetch()[0] == 0
    assert project.parts == []


def run(project: Project, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.chdir(project.root)
    return int(Main(config_filenames=()).run(["fetch", *arguments]) or 0)


def test_names_are_those_of_models_and_datasets(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = project.root / "models" / "net"
    model.mkdir(parents=True)
    text = (
        'source = "a.onnx"\n[verify]\ninput = "../../datasets/photos/001.jpg"\n'
        '[variant.a]\nquantize = "BF16"\n'
    )
    (model / "model.toml").write_text(text, encoding="utf-8")
    assert run(project, monkeypatch, "--dry-run", "net") == 0
    assert capsys.readouterr().out == "24 files of photos (2.4 MB) to be fetched\n"
    assert run(project, monkeypatch, "photo") == 2
    assert capsys.readouterr().err == (
        "cvimake: there is no model or dataset 'photo'; did you mean photos?\n"
    )
    (model / "model.toml").write_text(text.replace("datasets", "data"), encoding="utf-8")
    assert run(project, monkeypatch, "net") == 2
    assert capsys.readouterr().err.startswith("cvimake: net has nothing to fetch\n")


def test_wrong_declarations_are_told_and_the_other_files_fetched(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = project.root / "datasets" / "other"
    other.mkdir()
    (other / "dataset.toml").write_text("fils = 1\n", encoding="utf-8")
    assert run(project, monkeypatch, "--dry-run") == 2
    told = capsys.readouterr()
    assert "datasets/other/dataset.toml:1: fils: no such key" in told.err
    assert "24 files of photos" in told.out
    assert run(project, monkeypatch, "--dry-run", "photos") == 0
    assert run(project, monkeypatch, "other") == 2
    assert "fils: no such key" in capsys.readouterr().err


def test_a_build_fetches_only_if_it_is_asked_to(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop = Workshop(tmp_path, monkeypatch)
    samples = tmp_path / "datasets" / "samples"
    fetched = samples / "00.png"
    content = fetched.read_bytes()
    server.files["/00.png"] = content
    table = f'{{ sha256 = "{hashlib.sha256(content).hexdigest()}", url = "{server.url}/00.png" }}'
    (samples / "dataset.toml").write_text(f'[fetch.files]\n"00.png" = {table}\n', encoding="utf-8")
    unused = tmp_path / "datasets" / "unused"
    unused.mkdir()
    (unused / "dataset.toml").write_text(f'[fetch.files]\n"x.png" = {table}\n', encoding="utf-8")
    fetched.unlink()
    assert workshop.doit("run", "m0000:int8") == 2
    assert server.asked == []
    assert workshop.ran == []
    server.ways["/00.png"] = file_server.once(file_server.status(404))
    assert workshop.doit("run", "--fetch", "m0000:int8") == 2
    assert "samples: 00.png: " in capsys.readouterr().err
    assert workshop.ran == []
    assert workshop.doit("run", "--fetch", "m0000:int8") == 0
    assert "m0000:int8" in workshop.ran
    assert fetched.read_bytes() == content
    assert not (unused / "x.png").exists()
    assert len(server.asked) == 2
    assert workshop.doit("run", "--fetch") == 0
    assert len(server.asked) == 2


def test_a_failed_fetch_ends_a_build_that_is_told_as_json(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop = Workshop(tmp_path, monkeypatch)
    table = f'{{ sha256 = "{"0" * 64}", url = "{server.url}/none.png" }}'
    declaration = tmp_path / "datasets" / "samples" / "dataset.toml"
    declaration.write_text(f'[fetch.files]\n"none.png" = {table}\n', encoding="utf-8")
    assert workshop.doit("run", "--json", "--fetch", "--output-file", "events") == 2
    failed, finished = map(json.loads, (tmp_path / "events").read_text(encoding="utf-8").splitlines())
    assert (failed["event"], failed["stage"], failed["id"]) == ("failed", None, "fetch-status")
    assert (finished["event"], finished["exit_code"]) == ("finished", 2)
