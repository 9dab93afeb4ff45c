from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from cvimake.toolchain.container.estimate_time import Program, Replay, UnknownError, estimate

STEP = Path(__file__).parents[4] / "cvimake/toolchain/container/estimate_time.py"
COMPUTE, MEMORY = 0, 2
CONVOLUTION, ADDITION = 0, 3 | 2 << 4
WEIGHTS = [(0, 64, "/model.0/Conv_filter_reordered"), (64, 256, "/model.0/act/Mul_table")]


class Model:
    """Stands in for the toolchain's model: a command of the compute engine takes 100 cycles."""

    def cycles(self, command: bytes) -> int:
        assert len(command) == 112
        return 100

    def nanoseconds(self, command: bytes, megahertz: int) -> int:
        assert len(command) == 64
        return 50_000 // megahertz


def command(engine: int, words: dict[int, int]) -> bytes:
    """A command with these words, the others 0."""
    count = {COMPUTE: 28, MEMORY: 16}[engine]
    body = struct.pack(f"<{count}I", *(words.get(number, 0) for number in range(count)))
    return struct.pack("<BBBBI", 0xA7, len(body), engine, 0, 0) + body


def compute(operation: int = CONVOLUTION, *, waits_for: int = 0, operand: int = 0) -> bytes:
    return command(COMPUTE, {0: operation << 5, 1: waits_for << 16, 9: operand << 16})


def load(offset: int, *, to: int = 0, weights: bool = True, waits_for: int = 0) -> bytes:
    """A load of 2 channels of 3 rows of 5 bytes."""
    return command(
        MEMORY, {1: waits_for << 16, 3: weights << 16, 8: 2 << 16, 10: 3 << 16 | 5, 11: to, 12: offset, 13: 1}
    )


def program(*commands: bytes) -> Program:
    made = Program(Model(), WEIGHTS)  # type: ignore[arg-type] # all that it is asked
    made.run(b"".join(commands))
    return made


def together(made: Program) -> list[int]:
    return [replay.figures()["together"] for replay in made.replays]


# The two engines


def test_engines_that_do_not_wait_work_at_the_same_time() -> None:
    made = program(load(0), compute())
    assert [replay.figures() for replay in made.replays] == [
        {"megahertz": 500, "compute": 200, "memory": 100, "together": 200},
        {"megahertz": 750, "compute": 133, "memory": 66, "together": 133},
    ]


def test_an_engine_waits_for_the_command_of_the_other_that_it_names() -> None:
    assert together(program(load(0), compute(waits_for=1))) == [300, 199]
    assert together(program(load(0), load(0), compute(waits_for=1), load(0, waits_for=1))) == [400, 265]


def test_commands_that_wait_for_ever_have_no_estimate() -> None:
    with pytest.raises(UnknownError, match="comes later"):
        program(load(0), compute(waits_for=2))


def test_numbers_of_commands_begin_anew_after_65535() -> None:
    replay = Replay(500)
    for _ in range(65_537):
        replay.run(MEMORY, 0, 1)
    replay.run(COMPUTE, 2, 10)
    assert replay.figures()["together"] == 65_537 + 10


# Layers


def test_a_layer_is_named_after_its_weights() -> None:
    made = program(load(0, to=0x100), load(64, to=0x200), compute(operand=0x100), compute(operand=0x100))
    ((key, layer),) = made.layers.items()
    assert key == ("/model.0/Conv", "convolution")
    assert (layer.cycles, layer.commands) == (200, 2)


def test_weights_are_forgotten_when_something_else_is_loaded_over_them() -> None:
    made = program(load(0, to=0x100), load(0, to=0x100, weights=False), compute(operand=0x100))
    assert list(made.layers) == [("", "convolution")]


def test_arithmetic_has_no_name_even_where_weights_lay() -> None:
    made = program(load(0, to=0x100), compute(ADDITION, operand=0x100))
    assert list(made.layers) == [("", "addition")]


# Bytes


def test_bytes_that_are_moved_are_counted() -> None:
    store = command(MEMORY, {0: 1 << 6, 1: 2 << 3, 8: 4, 9: 7 << 16 | 6, 13: 1})
    made = program(load(0), store)
    assert (made.read, made.written) == (2 * 3 * 5, 4 * 7 * 6 * 2)


# What has no estimate


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        (compute()[:-1], "packed"),
        (compute()[:5], "in the middle"),
        (b"\xa5" + compute()[1:], "not those of this processor"),
        (b"\xa7\x04\x00\x00" + bytes(8), "has 4 bytes"),
        (compute(4), "does not know the operation 4.0"),
        (compute(1 | 3 << 4), "does not know the operation 1.3"),
        (compute(3 | 13 << 4), "does not know the operation 3.13"),
    ],
)
def test_unknown_commands_are_refused_before_the_model_is_asked(commands: bytes, reason: str) -> None:
    with pytest.raises(UnknownError, match=reason):
        program(commands)


@pytest.mark.parametrize(
    ("listing", "reason"),
    [
        ("For cv180x chip ONLY\nProgram #0\n", "cv181x alone"),
        ("rubbish", "cv181x alone"),
        ("For cv181x chip ONLY\nProgram #0\nProgram #1\n", "holds 2 programs"),
    ],
)
def test_cvimodels_that_are_not_known_are_refused(listing: str, reason: str) -> None:
    with pytest.raises(UnknownError, match=reason):
        estimate(b"", listing, None)  # type: ignore[arg-type] # refused before it is needed


# The program


def tool(folder: Path, code: int, listing: str) -> dict[str, str]:
    """An environment with a model_tool that prints a listing, and with a library of the toolchain."""
    (folder / "model_tool").write_text(f"#!/bin/sh\necho '{listing}'\nexit {code}\n", encoding="utf-8")
    (folder / "model_tool").chmod(0o755)
    (folder / "pymlir.py").write_text(f"__file__ = {_any_library()!r}\n", encoding="utf-8")
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(folder)}


def _any_library() -> str:
    import _ctypes  # noqa: PLC0415 - only its file counts

    return _ctypes.__file__


def test_a_cvimodel_of_another_processor_is_listed_and_has_no_estimate(tmp_path: Path) -> None:
    (tmp_path / "a.cvimodel").touch()
    listing = "For cv180x chip ONLY"
    command = [sys.executable, str(STEP), "a.cvimodel", "list.txt", "time.json"]
    subprocess.run(command, cwd=tmp_path, env=tool(tmp_path, 0, listing), check=True)
    assert (tmp_path / "list.txt").read_text(encoding="utf-8") == f"{listing}\n"
    found = json.loads((tmp_path / "time.json").read_text(encoding="utf-8"))
    assert found == {"unknown": "the toolchain's model is used for cv181x alone"}


def test_the_exit_code_is_that_of_the_tool(tmp_path: Path) -> None:
    command = [sys.executable, str(STEP), "a.cvimodel", "list.txt", "time.json"]
    ended = subprocess.run(command, cwd=tmp_path, env=tool(tmp_path, 3, ""), check=False)
    assert ended.returncode == 3
    assert not (tmp_path / "time.json").exists()
