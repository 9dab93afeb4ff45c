"""Reads many ONNX files: each in a process of its own, as `reading.py` does, but without its start.

To start Python and the onnx package takes half a second of processor time. With a thousand models on a
cluster, everything would wait for that.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import reading
from cvimake.project.networks.network import Network


class Readers:
    """Processes that have loaded the onnx package, and make a child for each file.

    They are started when they are needed. Several threads may call the methods.

    Args:
        environment: the variables that the processes are started with.
        most: the most files that are read at one time.
    """

    def __init__(self, environment: Mapping[str, str], most: int = os.cpu_count() or 1) -> None:
        self._environment = environment
        self._turn = threading.Semaphore(most)
        self._guard = threading.Lock()
        self._idle: list[subprocess.Popen[bytes]] = []

    def read(
        self, path: Path, shapes: Sequence[Sequence[int]] | None = None, outputs: Sequence[str] = ()
    ) -> Network:
        """Return the graph of an ONNX file; see `reading.read`."""
        path.open("rb").close()
        with self._turn:
            with self._guard:
                process = self._idle.pop() if self._idle else None
            if process is None:
                process = subprocess.Popen(
                    reading.command("serve"),
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            try:
                text = _answer(process, json.dumps([str(path), json.dumps([shapes, list(outputs)])]))
            except BaseException:
                _end(process)
                raise
            with self._guard:
                self._idle.append(process)
        return reading.network_of(path, text)

    def close(self) -> None:
        """End the processes. Nothing is read at this time."""
        with self._guard:
            while self._idle:
                _end(self._idle.pop())


def _answer(process: subprocess.Popen[bytes], request: str) -> bytes | None:
    """Return what a process answers; see `reading.network_of`.

    Raises:
        CvimakeError: it has ended.
    """
    requests, answers = _pipes(process)
    try:
        requests.write(request.encode() + b"\n")
        requests.flush()
        size = answers.readline()
        if size:
            expected = json.loads(size)
            text = None if expected is None else answers.read(expected)
            if text is None or len(text) == expected:
                return text
    except BrokenPipeError:
        pass
    raise CvimakeError(
        "the process that reads networks was ended by somebody else",
        "Start again: there may be too little memory.",
    )


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise AssertionError("it was started with pipes")
    return process.stdin, process.stdout


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in _pipes(process):
        # What it has not read is still in the pipe.
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
