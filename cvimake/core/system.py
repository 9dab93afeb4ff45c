"""This machine: its package manager and its processor."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cvimake.core import announce
from cvimake.core.errors import CvimakeError
from cvimake.core.log_tail import last_lines

NO_INSTALL = "CVIMAKE_NO_INSTALL"
# The warning for a machine whose results differ from those of other machines in their last bits.
WITHOUT_AVX2 = (
    "the machine has no AVX2: calibration tables and references differ from others' in the last bits"
)


def may_install(environment: Mapping[str, str]) -> bool:
    """Tell whether cvimake may install software and start services here."""
    return os.geteuid() == 0 and has_apt(environment) and not environment.get(NO_INSTALL)


def has_apt(environment: Mapping[str, str]) -> bool:
    """Tell whether this is Debian, Ubuntu or a system derived from them."""
    return program("apt-get", environment) is not None and Path("/etc/debian_version").exists()


def program(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the path of a program on the user's `PATH`; None if it is not there."""
    return shutil.which(name, path=environment.get("PATH", os.defpath))


def install(packages: Sequence[str], purpose: str, environment: Mapping[str, str]) -> None:
    """Install Debian packages. On a terminal, ask first.

    Args:
        packages: their names.
        purpose: what needs them, for the question and the error.
        environment: the variables that cvimake was started with.

    Raises:
        CvimakeError: this is not allowed, or it failed. The error has the commands to run by hand.
    """
    names = " ".join(packages)
    by_hand = f"apt-get update && apt-get install --yes --no-install-recommends {names}"
    if not may_install(environment) or not announce.confirm(f"{purpose} needs {names}. Install?"):
        raise CvimakeError(f"{purpose} needs {names}", f"Run, as root: {by_hand}")
    variables = {**environment, "DEBIAN_FRONTEND": "noninteractive"}
    with announce.step(f"installing {names}"):
        for command in (
            ["apt-get", "update", "--quiet"],
            ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages],
        ):
            result = subprocess.run(
                command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            # The update also fails if only a third-party source does not answer; installing may still work.
            if result.returncode != 0 and command[1] == "install":
                raise CvimakeError(f"`{' '.join(command)}` failed", last_lines(result.stdout + result.stderr))


def has_avx2() -> bool:
    """Tell whether this machine has AVX2. Without it, results differ from others in their last bits."""
    return "avx2" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
