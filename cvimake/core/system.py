"""What this machine is, and its package manager."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cvimake.core import announce
from cvimake.core.errors import CvimakeError
from cvimake.core.tail import last_lines

NO_INSTALL = "CVIMAKE_NO_INSTALL"
# What a machine is told that other machines will not agree with to the last bit.
WITHOUT_AVX2 = (
    "the machine has no AVX2: calibration tables and references differ from others' in the last bits"
)


def may_install() -> bool:
    """Whether software may be installed and services started here."""
    return os.geteuid() == 0 and has_apt() and not os.environ.get(NO_INSTALL)


def has_apt() -> bool:
    """Whether this is Debian, Ubuntu or one of their kin."""
    return shutil.which("apt-get") is not None and Path("/etc/debian_version").exists()


def install(packages: Sequence[str], purpose: str) -> None:
    """Installs Debian packages, after asking where someone can be asked.

    Raises:
        CvimakeError: it may not, or it failed; with the commands to run by hand.
    """
    names = " ".join(packages)
    by_hand = f"apt-get update && apt-get install --yes --no-install-recommends {names}"
    if not may_install() or not announce.confirm(f"{purpose} needs {names}. Install?"):
        raise CvimakeError(f"{purpose} needs {names}", f"Run, as root: {by_hand}")
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with announce.step(f"installing {names}"):
        for command in (
            ["apt-get", "update", "--quiet"],
            ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages],
        ):
            result = subprocess.run(
                command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            # A third-party source that does not answer fails the update, not the installation.
            if result.returncode != 0 and command[1] == "install":
                raise CvimakeError(f"`{' '.join(command)}` failed", last_lines(result.stdout + result.stderr))


def has_avx2() -> bool:
    """Whether this machine computes what others do, to the last bit."""
    return "avx2" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
