"""An engine of the campaign's own, in namespaces of its own: it can be killed and harms nobody."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker.errors
import requests.exceptions

import docker

START_SECONDS = 900.0
LOAD_SECONDS = 900.0
# Started again whenever it ends, as a service manager would; in the same namespaces, where its mounts are.
_DAEMON = """
while :; do
    dockerd --host unix://{folder}/sock --data-root {data} --exec-root {folder}/exec \
        --pidfile {folder}/pid --bridge none --iptables=false --ip6tables=false
    sleep 0.2
done
"""


@dataclass(frozen=True)
class PrivateEngine:
    """A running second engine.

    Attributes:
        folder: where its socket and pid file are; short, as a socket's path has to be.
    """

    folder: Path

    @property
    def host(self) -> str:
        """Its address, for DOCKER_HOST."""
        return f"unix://{self.folder}/sock"

    def client(self) -> docker.DockerClient:
        """A client of it."""
        return docker.DockerClient(base_url=self.host)

    def kill(self) -> None:
        """Ends the daemon at once, as the kernel does where memory runs out."""
        os.kill(self._process(), signal.SIGKILL)

    def wait(self) -> None:
        """Waits until it answers.

        Raises:
            RuntimeError: it does not.
        """
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with (
                contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException),
                contextlib.closing(self.client()) as client,
            ):
                client.ping()
                return
            time.sleep(0.1)
        raise RuntimeError(f"the engine at {self.host} does not answer")

    def _process(self) -> int:
        return int((self.folder / "pid").read_text(encoding="ascii"))

    def _end(self) -> None:
        """Ends the daemon, and the containerd that an earlier, killed one started."""
        with contextlib.suppress(OSError, ValueError):
            os.kill(self._process(), signal.SIGTERM)
        end = time.monotonic() + START_SECONDS
        while (left := self._processes()) and time.monotonic() < end:
            time.sleep(0.2)
            if not any("dockerd" in name for name in left.values()):
                for process in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGTERM)

    def _processes(self) -> dict[int, str]:
        """Every process that was started for its folder, which no other engine has; by number."""
        found = {}
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                line = place.read_bytes().decode(errors="replace")
                if f"{self.folder}/" in line:
                    found[int(place.parent.name)] = line.partition("\0")[0]
        return found


@contextlib.contextmanager
def private_engine(scratch: Path, image: str) -> Iterator[PrivateEngine]:
    """Starts an engine with nothing on it but a copy of an image; ends it afterwards. For root.

    Args:
        scratch: where its images go; some GB.
        image: the id of the toolchain image on the engine of this machine.
    """
    folder = Path(f"/run/cvimake-faults-{os.getpid()}")
    data = scratch / "engine"
    folder.mkdir()
    data.mkdir()
    engine = PrivateEngine(folder)
    script = _DAEMON.format(folder=folder, data=data)
    with (
        (scratch / "engine.log").open("wb") as log,
        subprocess.Popen(
            ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", script],
            stdout=log, stderr=log, start_new_session=True,
        ) as supervisor,
    ):  # fmt: skip
        try:
            engine.wait()
            with contextlib.closing(docker.from_env()) as client:
                (name, *_) = client.images.get(image).tags
            with subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE) as save:
                subprocess.run(
                    ["docker", "--host", engine.host, "load"],
                    stdin=save.stdout, capture_output=True, check=True, timeout=LOAD_SECONDS,
                )  # fmt: skip
            yield engine
        finally:
            supervisor.kill()
            engine._end()
            for place in (data, folder):
                shutil.rmtree(place, ignore_errors=True)
