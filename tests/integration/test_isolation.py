"""A program in the sandbox sees and reaches nothing but its inputs: each property is tried from inside."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from lab import ASLEEP, PROBES, Lab, containers, wait_until

from cvimake.core.action import GIBIBYTE, Limits
from cvimake.core.errors import StageFailedError
from cvimake.execution.engine import connection
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image.making import LABEL_IDENTITY, LABEL_RECIPE, ToolchainImage
from cvimake.execution.sandbox import Sandbox
from cvimake.toolchain import commands

SECRET = "CVIMAKE_TEST_SECRET"
CONTENT = "content of the input\n"
LIMITS = Limits(memory=GIBIBYTE // 2, processes=32, seconds=60.0)
# 2024-01-01 00:00:00 UTC
FROZEN = 1704067200
IS_ROOT = os.geteuid() == 0
Facts = dict[str, Any]
Outcomes = dict[str, dict[str, str]]


def observe(lab: Lab) -> Facts:
    facts: Facts = lab.run(lab.action(PROBES / "observe.py", "out.json", limits=LIMITS))
    return facts


@pytest.fixture(scope="module")
def observed_twice(new_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory) -> list[Facts]:
    """What a program sees, in two runs one after the other, of a caller with other habits than the usual."""
    lab = new_lab(tmp_path_factory.mktemp("observe"))
    lab.add_input("one.txt", "1")
    lab.add_input("two.bin", b"\0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET, "a token")
        patch.setenv("LANG", "de_DE.ISO-8859-1")
        patch.setenv("TZ", "Asia/Shanghai")
        before = os.umask(0o077)
        try:
            return [observe(lab), observe(lab)]
        finally:
            os.umask(before)


@pytest.fixture(scope="module")
def observed(observed_twice: list[Facts]) -> Facts:
    return observed_twice[0]


@pytest.fixture(scope="module")
def attempted(
    new_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Outcomes, Path]:
    """How attempts to break out ended, and the host's file that was an input."""
    lab = new_lab(tmp_path_factory.mktemp("attempts"))
    host_file = lab.root / "host.txt"
    host_file.write_text("nobody's business", encoding="utf-8")
    host_file.chmod(0o666)
    given = lab.add_input("input.txt", CONTENT)
    # Anybody may write it, so that nothing but the sandbox stands in the way.
    given.chmod(0o666)
    action = lab.action(PROBES / "attempts.py", "out.json", str(host_file), str(os.getpid()), limits=LIMITS)
    return lab.run(action), given


def succeeded(outcomes: dict[str, str]) -> list[str]:
    assert outcomes
    return [name for name, outcome in outcomes.items() if outcome == "done"]


def test_the_workspace_holds_nothing_but_the_declared_inputs(observed: Facts) -> None:
    assert observed["folder"] == "/workspace"
    assert observed["workspace"] == ["one.txt", "probe.py", "two.bin"]


def test_inputs_cannot_be_changed(attempted: tuple[Outcomes, Path]) -> None:
    # A copy of it is root's and closed to writing, and is mounted read-only.
    assert set(attempted[0]["input"].values()) <= {"EACCES", "EROFS"}


def test_inputs_keep_their_names(attempted: tuple[Outcomes, Path]) -> None:
    assert succeeded(attempted[0]["input's name"]) == []


def test_the_hosts_file_is_as_it_was(attempted: tuple[Outcomes, Path]) -> None:
    _, path = attempted
    assert path.read_text(encoding="utf-8") == CONTENT
    status = path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o666
    assert status.st_nlink == 1
    assert status.st_mtime > 0


def test_there_is_no_network_interface_but_the_loop(observed: Facts) -> None:
    assert observed["interfaces"] == ["lo"]


def test_nothing_on_the_network_can_be_reached(attempted: tuple[Outcomes, Path]) -> None:
    assert succeeded(attempted[0]["network"]) == []


