"""Builds on a cluster: a scheduler and workers as processes on the loopback, and workers that are killed.

The campaign with many kills takes a quarter of an hour: CVIMAKE_TEST_LONG=1 runs it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import Cluster, drained, running
from lab import HANGS_AFTER, wait_until
from long_tests import LONG
from projects import ACCURACY, copy_shapes

DAMAGED = str(Path(__file__).parent / "damaged_worker.py")
# At least so many workers, schedulers and builds are killed in the campaign.
KILLS = int(os.environ.get("CVIMAKE_TEST_KILLS", "60"))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running(tmp_path) as cluster:
        yield cluster


def digests(project: Path) -> dict[str, str]:
    """Return the sha256 of each result of a project, by its path."""
    results = [path for path in (project / "build").glob("*/*") if path.parent.name in {"tiny", "shapes"}]
    return {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results)
    }


def locally(cluster: Cluster, project: Path, *arguments: str) -> subprocess.Popen[str]:
    return cluster.command(project, *arguments, CVIMAKE_STORE="none")


def ended(build: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for a build, and return all that it printed."""
    output = build.communicate(timeout=HANGS_AFTER)[0]
    assert build.returncode == code, output
    return output


def killed_in_an_action(cluster: Cluster) -> str:
    """Kill a worker in the middle of an action, and return its name."""
    while True:
        found = [
            folder for name in cluster.workers for folder in (cluster.folder / name / "actions").iterdir()
        ]
        for folder in found:
            name = folder.parts[-3]
            cluster.workers[name].send_signal(signal.SIGSTOP)
            # It stands still: its tool has not finished, or its results would be there.
            if (folder / "results").is_dir() and not any((folder / "results").iterdir()):
                cluster.kill_worker(name)
                return name
            cluster.workers[name].send_signal(signal.SIGCONT)
        time.sleep(0.05)


def test_a_build_on_a_cluster_equals_a_local_one_though_a_worker_is_killed(cluster: Cluster) -> None:
    local = locally(cluster, cluster.project("local"), "tiny:f16")
    for name in ("one", "two", "three"):
        cluster.start_worker(name)
    cluster.await_workers()
    project = cluster.project("remote")
    build = cluster.build(project, "tiny:f16")
    busy = killed_in_an_action(cluster)
    told = ended(build)
    assert f"begins again on another worker. {busy}: the worker has gone" in told, told
    assert "tiny:f16: built in" in told
    assert ended(local)
    assert digests(project) == digests(cluster.folder / "local") != {}
    log = (project / "build/logs/tiny/f16.log").read_text(encoding="utf-8")
    assert log.startswith("# tiny:f16 ran on another machine")
    assert drained(cluster) == [0, 0]
    # Worker two or three has removed what the killed one left behind.
    assert cluster.containers() == []


@pytest.fixture
def small_disks(cluster: Cluster) -> Iterator[dict[str, Path]]:
    """The folders of two workers, by their names, each on a disk of its own with 200 MiB."""
    folders = {name: cluster.folder / name for name in ("one", "two")}
    with contextlib.ExitStack() as stack:
        for folder in folders.values():
            folder.mkdir()
            command = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder)]
            mounted = subprocess.run(command, check=False, capture_output=True, text=True)
            if mounted.returncode:
                pytest.skip(f"needs small disks, which root alone may mount: {mounted.stderr.strip()}")
            # Its worker still has it open.
            stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
        yield folders


def test_an_action_leaves_a_worker_whose_disk_gets_full(
    cluster: Cluster, small_disks: dict[str, Path]
) -> None:
    local, project = cluster.project("local"), cluster.project("remote")
    for folder in (local, project):
        copy_shapes(folder)
    ended(locally(cluster, local, "shapes:calibration", "shapes:f16"))
    for name in small_disks:
        cluster.start_worker(name)
    cluster.await_workers()
    ended(cluster.build(project, "shapes:mlir"))
    build = cluster.build(project, "shapes:calibration")
    wait_until(lambda: bool(cluster.containers()), "a container runs")
    (busy,) = (name for name, folder in small_disks.items() if any((folder / "actions").iterdir()))
    with (small_disks[busy] / "ballast").open("wb") as ballast:
        ballast.write(bytes(shutil.disk_usage(small_disks[busy]).free))
    told = ended(build)
    again = f"shapes:calibration begins again on another worker. {busy}: the disk of "
    assert f"{again}{small_disks[busy]}/actions is full" in told, told
    ended(cluster.build(project, "shapes:f16"))
    assert digests(project) == digests(local) != {}
    assert drained(cluster) == [0, 0]


def test_a_worker_with_another_store_is_told_before_anything_runs(cluster: Cluster) -> None:
    cluster.start_worker("elsewhere", CVIMAKE_STORE=str(cluster.folder / "other"))
    cluster.await_workers()
    told = ended(cluster.build(cluster.project("remote"), "tiny:onnx"), 2)
    assert "elsewhere: it does not find in its store" in told
    assert "set CVIMAKE_STORE to one place that both reach" in told
    assert "Traceback" not in told


