"""An engine that cannot see the project's folder: files travel as archives, and the bytes are the same."""

from __future__ import annotations

import contextlib
import io
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lab import EXAMPLE, HANGS_AFTER, ROOT, Lab, environment, wait_until

import docker
from cvimake.core import digest
from cvimake.core.action import Limits
from cvimake.core.errors import StageFailedError
from cvimake.execution.engine.docker import FILES_VARIABLE, DockerEngine
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.sandbox import Sandbox

# In namespaces of its own: it sees neither the folder that the projects are in, nor this machine's networks.
DAEMON = """
mount -t tmpfs none {hidden} && exec dockerd --host unix://{folder}/sock --data-root {folder}/data \
    --exec-root {folder}/exec --pidfile {folder}/pid --bridge none --iptables=false --ip6tables=false
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starting a second engine takes root")


@dataclass(frozen=True)
class Remote:
    """The second engine.

    Attributes:
        host: its address, for DOCKER_HOST.
        hidden: a folder that it does not see.
    """

    host: str
    hidden: Path

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.host)


def forward(listener: socket.socket, path: Path) -> None:
    """Carries connections of a TCP port to a socket in the file system, as a network would."""

    def carry(near: socket.socket, far: socket.socket) -> None:
        with near, far:
            other = {near: far, far: near}
            while other:
                for source in select.select(list(other), [], [])[0]:
                    if data := source.recv(1 << 16):
                        other[source].sendall(data)
                    else:
                        with contextlib.suppress(OSError):
                            other.pop(source).shutdown(socket.SHUT_WR)

    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        far = socket.socket(socket.AF_UNIX)
        far.connect(str(path))
        threading.Thread(target=carry, args=(near, far), daemon=True).start()


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Iterator[Remote]:
    hidden = tmp_path_factory.mktemp("projects")
    # A socket's path is short. Another run of these tests may have an engine of its own.
    folder = Path(tempfile.mkdtemp(prefix="cvimake-test-", dir="/run"))
    data = tmp_path_factory.mktemp("engine")
    (folder / "data").symlink_to(data)
    script = DAEMON.format(hidden=hidden, folder=folder)
    log = (data / "log").open("wb")
    listener = socket.create_server(("127.0.0.1", 0))
    with (
        log,
        listener,
        subprocess.Popen(
            ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", script],
            stdout=log, stderr=log, start_new_session=True,
        ) as daemon,
    ):  # fmt: skip
        try:
            wait_until((folder / "sock").exists, "the second engine answers")
            threading.Thread(target=forward, args=(listener, folder / "sock"), daemon=True).start()
            host = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
            (name,) = docker.from_env().images.get(toolchain_image.id).tags
            with subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE) as save:
                subprocess.run(
                    ["docker", "--host", host, "load"],
                    stdin=save.stdout, capture_output=True, check=True, timeout=HANGS_AFTER,
                )  # fmt: skip
            yield Remote(host, hidden)
        finally:
            daemon.terminate()
            daemon.wait(60)
            for mounted in ("data", "exec"):
                shutil.rmtree((folder / mounted).resolve(), ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def lab(remote: Remote, toolchain_image: ToolchainImage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("DOCKER_HOST", remote.host)
    root = Path(os.path.realpath(remote.hidden)) / "lab"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    with contextlib.closing(remote.client()) as client:
        yield Lab(Sandbox(root=root, engine=DockerEngine(client, os.environ), image=toolchain_image.id))


def build(folder: Path, **variables: str) -> dict[str, str]:
    """Builds the tiny model in a new project; returns the sha256 of each result."""
    folder.mkdir()
    shutil.copy(ROOT / "dodo.py", folder)
    for name in ("models", "datasets"):
        shutil.copytree(EXAMPLE / name / "tiny", folder / name / "tiny")
    result = subprocess.run(
        [sys.executable, "-m", "cvimake.cli", "tiny"],
        cwd=folder, env=environment(**variables), capture_output=True, text=True, check=False,
        timeout=HANGS_AFTER,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return {path.name: digest.of_file(path) for path in sorted(folder.glob("build/tiny/*"))}


def nothing_is_left(remote: Remote) -> bool:
    with contextlib.closing(remote.client()) as client:
        return not client.containers.list(all=True) and not client.volumes.list()


def test_the_bytes_are_those_of_an_engine_with_our_files(remote: Remote, tmp_path: Path) -> None:
    far = build(remote.hidden / "far", DOCKER_HOST=remote.host)
    assert far == build(tmp_path / "near")
    assert "tiny_cv181x_mix.cvimodel" in far
    assert nothing_is_left(remote)


def test_mounting_where_the_files_are_not_seen_is_an_error_with_the_remedy(remote: Remote) -> None:
    folder = remote.hidden / "mounted"
    with pytest.raises(AssertionError, match=f"{FILES_VARIABLE}=archive") as caught:
        build(folder, DOCKER_HOST=remote.host, **{FILES_VARIABLE: "mount"})
    assert "does not see this machine's files" in str(caught.value)


def test_inputs_are_there_and_cannot_be_changed(lab: Lab) -> None:
    lab.add_input("given.txt", "given")
    seen = lab.run(
        lab.action(
            "import json, os\n"
            "def refused(act):\n"
            "    try: act()\n"
            "    except OSError as error: return error.strerror\n"
            "json.dump([open('given.txt').read(), refused(lambda: open('given.txt', 'w')),\n"
            "    refused(lambda: os.unlink('given.txt')), refused(lambda: open('/elsewhere', 'w')),\n"
            "    os.getuid() != 0], open('out.json', 'w'))"
        )
    )
    assert seen == ["given", "Permission denied", "Operation not permitted", "Read-only file system", True]


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        ("pass", "did not write out.json"),
        ("import os; os.symlink('/etc/passwd', 'out.json')", "did not write out.json"),
        ("import os; os.mkdir('out.json')", "did not write out.json"),
        ("open('out.json', 'w').write('no json')", "is not a file of the kind JSON"),
        ("raise SystemExit(7)", "ended with exit code 7"),
    ],
)
def test_incomplete_outputs_are_not_published(lab: Lab, remote: Remote, program: str, fault: str) -> None:
    with pytest.raises(StageFailedError, match=fault):
        lab.run(lab.action(program))
    assert lab.published() == []
    assert nothing_is_left(remote)


def test_a_time_limit_holds(lab: Lab, remote: Remote) -> None:
    with pytest.raises(StageFailedError, match="stopped after its time limit"):
        lab.run(lab.action("import time; time.sleep(60)", limits=Limits(seconds=2.0)))
    assert nothing_is_left(remote)


def test_the_command_to_repeat_a_stage_by_hand_works(lab: Lab, remote: Remote) -> None:
    lab.add_input("given.txt", "given")
    action = lab.action("import json; json.dump([open('given.txt').read()], open('out.json', 'w'))")
    lab.run(action)
    line = lab.sandbox.log_path(action).read_text(encoding="utf-8").splitlines()[1]
    shown = subprocess.run(
        ["sh", "-c", f'{line} && cat "$W/out.json"'],
        env={**os.environ, "DOCKER_HOST": remote.host}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert shown.splitlines()[-1] == '["given"]'


def doit(folder: Path, *arguments: str, typed: str = "", **variables: str) -> tuple[int, str, str]:
    """Runs a command of cvimake; returns its exit code, its output and its errors."""
    result = subprocess.run(
        [sys.executable, "-m", "cvimake.cli", *arguments],
        cwd=folder, env=environment(**variables), input=typed, capture_output=True, text=True, check=False,
        timeout=HANGS_AFTER,
    )  # fmt: skip
    return result.returncode, result.stdout, result.stderr


def test_a_shell_has_the_models_files_and_its_own_come_back(remote: Remote) -> None:
    folder = remote.hidden / "shell"
    folder.mkdir()
    shutil.copy(ROOT / "dodo.py", folder)
    for name in ("models", "datasets"):
        shutil.copytree(EXAMPLE / name / "tiny", folder / name / "tiny")
    code, _, errors = doit(folder, "run", "tiny:f16", DOCKER_HOST=remote.host)
    assert code == 0, errors
    typed = "./command.sh >log.txt && mkdir deep && cp *.cvimodel deep/ && echo to >&2 && exit 6\n"
    code, output, errors = doit(folder, "shell", "tiny:f16", typed=typed, DOCKER_HOST=remote.host)
    assert (code, output) == (6, ""), errors
    assert "\nto\n" in errors
    (again,) = (folder / "build/shell/tiny/f16/deep").iterdir()
    assert digest.of_file(again) == digest.of_file(folder / "build" / "tiny" / again.name)
    assert nothing_is_left(remote)


def test_only_the_named_images_are_removed(remote: Remote, tmp_path: Path) -> None:
    with contextlib.closing(remote.client()) as client:
        (image,) = client.images.list()
        (kept,) = image.tags
        script = f"FROM {kept}\nLABEL of=a-test\n"
        base, _ = client.images.build(fileobj=io.BytesIO(script.encode()), tag="cvimake/base:test", rm=True)
        code, output, errors = doit(tmp_path, "clean", "--cache", DOCKER_HOST=remote.host)
        assert code == 0, errors
        assert kept in output
        assert "cvimake/base:test" in output
        code, output, errors = doit(tmp_path, "clean", "--cache", "base", DOCKER_HOST=remote.host)
        assert code == 0, errors
        assert "cvimake/base:test" in output
        assert "(removed)" in output
        assert [each.tags for each in client.images.list()] == [[kept]]
        assert str(base.id) not in [each.id for each in client.images.list(all=True)]
