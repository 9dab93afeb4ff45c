from __future__ import annotations

import math
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvimake.core import filesystem
from cvimake.core.content import Contents, is_known
from cvimake.core.filesystem import CLOCK_STEP, FileSystems

# A whole second.
NOW = 1_700_000_000
# How a file system of 64 MiB is made, by its name.
COARSE = {
    "ext4 with inodes of 128 bytes": ["mke2fs", "-q", "-F", "-t", "ext4", "-I", "128"],
    "FAT": ["mkfs.vfat"],
}


def status(age: float) -> os.stat_result:
    """The status of a file that was changed so many seconds ago."""
    changed = NOW * 10**9 - round(age * 10**9)
    return os.stat_result([0o100644, 1, 0, 1, 0, 0, 1, 0, 0, 0], {"st_ctime_ns": changed})


@pytest.mark.parametrize(
    ("kind", "age", "seconds"),
    [
        ("ext4", 9.75, 0.0),
        ("ext4", 10.0, 0.0),
        ("ext4", 0.015, CLOCK_STEP - 0.015),
        # Times in whole seconds: another change may get the same one.
        ("ext4", 1.0, 1.0 + CLOCK_STEP),
        ("", 2.0, CLOCK_STEP),
        # The clock was set back by a minute.
        ("ext4", -59.5, 59.5 + CLOCK_STEP),
        # Another machine's clock, behind or ahead of ours.
        ("nfs4", 0.75, 1.25 + CLOCK_STEP),
        ("nfs4", -1.25, 0.75 + CLOCK_STEP),
        ("fuse.mergerfs", 5.5, 0.0),
        # Where the time of change is that of modification, anybody can set it back.
        ("vfat", 1000.0, math.inf),
        ("fuse.sshfs", 1000.5, math.inf),
    ],
)
def test_a_change_shows_when_the_file_systems_clock_has_moved_on(
    monkeypatch: pytest.MonkeyPatch, kind: str, age: float, seconds: float
) -> None:
    monkeypatch.setattr(filesystem, "_kind", lambda _device: kind)
    assert FileSystems().settles_in(status(age), NOW) == pytest.approx(seconds, abs=1e-6)


def test_a_file_system_is_known_by_its_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mounts").write_text(
        "22 28 0:21 / /proc rw,nosuid - proc proc rw\n"
        "97 28 8:17 / /mnt/a\\040stick rw shared:1 - vfat /dev/sdb1 rw\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(filesystem, "_MOUNTS", tmp_path / "mounts")
    assert FileSystems().kind(os.makedev(8, 17)) == "vfat"
    assert FileSystems().kind(os.makedev(8, 18)) == ""


def test_a_later_build_sees_what_was_mounted_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    monkeypatch.setattr(filesystem, "_MOUNTS", mounts)
    for kind in ("vfat", "ext4"):
        mounts.write_text(f"97 28 8:17 / /mnt/stick rw - {kind} /dev/sdb1 rw\n", encoding="utf-8")
        assert Contents().file_systems.kind(os.makedev(8, 17)) == kind


@pytest.fixture(params=sorted(COARSE))
def coarse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system with coarse times."""
    make = COARSE[request.param]
    if not shutil.which(make[0]):
        pytest.skip(f"{make[0]} is not installed: apt-get install e2fsprogs dosfstools")
    image, place = tmp_path / "image", tmp_path / "mounted"
    with image.open("wb") as file:
        file.truncate(64 * 1024**2)
    place.mkdir()
    subprocess.run([*make, str(image)], check=True, capture_output=True)
    mounted = subprocess.run(
        ["mount", "-o", "loop", str(image), str(place)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        said = mounted.stderr.partition("\n")[0]
        pytest.skip(f"run it as root, with a kernel that has loop devices and this file system: {said}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_an_edit_in_the_same_tick_of_a_coarse_clock_is_noticed(coarse: Path) -> None:
    path = coarse / "input"
    # Early in a second, so that both edits are in it.
    time.sleep(1.0 - time.time() % 1.0)
    path.write_bytes(b"one")
    before = Contents().state(str(path))
    path.write_bytes(b"two")
    os.utime(path, ns=(0, before[1] or path.stat().st_mtime_ns))
    assert not is_known(before)
    assert not Contents().matches(str(path), path.stat(), before)


def test_a_file_on_a_coarse_clock_is_known_when_the_clock_has_moved_on_or_never(coarse: Path) -> None:
    path = coarse / "input"
    path.write_bytes(b"one")
    time.sleep(3.1)
    before = Contents().state(str(path))
    written = path.stat().st_mtime_ns
    path.write_bytes(b"two")
    os.utime(path, ns=(written, written))
    assert not Contents().matches(str(path), path.stat(), before)