@pytest.mark.parametrize("name", ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
def test_there_are_no_capabilities(observed: Facts, name: str) -> None:
    assert int(observed["status"][name], 16) == 0


def test_no_privileges_can_be_gained(observed: Facts) -> None:
    assert observed["status"]["NoNewPrivs"] == "1"


@pytest.fixture(scope="module")
def image_with_setuid(engine: DockerEngine, toolchain_image: ToolchainImage) -> Iterator[str]:
    """The toolchain image with a program that runs as root whoever starts it."""
    recipe = "\n".join(
        [
            f"FROM {toolchain_image.id}",
            # Otherwise it would be found as the toolchain image.
            f'LABEL {LABEL_RECIPE}="" {LABEL_IDENTITY}=""',
            "USER root",
            "RUN cp /usr/bin/id /usr/local/bin/id-of-root && chmod 4755 /usr/local/bin/id-of-root",
            # Another run of the tests on this engine makes another image, which it removes on its own.
            f"LABEL run={uuid.uuid4().hex}",
        ]
    )
    image, _ = engine.client.images.build(fileobj=io.BytesIO(recipe.encode()), rm=True, forcerm=True)
    yield str(image.id)
    engine.client.images.remove(str(image.id), force=True)


def test_a_setuid_program_gains_nothing(engine: DockerEngine, image_with_setuid: str, tmp_path: Path) -> None:
    lab = Lab(Sandbox(root=tmp_path, engine=engine, image=image_with_setuid))
    program = (
        "import json, os, pathlib, subprocess\n"
        "path = '/usr/local/bin/id-of-root'\n"
        "user = subprocess.run([path, '-u'], stdout=subprocess.PIPE, check=True, text=True).stdout\n"
        "result = {'mode': oct(os.stat(path).st_mode), 'owner': os.stat(path).st_uid, 'user': int(user)}\n"
        "pathlib.Path('out.json').write_text(json.dumps(result))\n"
    )
    assert lab.run(lab.action(program)) == {"mode": "0o104755", "owner": 0, "user": engine.user[0]}


def test_the_root_file_system_is_mounted_read_only(observed: Facts) -> None:
    assert "ro" in observed["mounts"]["/"]["options"]


def test_nothing_outside_can_be_written(attempted: tuple[Outcomes, Path]) -> None:
    # /run and others may be refused by their permissions first.
    assert succeeded(attempted[0]["file system"]) == []
    assert attempted[0]["file system"]["make a file in /var/tmp"] == "EROFS"


def test_only_the_workspace_and_folders_in_memory_can_be_written(observed: Facts) -> None:
    assert observed["writable"] == ["/dev/mqueue", "/dev/shm", "/tmp", "/workspace"]
    assert [observed["mounts"][path]["type"] for path in ("/dev/shm", "/tmp")] == ["tmpfs", "tmpfs"]


def test_the_temporary_folder_is_of_its_own_and_limited(observed: Facts) -> None:
    options = observed["mounts"]["/tmp"]["options"]
    assert {"rw", "nosuid", "nodev", "noexec"} <= set(options)
    assert observed["temporary size"] == GIBIBYTE
    assert observed["temporary"] == []


def test_the_temporary_folder_takes_files_and_runs_none(attempted: tuple[Outcomes, Path]) -> None:
    assert attempted[0]["temporary folder"] == {"write": "done", "execute": "EACCES"}
    assert attempted[0]["shared memory"] == {"execute": "EACCES"}


def test_the_temporary_folder_is_gone_afterwards(observed_twice: list[Facts]) -> None:
    assert observed_twice[1]["temporary"] == []
    assert not Path("/tmp/left-behind").exists()


def test_the_user_is_the_caller_or_nobody_and_never_root(observed: Facts) -> None:
    user, group = (65534, 65534) if IS_ROOT else (os.geteuid(), os.getegid())
    assert observed["status"]["Uid"].split() == [str(user)] * 4
    assert observed["status"]["Gid"].split() == [str(group)] * 4
    assert set(observed["status"]["Groups"].split()) <= {str(group)}
    assert user != 0


def test_a_stage_cannot_change_its_user(attempted: tuple[Outcomes, Path]) -> None:
    assert succeeded(attempted[0]["identity"]) == []


def test_the_host_cannot_be_reached(attempted: tuple[Outcomes, Path]) -> None:
    assert succeeded(attempted[0]["host"]) == []


def test_only_its_own_processes_are_there(observed: Facts) -> None:
    assert str(observed["process"]) in observed["processes"]
    assert len(observed["processes"]) <= 3
    assert max(map(int, observed["processes"])) < 100


def test_the_kernel_and_its_devices_are_out_of_reach(
    observed: Facts, attempted: tuple[Outcomes, Path]
) -> None:
    assert succeeded(attempted[0]["kernel"]) == []
    assert observed["block devices"] == []
    assert {"ro"} <= set(observed["mounts"]["/proc/sys"]["options"])
    assert {"ro"} <= set(observed["mounts"]["/sys"]["options"])


def test_system_calls_are_filtered(observed: Facts) -> None:
    assert observed["status"]["Seccomp"] == "2"


def test_every_system_call_that_must_be_refused_is(lab: Lab) -> None:
    result = lab.run(lab.action(PROBES / "refused_calls.py", "out.json"))
    assert result["wrong"] == []
    assert result["checks"] > 300


def test_addresses_are_not_randomised(observed_twice: list[Facts]) -> None:
    first, second = observed_twice
    assert first["address"] == second["address"] != 0
    assert int(first["personality"], 16) & 0x40000


def test_the_clock_stands_still(observed: Facts) -> None:
    assert observed["clock"]["start"] == observed["clock"]["end"] == FROZEN
    assert observed["date of the shell"].startswith("Mon Jan  1 00:00:00 UTC 2024")


# As Python's threads wait for their turn: on a condition, until a time of the clock that only goes forward.
WAITING = """
import ctypes, json, time

threads = ctypes.CDLL(None)
attributes, condition, mutex = (ctypes.create_string_buffer(64) for _ in range(3))
threads.pthread_condattr_init(attributes)
threads.pthread_condattr_setclock(attributes, time.CLOCK_MONOTONIC)
threads.pthread_cond_init(condition, attributes)
threads.pthread_mutex_init(mutex, None)
threads.pthread_mutex_lock(mutex)
started = time.monotonic()
seconds = int(started) + 2
threads.pthread_cond_timedwait(condition, mutex, (ctypes.c_long * 2)(seconds, 0))
with open("out.json", "w") as file:
    json.dump({"early": seconds - time.monotonic()}, file)
"""


def test_a_wait_with_a_time_limit_lasts_until_then(lab: Lab) -> None:
    assert lab.run(lab.action(WAITING))["early"] <= 0


def test_sleeping_and_waiting_go_on(observed: Facts) -> None:
    assert observed["clock"]["monotonic"] == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ONEDNN_MAX_CPU_ISA", "AVX2"),
        ("OPENBLAS_CORETYPE", "Haswell"),
        ("OMP_NUM_THREADS", "1"),
        ("OPENBLAS_NUM_THREADS", "1"),
        ("PYTHONHASHSEED", "0"),
        ("LANG", "C.UTF-8"),
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
        ("HOME", "/tmp"),
        ("TMPDIR", "/tmp"),
        ("USER", "cvimake"),
    ],
)
def test_a_variable_has_the_same_value_everywhere(observed: Facts, name: str, value: str) -> None:
    assert observed["environment"][name] == value