def test_ctrl_c_ends_the_containers_of_workers_and_a_lost_scheduler_the_build(cluster: Cluster) -> None:
    cluster.start_worker("one")
    cluster.await_workers()
    project = cluster.project("remote")
    build = cluster.build(project, "tiny:onnx", "tiny:mlir")
    wait_until(lambda: bool(cluster.containers()), "a container runs")
    build.send_signal(signal.SIGINT)
    assert "interrupted; what is finished stays" in ended(build, 130)
    wait_until(lambda: not cluster.containers(), "no container is left")
    build = cluster.build(project, "tiny:mlir")
    wait_until(lambda: bool(cluster.containers()), "a container runs")
    cluster.kill_scheduler()
    told = ended(build, 2)
    assert f"the scheduler at {cluster.address} has gone" in told
    assert "Traceback" not in told
    wait_until(lambda: not cluster.containers(), "no container is left")


def test_an_evaluation_on_two_workers_equals_a_local_one_though_one_is_killed(cluster: Cluster) -> None:
    local, project = cluster.project("local"), cluster.project("remote")
    for folder in (local, project):
        copy_shapes(folder, ACCURACY)
    alone = locally(cluster, local, "shapes:float_accuracy")
    for name in ("one", "two"):
        cluster.start_worker(name)
    cluster.await_workers()
    ended(cluster.build(project, "shapes:mlir"))
    build = cluster.build(project, "shapes:float_accuracy")
    killed = killed_in_an_action(cluster)
    told = ended(build)
    assert f"shapes:float_accuracy begins again on another worker. {killed}: the worker has gone" in told, (
        told
    )
    ended(alone)
    assert digests(project) == digests(local) != {}


def test_a_worker_on_a_damaged_machine_is_named_and_its_files_do_not_stay(cluster: Cluster) -> None:
    compares = {"CVIMAKE_CLUSTER_COMPARE": "1"}
    cluster.start_worker("good")
    cluster.start_worker("damaged", [DAMAGED])
    cluster.await_workers()
    project = cluster.project("remote")
    # Of two workers, either can be the damaged one.
    told = ended(cluster.build(project, "run", "--json", "tiny:onnx", **compares), 1)
    (failure,) = [json.loads(line) for line in told.splitlines() if '"event": "failed"' in line]
    assert failure["id"] == "damaged-worker"
    assert "have not made the same, so at least one of them is damaged" in failure["cause"]
    assert {"good", "damaged"} < set(failure["cause"].split())
    assert not list((cluster.store / "actions").glob("*/*"))
    # A third one decides. The two first stages run on all three of them.
    cluster.start_worker("third")
    cluster.await_workers()
    told = ended(cluster.build(project, "tiny:mlir", **compares), 1)
    named = re.search(r"^(tiny:\w+): damaged has not made the same as (good|third) and", told, re.MULTILINE)
    assert named, told
    # The result of the two is in the store.
    assert f"{named[1]}: from the store" in ended(cluster.command(project, named[1]))
    differ = {path: digest for path, digest in digests(project).items() if f"  {Path(path).name}: " in told}
    assert differ
    assert all(f" {digest[:12]} on {named[2]}" in told for digest in differ.values())


@LONG
def test_nothing_is_lost_though_each_part_is_killed_again_and_again(cluster: Cluster) -> None:
    seed = int(os.environ.get("CVIMAKE_TEST_SEED", "25"))
    moments = random.Random(seed)
    local = cluster.project("local")
    copy_shapes(local)
    ended(locally(cluster, local))
    wanted = digests(local)
    names = ["one", "two", "three"]
    for name in names:
        cluster.start_worker(name)
    cluster.await_workers()
    kills, rounds = 0, 0
    while kills < KILLS:
        rounds += 1
        project = cluster.project(f"remote{rounds}")
        copy_shapes(project)
        outputs = []
        while digests(project) != wanted:
            build = cluster.build(project)
            while build.poll() is None and kills < KILLS:
                time.sleep(moments.uniform(0.5, 6.0))
                part = moments.choice([*names, *names, "scheduler", "build"])
                kills += 1
                if part == "build":
                    build.send_signal(moments.choice([signal.SIGKILL, signal.SIGTERM]))
                elif part == "scheduler":
                    cluster.kill_scheduler()
                    cluster.start_scheduler()
                elif part in cluster.workers:
                    cluster.kill_worker(part)
                for name in names:
                    if name not in cluster.workers or cluster.workers[name].poll() is not None:
                        cluster.start_worker(name)
            outputs.append(build.communicate(timeout=HANGS_AFTER)[0])
            assert "Traceback" not in outputs[-1]
            assert len(outputs) < 10 * KILLS, outputs[-1]
            cluster.await_workers()
        (cluster.store / "actions").rename(cluster.folder / f"actions{rounds}")
    assert drained(cluster) == [0] * len(names)
    assert cluster.containers() == []
