"""Reads an ONNX file in a process of its own: anybody may have written it.

A small file can take any amount of memory or time, most of all when shapes are inferred: for example, a
tensor of 2,000 axes that 200,000 operators pass on. So a child process with limits reads the file and answers
with the graph as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import resizing
from cvimake.project.networks.network import Network, from_model
from cvimake.project.networks.skeleton import skeleton

# The child's memory in bytes, without the file itself, which is mapped and not read.
MEMORY = 512 * 1024**2
SECONDS = 120
_LONGEST_ANSWER = 32 * 1024**2
_PIECE = 1024**2
_CHILD = """
import sys
sys.path.append(sys.argv[1])
from cvimake.project.networks import reading
getattr(reading, sys.argv[2])(*sys.argv[3:])
"""
_PACKAGES = Path(__file__).parents[3]


def read(path: Path, shapes: Sequence[Sequence[int]] | None = None, outputs: Sequence[str] = ()) -> Network:
    """Return the graph of an ONNX file.

    Args:
        path: the file.
        shapes: other shapes for its inputs; an error tells that it cannot have them.
        outputs: with other shapes, the tensors that the network shall end in; empty for its own outputs.

    Raises:
        CvimakeError: it is not an ONNX file, cannot take these shapes, or takes too much memory or time.
        OSError: it cannot be read.
    """
    path.open("rb").close()
    asked = json.dumps([shapes, list(outputs)])
    try:
        ended = subprocess.run(
            [*command("main"), str(path), asked],
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return network_of(path, None)
    return network_of(path, ended.stdout if ended.returncode == 0 else b"")


def command(function: str) -> list[str]:
    """Return the command that calls a function of this file, with further arguments, in a new process."""
    return [sys.executable, "-I", "-c", _CHILD, str(_PACKAGES), function]


def network_of(path: Path, text: bytes | None) -> Network:
    """Return the graph that a child has answered with.

    Args:
        path: the file that it has read.
        text: the answer; empty if it has failed, None if it took too long.

    Raises:
        CvimakeError: see `read`.
    """
    if not text:
        limit = f"{SECONDS} s" if text is None else f"{MEMORY // 1024**2} MB of memory"
        raise _too_large(path, limit)
    answer = json.loads(text)
    if "error" in answer:
        raise CvimakeError(answer["error"], answer["remedy"])
    return TypeAdapter(Network).validate_python(answer)


def _too_large(path: Path, limit: str) -> CvimakeError:
    return CvimakeError(
        f"{path}: reading its graph takes more than {limit}, more than that of any network for a camera",
        "Simplify the network (onnxsim), or check whether the file is damaged.",
    )


def main(path: str, asked: str) -> None:
    """Write the graph, or the error, to standard output. The child process calls this."""
    # More threads would only take memory. numpy asks for the number when it is imported.
    os.putenv("OPENBLAS_NUM_THREADS", "1")
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY + Path(path).stat().st_size
    if most == resource.RLIM_INFINITY or limit < most:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        text = _json(Path(path), *json.loads(asked))
    except CvimakeError as error:
        text = json.dumps({"error": error.cause, "remedy": error.remedy})
    if len(text) > _LONGEST_ANSWER:
        raise MemoryError
    with os.fdopen(1, "wb", closefd=False) as answers:
        answers.write(text.encode())


def serve() -> None:
    """Read the files that are named on standard input, one after another, until it ends; see `readers.py`.

    Each is read in a child of this process, which has loaded the onnx package already.
    """
    os.putenv("OPENBLAS_NUM_THREADS", "1")
    import onnx  # noqa: F401, PLC0415 - takes a third of a second, and the children need it

    with os.fdopen(0, "rb") as requests, os.fdopen(1, "wb") as answers:
        for line in requests:
            text = _of_child(*json.loads(line))
            answers.write(json.dumps(None if text is None else len(text)).encode() + b"\n" + (text or b""))
            answers.flush()


def _of_child(path: str, asked: str) -> bytes | None:
    """Return the answer of a child; empty if it failed, None if it took too long."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            # The child knows nothing of other files, and its answer goes to the pipe.
            os.dup2(write, 1)
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            os.close(0)
            main(path, asked)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - nothing of this process may go on in the child
            os._exit(1)
    os.close(write)
    text, until = b"", time.monotonic() + SECONDS
    with os.fdopen(read, "rb", buffering=0) as answer:
        while select.select([answer], [], [], max(0.0, until - time.monotonic()))[0]:
            piece = answer.read(_PIECE)
            text += piece
            if not piece:
                _, status = os.waitpid(child, 0)
                return text if status == 0 else b""
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _json(path: Path, shapes: Sequence[Sequence[int]] | None, outputs: Sequence[str]) -> str:
    network = dataclasses.asdict(_parsed(path, shapes, outputs))
    network["constants"] = sorted(network["constants"], key=str)
    try:
        return json.dumps(network)
    except TypeError as error:
        # The onnx package returns bytes for a name that is not UTF-8.
        raise CvimakeError(f"{path} is damaged: a name in its graph is not text") from error


def _parsed(path: Path, shapes: Sequence[Sequence[int]] | None, outputs: Sequence[str]) -> Network:
    import onnx  # noqa: PLC0415 - takes a third of a second, and only the child needs it
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - as onnx

    try:
        model = onnx.load_model_from_string(skeleton(path))
    except DecodeError as error:
        raise CvimakeError(f"{path} is not an ONNX file, or is cut off") from error
    misfit = resizing.resize(model, shapes, outputs) if shapes else ""
    network = from_model(model)
    if shapes:
        misfit = misfit or resizing.misfit(network)
    if not (network.ir and network.opset and network.nodes):
        raise CvimakeError(f"{path} is not an ONNX file, or is cut off")
    if misfit:
        raise CvimakeError(f"{path} cannot take inputs of {shapes}: {misfit}", "Export it with that size.")
    return network
