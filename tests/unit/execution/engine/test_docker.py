from __future__ import annotations

import dataclasses
import io
import itertools
import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest
import requests.exceptions

from cvimake.core.action import Ending, Limits
from cvimake.core.capacity import Capacity, Share
from cvimake.core.errors import EngineError
from cvimake.execution.engine import Command, Mount
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.growth import Growth
from cvimake.toolchain.container.process_group import GRANT, TAKES

COMMAND = Command(
    name="net:bf16",
    image="sha256:abc",
    argv=("python3", "tool.py", "--scale=[1, 2]", "it's"),
    environment={"TZ": "UTC", "WORDS": "two words"},
    mounts=(
        Mount(source=Path("/project/build/.work/x/files"), target="/workspace", read_only=False),
        Mount(source=Path("/a, b/net.onnx"), target="/workspace/net.onnx", read_only=True),
    ),
    working_directory="/workspace",
    user=(1000, 1001),
    limits=Limits(memory=2 * 1024**3, processes=77, seconds=60.0, workspace=5000),
)


class FakeStream:
    """What a container prints, over a connection that wants to be closed."""

    def __init__(self, output: Iterator[bytes]) -> None:
        self.output = output
        self._response = io.BytesIO()

    def __iter__(self) -> Iterator[bytes]:
        return self.output


class FakeContainer:
    """A container that prints, and ends with an exit code unless it is killed before."""

    id = "c0ffee"

    def __init__(self, output: Iterator[bytes] | None = None, exit_code: int = 0) -> None:
        self.output = output or iter(())
        self.exit_code = exit_code
        self.labels: dict[str, str] = {}
        self.calls: list[str] = []
        self.killed = threading.Event()
        self.remove_error: Exception | None = None
        self.is_gone = False

    def attach(self, **_options: bool) -> FakeStream:
        self.calls.append("attach")
        return FakeStream(self.output)

    def start(self) -> None:
        self.calls.append("start")

    def wait(self) -> dict[str, int]:
        return {"StatusCode": self.exit_code}

    def kill(self) -> None:
        self.exit_code = 137
        self.killed.set()

    def remove(self, *, force: bool, v: bool) -> None:
        assert force
        assert v
        self.calls.append("remove")
        if self.remove_error:
            raise self.remove_error


class FakeClient:
    """A Docker client with one container to give, and others left over from before."""

    def __init__(
        self,
        container: FakeContainer | None = None,
        leftovers: list[FakeContainer] | None = None,
        security: list[str] | None = None,
        *,
        out_of_memory: bool = False,
    ) -> None:
        self.container = container or FakeContainer()
        self.leftovers = leftovers or []
        self.security = security
        self.facts: dict[str, Any] = {}
        self.settings: dict[str, Any] = {}
        self.create_error: Exception | None = None
        self.filters: dict[str, str] = {}
        self.containers = SimpleNamespace(create=self._create, list=self._list)
        state = {"State": {"OOMKilled": out_of_memory}}
        self.api = SimpleNamespace(inspect_container=lambda _id: state, base_url="http+docker://localhost")

    def info(self) -> dict[str, Any]:
        return {"SecurityOptions": self.security, **self.facts}

    def _create(self, image: str, **settings: object) -> FakeContainer:
        if self.create_error:
            raise self.create_error
        self.settings = {"image": image, **settings}
        return self.container

    def _list(
        self,
        *,
        all: bool,  # noqa: A002 - the SDK's
        filters: dict[str, str],
        ignore_removed: bool = False,
    ) -> list[FakeContainer]:
        """The containers that are still there when the SDK, which has listed them, asks about each."""
        assert all
        self.filters = filters
        there = [container for container in self.leftovers if not container.is_gone]
        if len(there) < len(self.leftovers) and not ignore_removed:
            raise docker.errors.NotFound("gone")
        return there


def engine_over(client: FakeClient) -> DockerEngine:
    return DockerEngine(client, os.environ)  # type: ignore[arg-type]


def settings_of(command: Command, client: FakeClient | None = None) -> dict[str, Any]:
    client = client or FakeClient()
    engine_over(client).run(command, io.BytesIO())
    return client.settings


def words_of(command: Command, client: FakeClient | None = None, workspace: str = "/w") -> list[str]:
    return shlex.split(engine_over(client or FakeClient()).by_hand(command, workspace))


def values_after(words: list[str], flag: str) -> list[str]:
    return [value for word, value in itertools.pairwise(words) if word == flag]


# Every property of a container, as the SDK and as `docker run` are told it.