def test_the_settings_take_effect(observed: Facts) -> None:
    assert observed["home"] == "/tmp"
    assert observed["time zone"] == ["UTC", "UTC"]
    assert observed["encoding"] == "utf-8"
    assert observed["host name"] == "cvimake"


def test_numpy_takes_the_kernels_that_every_processor_has(observed: Facts) -> None:
    """Here only where there is AVX-512, and the same without a word where there is none."""
    assert "AVX2" in observed["numpy"]["features"]
    assert not {"AVX512F", "AVX512_SKX", "AVX512_ICL"} & {*observed["numpy"]["features"]}
    assert not observed["numpy"]["said"]


def test_the_environment_is_the_declared_one(observed: Facts) -> None:
    added = {
        name: value
        for name, value in observed["environment"].items()
        if commands.environment().get(name) != value
    }
    # What Docker, the shell and libfaketime themselves say.
    assert added.pop("FAKETIME_SHARED").startswith("/faketime_sem_")
    # What the stage may take of the machine; it does not change what it makes.
    assert added.pop("CVIMAKE_PROCESSES") == "1"
    assert int(added.pop("CVIMAKE_MEMORY")) > 0
    assert added == {"HOSTNAME": "cvimake", "PWD": "/workspace"}


def test_the_environment_holds_nothing_of_the_hosts(observed: Facts) -> None:
    assert "a token" not in json.dumps(observed["environment"])
    assert SECRET not in observed["environment"]


def test_the_proxies_of_dockers_configuration_stay_out(
    toolchain_image: ToolchainImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"proxies": {"default": {"httpProxy": "http://user:password@proxy:3128"}}}
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with contextlib.closing(connection.find(os.environ)) as client:
        lab = Lab(Sandbox(root=tmp_path, engine=DockerEngine(client, os.environ), image=toolchain_image.id))
        program = "import json, os; open('out.json', 'w').write(json.dumps(dict(os.environ)))"
        seen = lab.run(lab.action(program))
    assert [name for name in seen if "proxy" in name.lower()] == []


def test_the_umask_is_the_usual_one_whatever_the_callers(observed: Facts) -> None:
    # The fixture's caller has 0077.
    assert observed["umask"] == "0022"


