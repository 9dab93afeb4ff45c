"""What is different about a second build, and must not show in any byte of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOCKET = Path("/var/run/docker.sock")
SECONDS = 3600.0
# Nobody in particular.
USER = 12345
_YEARS_LATER = 2_000_000_000
_LATER = "+400d"


@dataclass(frozen=True)
class Setting:
    """How a project is built.

    Attributes:
        folder: where it is put.
        prefix: what the build is started through.
        variables: environment variables that it sees beside the usual ones.
        umask: its rights for new files.
        arguments: of `doit run`.
        user: who builds; None for the caller.
        reverse: whether the files are written in the opposite order.
        written: when its files say that they were written, in seconds since 1970; None for just now.
        later: whether it is built at another date.
        clock: libfaketime, which tells it that.
        memory: a folder in a file system whose folders are read in the order that they were filled in.
    """

    folder: Path
    prefix: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    umask: int = 0o022
    arguments: tuple[str, ...] = ()
    user: int | None = None
    reverse: bool = False
    written: int | None = None
    later: bool = False
    clock: Path = Path()
    memory: Path = Path()

    def build(self, model: str, source: Path) -> dict[str, bytes]:
        """Builds a model of a folder with `models` and `datasets`; returns what each of its files holds."""
        self._put(source)
        child = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("CVIMAKE_") and name != "SOURCE_DATE_EPOCH"
        }
        # A kept result would be equal because it was kept.
        child |= {"CVIMAKE_STORE": "none", "PYTHONPATH": str(ROOT), "HOME": str(self.folder)} | self.variables
        command = [
            *self.prefix,
            *self._as_user(),
            *self._at_another_time(),
            *(sys.executable, "-m", "cvimake.cli", "run", *self.arguments, model),
        ]
        result = subprocess.run(
            command,
            cwd=self.folder,
            env=child,
            umask=self.umask,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return {path.name: path.read_bytes() for path in sorted(self.folder.glob(f"build/{model}/*"))}

    def _as_user(self) -> tuple[str, ...]:
        if self.user is None:
            return ()
        # Of root's rights it keeps the one to read, since this Python may lie in root's own folder.
        return (
            "setpriv", f"--reuid={self.user}", f"--regid={self.user}", f"--groups={SOCKET.stat().st_gid}",
            "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
        )  # fmt: skip

    def _at_another_time(self) -> tuple[str, ...]:
        if not self.later:
            return ()
        prefix = ("env", f"LD_PRELOAD={self.clock}", f"FAKETIME={_LATER}", "DONT_FAKE_MONOTONIC=1")
        told = subprocess.run(
            [*prefix, sys.executable, "-c", "import time; print(time.time())"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert float(told) > time.time() + 1e6, f"{self.clock} does not work on this machine"
        return prefix

    def _put(self, source: Path) -> None:
        self.folder.mkdir(parents=True)
        shutil.copy(ROOT / "dodo.py", self.folder)
        kept = ("models", "datasets")
        files = sorted(path for name in kept for path in (source / name).rglob("*") if path.is_file())
        for path in reversed(files) if self.reverse else files:
            place = self.folder / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        for path in (self.folder, *self.folder.rglob("*")):
            if self.written is not None:
                os.utime(path, (self.written, self.written))
            if self.user is not None:
                os.chown(path, self.user, self.user)


def _user(setting: Setting) -> Setting:
    # Only root can become somebody else.
    return replace(setting, user=USER) if os.geteuid() == 0 else setting


def _host_name(setting: Setting) -> Setting:
    # The same.
    if os.geteuid() != 0:
        return setting
    return replace(setting, prefix=("unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"))


def _environment(setting: Setting) -> Setting:
    variables = {
        "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "LANGUAGE": "tr", "TZ": "Pacific/Auckland",
        "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3", "PYTHONHASHSEED": "7", "USER": "somebody",
        "ONEDNN_MAX_CPU_ISA": "SSE41", "FAKETIME": "2001-01-01 00:00:00", "TMPDIR": str(setting.folder),
    }  # fmt: skip
    return replace(setting, variables={**setting.variables, **variables})


def _engine(setting: Setting) -> Setting:
    other = os.environ.get("REPRODUCIBILITY_ENGINE")
    return replace(setting, variables={**setting.variables, "DOCKER_HOST": other}) if other else setting


VARIATIONS: dict[str, Callable[[Setting], Setting]] = {
    # First, for it is a folder that the others go on from.
    "directory order": lambda setting: replace(setting, folder=setting.memory / "p", reverse=True),
    "folder": lambda setting: replace(
        setting, folder=setting.folder / "a folder" / ("with_a_long_name_" * 8)
    ),
    "user": _user,
    "umask": lambda setting: replace(setting, umask=0o077),
    "file times": lambda setting: replace(setting, written=_YEARS_LATER),
    "time": lambda setting: replace(setting, later=True),
    "host name": _host_name,
    "parallel": lambda setting: replace(setting, arguments=("-n", "4")),
    "environment": _environment,
    "engine": _engine,
}