@pytest.mark.parametrize(
    ("setting", "value", "flag", "written"),
    [
        ("network_mode", "none", "--network", "none"),
        ("cap_drop", ["ALL"], "--cap-drop", "ALL"),
        ("user", "1000:1001", "--user", "1000:1001"),
        ("hostname", "cvimake", "--hostname", "cvimake"),
        ("mem_limit", 2147483648, "--memory", "2147483648"),
        ("memswap_limit", 2147483648, "--memory-swap", "2147483648"),
        ("pids_limit", 77, "--pids-limit", "77"),
        ("working_dir", "/workspace", "--workdir", "/workspace"),
        ("entrypoint", [], "--entrypoint", ""),
        (
            "ulimits",
            [{"Name": "core", "Soft": 0, "Hard": 0}, {"Name": "fsize", "Soft": 5000, "Hard": 5000}],
            "--ulimit",
            ["core=0", "fsize=5000"],
        ),
        (
            "tmpfs",
            {"/tmp": "rw,nosuid,nodev,noexec,size=1g,mode=1777"},
            "--tmpfs",
            "/tmp:rw,nosuid,nodev,noexec,size=1g,mode=1777",
        ),
    ],
)
def test_a_container_has_a_property_however_it_is_started(
    setting: str, value: object, flag: str, written: str | list[str]
) -> None:
    assert settings_of(COMMAND)[setting] == value
    assert values_after(words_of(COMMAND), flag) == ([written] if isinstance(written, str) else written)


def test_the_root_file_system_is_read_only_however_it_is_started() -> None:
    assert settings_of(COMMAND)["read_only"] is True
    assert "--read-only" in words_of(COMMAND)


def test_there_are_no_new_privileges_and_few_system_calls_however_it_is_started(tmp_path: Path) -> None:
    profile = tmp_path / "a profile.json"
    profile.write_text('{"defaultAction": "SCMP_ACT_ERRNO"}', encoding="utf-8")
    client = FakeClient()
    engine = DockerEngine(client, os.environ, profile)  # type: ignore[arg-type]
    engine.run(COMMAND, io.BytesIO())
    assert client.settings["security_opt"] == [
        "no-new-privileges",
        'seccomp={"defaultAction": "SCMP_ACT_ERRNO"}',
    ]
    options = values_after(shlex.split(engine.by_hand(COMMAND, "/w")), "--security-opt")
    assert options == ["no-new-privileges", f"seccomp={profile}"]


def test_the_projects_own_seccomp_profile_is_the_default() -> None:
    (profile,) = [word for word in words_of(COMMAND) if word.startswith("seccomp=")]
    path = Path(profile.removeprefix("seccomp="))
    assert f"seccomp={path.read_text(encoding='utf-8')}" in settings_of(COMMAND)["security_opt"]
    assert path.name == "seccomp.json"


def test_the_environment_is_the_commands_however_it_is_started() -> None:
    assert settings_of(COMMAND)["environment"] == {"TZ": "UTC", "WORDS": "two words"}
    assert values_after(words_of(COMMAND), "--env") == ["TZ=UTC", "WORDS=two words"]


def test_the_mounts_are_the_commands_however_it_is_started() -> None:
    def mount(source: str, target: str, *, read_only: bool) -> dict[str, object]:
        return {"Target": target, "Source": source, "Type": "bind", "ReadOnly": read_only}

    assert settings_of(COMMAND)["mounts"] == [
        mount("/project/build/.work/x/files", "/workspace", read_only=False),
        mount("/a, b/net.onnx", "/workspace/net.onnx", read_only=True),
    ]
    assert values_after(words_of(COMMAND), "--mount") == [
        "type=bind,src=/w,dst=/workspace",
        'type=bind,"src=/a, b/net.onnx",dst=/workspace/net.onnx,readonly',
    ]


def test_the_command_is_run_in_the_image_however_it_is_started() -> None:
    settings = settings_of(COMMAND)
    assert settings["image"] == "sha256:abc"
    assert settings["command"] == list(COMMAND.argv)
    assert words_of(COMMAND)[-5:] == ["sha256:abc", *COMMAND.argv]


def test_nothing_weakens_the_container() -> None:
    weakening = {"privileged", "cap_add", "devices", "pid_mode", "ipc_mode", "volumes", "ports", "group_add"}
    assert settings_of(COMMAND).keys().isdisjoint(weakening)


def test_a_user_namespace_that_would_hide_the_callers_files_is_left_out_however_it_is_started() -> None:
    remapped = ["name=seccomp,profile=builtin", "name=userns"]
    assert settings_of(COMMAND, FakeClient(security=remapped))["userns_mode"] == "host"
    assert values_after(words_of(COMMAND, FakeClient(security=remapped)), "--userns") == ["host"]
    assert settings_of(COMMAND)["userns_mode"] is None
    assert "--userns" not in words_of(COMMAND)