def test_there_are_no_core_dumps(observed: Facts, attempted: tuple[Outcomes, Path]) -> None:
    assert observed["core"] == [0, 0]
    assert attempted[0]["identity"]["core dumps"] == "EPERM"


def test_memory_and_processes_are_limited_as_declared(observed: Facts) -> None:
    assert int(observed["memory limit"]) == LIMITS.memory
    assert int(observed["process limit"]) == LIMITS.processes


def test_memory_beyond_the_limit_ends_the_stage_and_the_error_says_so(lab: Lab) -> None:
    program = "blocks = [bytes(1024 * 1024) + b'x' for _ in range(1024)]"
    limits = Limits(memory=128 * 1024 * 1024, seconds=60.0)
    with pytest.raises(StageFailedError, match=r"needs more than its memory limit of 0\.1 GiB"):
        lab.run(lab.action(program, limits=limits))
    assert lab.published() == []


def test_a_fork_bomb_is_bounded(lab: Lab) -> None:
    program = (
        "import json, os, pathlib, signal, time\n"
        "children, error = [], ''\n"
        "while len(children) < 1000:\n"
        "    try:\n"
        "        process = os.fork()\n"
        "    except OSError as failure:\n"
        "        error = failure.strerror\n"
        "        break\n"
        "    if process == 0:\n"
        "        time.sleep(300)\n"
        "    children.append(process)\n"
        "for process in children: os.kill(process, signal.SIGKILL)\n"
        "pathlib.Path('out.json').write_text(json.dumps({'children': len(children), 'error': error}))\n"
    )
    action = lab.action(program, limits=LIMITS)
    result = lab.run(action)
    assert result["error"] == "Resource temporarily unavailable"
    # The program itself and what started it count too.
    assert LIMITS.processes - 4 < result["children"] < LIMITS.processes


def test_endless_folders_are_removed_and_the_next_stage_runs(lab: Lab) -> None:
    program = """
import os
for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
os.chmod(".", 0)
os.chdir("/workspace")
open("out.json", "w").write("{}")
"""
    for _ in range(2):
        assert lab.run(lab.action(program)) == {}
        assert lab.left_over() == []


# Each goes on until it is ended.
FILLERS = {
    "files": "import itertools\nfor number in itertools.count():\n open(str(number), 'w').close()",
    "bytes": """
import itertools
for number in itertools.count():
    open(str(number % 400), "ab").write(bytes(2**18))
""",
    "deleted": """
import os, time
file = open("x", "wb")
os.unlink("x")
for _ in range(40):
    file.write(bytes(2**20))
other = open("y", "wb")
os.unlink("y")
for _ in range(40):
    other.write(bytes(2**20))
time.sleep(50)
""",
}


@pytest.mark.parametrize(
    ("files", "filler"), [("mount", "files"), ("mount", "bytes"), ("mount", "deleted"), ("archive", "files")]
)
def test_files_beyond_the_limit_end_the_stage_and_the_error_says_so(
    toolchain_image: ToolchainImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: str, filler: str
) -> None:
    monkeypatch.setenv("CVIMAKE_FILES", files)
    with contextlib.closing(connection.find(os.environ)) as client:
        lab = Lab(Sandbox(root=tmp_path, engine=DockerEngine(client, os.environ), image=toolchain_image.id))
        limits = Limits(seconds=60.0, workspace=50 * 2**20, files=500)
        with pytest.raises(StageFailedError, match=r"wrote more than 0\.0488281 GiB, or more than 500 files"):
            lab.run(lab.action(FILLERS[filler], limits=limits))
    assert lab.left_over() == []


def test_the_time_limit_ends_a_stage_that_ignores_signals(lab: Lab, engine: DockerEngine) -> None:
    program = (
        "import signal\n"
        "for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, signal.SIG_IGN)\n"
        f"{ASLEEP}\n"
    )
    action = lab.action(program, limits=Limits(seconds=1.5))
    with pytest.raises(StageFailedError, match=r"was stopped after its time limit of 1\.5 s"):
        lab.run(action)
    assert containers(engine, action.name) == []
    assert lab.left_over() == []


def test_a_running_container_says_whose_it_is(lab: Lab, engine: DockerEngine) -> None:
    action = lab.action("import time; time.sleep(2); open('out.json', 'w').write('{}')")
    seen: list[dict[str, str]] = []

    def look() -> bool:
        seen.extend(container.labels for container in containers(engine, action.name))
        return bool(seen)

    with ThreadPoolExecutor() as pool:
        run = pool.submit(lab.run, action)
        wait_until(look, "the container was there")
        assert run.result() == {}
    assert seen[0]["cvimake"] == str(os.getpid())
