"""A real object store on the loopback: SeaweedFS, which the test environment has as a wheel."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import s3fs
from fsspec.spec import AbstractFileSystem
from lab import HANGS_AFTER

BUCKET = "team"
# Names, and what each may do.
_RIGHTS = {
    "builder": ["Read", "Write", "List"],
    "reader": ["Read", "List"],
    "owner": ["Admin", "Read", "Write", "List"],
}


class ObjectStore:
    """A server with one bucket. It keeps its ports and its files when it is killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._ports = _free_ports(8)
        self.port = self._ports[0]
        identities = [
            {
                "name": name,
                "credentials": [{"accessKey": name, "secretKey": _secret(name)}],
                "actions": rights,
            }
            for name, rights in _RIGHTS.items()
        ]
        (folder / "s3.json").write_text(json.dumps({"identities": identities}), encoding="utf-8")
        (folder / "data").mkdir()

    def start(self) -> None:
        """Start it, and wait until it takes files."""
        s3, *others = self._ports
        names = ("s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
                 "filer.port", "filer.port.grpc")  # fmt: skip
        command = [
            str(Path(sys.executable).with_name("weed")), "-logtostderr=true", "server",
            "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self._folder / 'data'}",
            "-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=8",
            "-s3", f"-s3.port={s3}", f"-s3.config={self._folder / 's3.json'}", "-s3.autoCreateBucket=false",
            "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.localSocket={self._folder / 's3.sock'}",
            f"-filer.localSocket={self._folder / 'filer.sock'}",
            *(f"-{name}={port}" for name, port in zip(names, others, strict=True)),
        ]  # fmt: skip
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + HANGS_AFTER
        while True:
            assert self._process is not None
            assert self._process.poll() is None, (self._folder / "log").read_text(encoding="utf-8")[-2000:]
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5):
                    files = self.files("owner")
                    if not files.exists(BUCKET):
                        files.mkdir(BUCKET)
                    files.pipe_file(f"{BUCKET}/ready", b"ready")
                    return
            except OSError:
                assert time.monotonic() < end, "the object store does not start"
                time.sleep(0.2)

    def kill(self) -> None:
        """Kill it, as a machine does that loses its power."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def files(self, name: str) -> AbstractFileSystem:
        """Return the files in it, with somebody's rights."""
        return s3fs.S3FileSystem(
            key=name, secret=_secret(name), endpoint_url=f"http://127.0.0.1:{self.port}",
            skip_instance_cache=True, use_listings_cache=False,
        )  # fmt: skip

    def variables(self, name: str, port: int | None = None) -> dict[str, str]:
        """Return the variables of the environment with which somebody reaches it."""
        return {
            "AWS_ACCESS_KEY_ID": name,
            "AWS_SECRET_ACCESS_KEY": _secret(name),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port or self.port}",
            # Nothing of the user's own settings.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextlib.contextmanager
def running(folder: Path) -> Iterator[ObjectStore]:
    """Run an object store in a folder."""
    store = ObjectStore(folder)
    try:
        store.start()
        yield store
    finally:
        store.kill()


def _secret(name: str) -> str:
    return f"secret of {name}"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]