def test_the_line_by_hand_is_one_line_that_a_shell_reads() -> None:
    line = engine_over(FakeClient()).by_hand(COMMAND, "$W")
    assert "\n" not in line
    script = f'W="/my work"; set -- {line}; printf "%s\\n" "$@"'
    result = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    expected = words_of(COMMAND, workspace="/my work")
    assert result.stdout.splitlines() == expected


def test_a_container_says_whose_it_is() -> None:
    labels = settings_of(COMMAND)["labels"]
    assert labels["cvimake"] == str(os.getpid())
    assert labels["cvimake.action"] == "net:bf16"
    assert labels["cvimake.processes"]


# Who runs the commands


@pytest.mark.parametrize(
    ("caller", "security", "user"),
    [
        (1000, [], (1000, 1001)),
        (0, [], (65534, 65534)),
        (1000, ["name=rootless"], (0, 0)),
        (1000, None, (1000, 1001)),
    ],
)
def test_commands_run_as_an_unprivileged_user(
    monkeypatch: pytest.MonkeyPatch, caller: int, security: list[str] | None, user: tuple[int, int]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: caller)
    monkeypatch.setattr(os, "getegid", lambda: 1001)
    assert engine_over(FakeClient(security=security)).user == user


# How a command ends


def test_all_that_is_printed_goes_to_the_log() -> None:
    container = FakeContainer(iter([b"one\n", b"two\n"]))
    log = io.BytesIO()
    assert engine_over(FakeClient(container)).run(COMMAND, log) == Ending(exit_code=0)
    assert log.getvalue() == b"one\ntwo\n"
    assert container.calls == ["attach", "start", "remove"]


def test_the_exit_code_is_the_commands() -> None:
    assert engine_over(FakeClient(FakeContainer(exit_code=7))).run(COMMAND, io.BytesIO()).exit_code == 7


def test_a_command_that_the_memory_limit_killed_is_told_apart() -> None:
    client = FakeClient(FakeContainer(exit_code=137), out_of_memory=True)
    assert engine_over(client).run(COMMAND, io.BytesIO()) == Ending(exit_code=137, out_of_memory=True)


def test_a_command_that_takes_too_long_is_killed() -> None:
    container = FakeContainer()

    def print_until_killed() -> Iterator[bytes]:
        yield b"working\n"
        assert container.killed.wait(5)

    container.output = print_until_killed()
    hasty = dataclasses.replace(COMMAND, limits=Limits(seconds=0.01))
    ending = engine_over(FakeClient(container)).run(hasty, io.BytesIO())
    assert ending == Ending(exit_code=137, timed_out=True)
    assert container.calls[-1] == "remove"


def raising(error: BaseException) -> Callable[[], Iterator[bytes]]:
    def output() -> Iterator[bytes]:
        yield b"working\n"
        raise error

    return output


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(28, "No space left on device"), OSError),
        (docker.errors.APIError("no"), EngineError),
        (requests.exceptions.ConnectionError("gone"), EngineError),
    ],
)
def test_nothing_goes_on_running_whatever_happens(error: BaseException, seen: type[BaseException]) -> None:
    container = FakeContainer(raising(error)())
    with pytest.raises(seen):
        engine_over(FakeClient(container)).run(COMMAND, io.BytesIO())
    assert container.calls[-1] == "remove"
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert all(timer.finished.is_set() for timer in timers)


@pytest.mark.parametrize(
    "error", [docker.errors.ImageNotFound("no image"), requests.exceptions.ReadTimeout("slow")]
)
def test_a_container_that_cannot_be_made_is_a_clear_error(error: Exception) -> None:
    client = FakeClient()
    engine = engine_over(client)
    client.create_error = error
    with pytest.raises(EngineError, match="net:bf16: "):
        engine.run(COMMAND, io.BytesIO())


def conflict() -> docker.errors.APIError:
    return docker.errors.APIError("busy", response=SimpleNamespace(status_code=409, url="", reason=""))  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [docker.errors.NotFound("gone"), conflict()])
def test_a_container_that_is_gone_already_is_no_error(error: Exception) -> None:
    container = FakeContainer()
    container.remove_error = error
    assert engine_over(FakeClient(container)).run(COMMAND, io.BytesIO()) == Ending(exit_code=0)


# What earlier processes left behind


def leftover(process: str) -> FakeContainer:
    container = FakeContainer()
    container.labels["cvimake"] = process
    return container


def ended_process() -> str:
    process = subprocess.Popen(["true"])
    process.wait()
    return str(process.pid)


def test_containers_of_ended_processes_are_removed() -> None:
    ended = leftover(ended_process())
    engine_over(FakeClient(leftovers=[ended]))
    assert ended.calls == ["remove"]


def test_if_another_process_removes_one_container_the_others_are_removed_all_the_same() -> None:
    gone, ended = leftover(ended_process()), leftover(ended_process())
    gone.is_gone = True
    engine_over(FakeClient(leftovers=[gone, ended]))
    assert ended.calls == ["remove"]


@pytest.mark.parametrize("process", ["our own", "", "1/../1", "rubbish"])
def test_other_containers_are_left_alone(process: str) -> None:
    other = leftover(str(os.getpid()) if process == "our own" else process)
    engine_over(FakeClient(leftovers=[other]))
    assert other.calls == []


def test_only_containers_of_this_machine_since_its_start_are_looked_at() -> None:
    client = FakeClient()
    engine_over(client)
    assert client.filters == {
        "label": f"cvimake.processes={settings_of(COMMAND)['labels']['cvimake.processes']}"
    }
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert boot in client.filters["label"]


# The engine's machine


def client_on(**facts: object) -> FakeClient:
    client = FakeClient()
    client.facts = facts
    return client


def test_four_fifths_of_its_memory_and_all_its_cores_are_for_stages() -> None:
    engine = engine_over(client_on(NCPU=8, MemTotal=10 * 1024**3))
    assert engine.capacity() == Capacity(cores=8, memory=8 * 1024**3)
    assert engine_over(client_on()).capacity() == Capacity(cores=1)


@pytest.mark.parametrize("architecture", ["aarch64", "arm64", "riscv64"])
def test_another_processor_is_asked_to_emulate_with_a_line_that_says_so(
    architecture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client = client_on(Architecture=architecture)
    assert settings_of(COMMAND, client)["platform"] == "linux/amd64"
    assert f"the engine's machine is {architecture}: stages are emulated" in capsys.readouterr().err
    assert values_after(words_of(COMMAND, client), "--platform") == ["linux/amd64"]


@pytest.mark.parametrize("architecture", ["x86_64", "amd64"])
def test_an_x86_64_machine_is_asked_for_nothing(
    architecture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client = client_on(Architecture=architecture)
    assert settings_of(COMMAND, client)["platform"] is None
    assert "--platform" not in words_of(COMMAND, client)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("endpoint", "wanted", "kind"),
    [
        ("", "", "bind"),
        ("tcp://far:2375", "", "volume"),
        ("ssh://far", "", "volume"),
        ("tcp://far:2375", "mount", "bind"),
        ("", "archive", "volume"),
    ],
)
def test_files_are_mounted_where_the_engine_sees_them(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, wanted: str, kind: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", endpoint or "unix:///var/run/docker.sock")
    monkeypatch.setenv("CVIMAKE_FILES", wanted)
    mounts = engine_over(FakeClient()).files.mounts(COMMAND)
    assert {mount["Type"] for mount in mounts} == {kind}


def test_an_unknown_way_of_files_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVIMAKE_FILES", "pigeon")
    with pytest.raises(EngineError, match="'pigeon'; it can be mount or archive"):
        engine_over(FakeClient())


# Cancelling


def test_cancelling_kills_running_containers_and_is_reported() -> None:
    container = FakeContainer()
    engine = engine_over(FakeClient(container))

    def print_until_killed() -> Iterator[bytes]:
        engine.cancel()
        assert container.killed.wait(5)
        yield b"working\n"

    container.output = print_until_killed()
    with pytest.raises(EngineError, match="cancelled"):
        engine.run(COMMAND, io.BytesIO())
    assert container.calls[-1] == "remove"


def test_no_container_starts_after_cancelling() -> None:
    container = FakeContainer()
    engine = engine_over(FakeClient(container))
    engine.cancel()
    with pytest.raises(EngineError, match="cancelled"):
        engine.run(COMMAND, io.BytesIO())
    assert container.calls == ["remove"]


def test_a_container_that_sees_our_files_can_be_told_of_more_cores(tmp_path: Path) -> None:
    (workspace, network) = COMMAND.mounts
    command = dataclasses.replace(
        COMMAND, mounts=(dataclasses.replace(workspace, source=tmp_path), network), growth=Growth()
    )
    granted: list[bool] = []

    def prints() -> Iterator[bytes]:
        (tmp_path / TAKES).touch()
        granted.append(command.growth.grant(Share(cores=2)))
        yield b"done"

    assert not command.growth.grant(Share(cores=2))
    engine_over(FakeClient(FakeContainer(prints()))).run(command, io.BytesIO())
    assert granted == [True]
    assert (tmp_path / GRANT).read_text().split()[0] == "2"
    assert not command.growth.grant(Share(cores=2))
