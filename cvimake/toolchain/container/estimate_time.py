"""Lists a cvimodel and estimates its time on the TPU: `estimate_time.py MODEL.cvimodel LISTING TIME.json`.

tpu_mlir has an analytic model of this processor (`CV18xx_profiling.cpp`). Its compiler uses the model, and
none of its tools prints the model's figures. The model tells how long a command of the compute engine (TIU)
or of the memory engine (TDMA) takes. This program asks the model about every command of the finished
cvimodel, and replays the commands on two engines that wait for each other as the commands say.

The model's functions are called one by one, and not through its `get_cycle`. That function leaves fields of a
command unset and then reads them, so its result depends on the bytes that happen to lie on the stack. Here
these fields are 0. All figures are whole numbers, the same on every machine.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import re
import struct
import subprocess
import sys
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Clocks of the TPU in MHz. The toolchain's model uses 500, and the camera's runtime 750 by default.
CLOCKS = (500, 750)
# The clock of the memory in MHz, as the toolchain's model has it.
_DRAM = 1886
# The only known processor: its number of lanes, and the bytes that a lane computes at once.
_PROCESSOR, _MAGIC, _LANES, _LANE_BYTES = "cv181x", 0xA7, 8, 16
# The kinds of commands: the engine that a command is for, and its length in bytes.
_TIU, _TDMA, _LENGTHS = 0, 2, {0: 112, 2: 64}
_HEADER, _COMMAND = struct.Struct("<8sI36x"), struct.Struct("<BBBBI")
# A command has 16 bits for the number of the other engine's command that it waits for. The count begins anew
# after 65535.
_ROUND = 65535
# The bits of an address in a lane.
_LANE_ADDRESS = 0x7FFF
_LOAD, _STORE = (0, 2), 1
_WEIGHTS = 1
# The operations of the compute engine, by `tsk_typ`, and for pooling and arithmetic also by `tsk_eu_typ`.
_TASKS = {0: "convolution", 2: "matrix multiplication"}
_POOLINGS = ("maximum pooling", "average pooling", "depthwise convolution")
_ARITHMETIC = (
    "multiplication", "multiply-add", "addition", "subtraction", "maximum", "minimum", "shift", "and", "or",
    "xor", "copy", "comparison", "table look-up",
)  # fmt: skip
# The operations that read a weight as their second operand: the weight's name tells the layer.
_WITH_WEIGHTS = frozenset({"convolution", "depthwise convolution", "matrix multiplication", "table look-up"})
# The suffixes with which the compiler makes the names of a layer's weights.
_OF_WEIGHTS = re.compile(r"_(?:filter|filter_reordered|bias|bias_packed|table|mantissa|quant|slope|bf16)+$")
_SECTION = re.compile(r"^\d{3,}\s+cmdbuf\s+\S+\s+(\d+)\s+(\d+)\s+[0-9a-f]{32}", re.MULTILINE)
_WEIGHT = re.compile(r"^\d{3,}\s+(\d+)\s+(\d+)\s+\w+(?:\s+\d+){4}\s+(\S.*?)\s*$", re.MULTILINE)
_CHIP = re.compile(r"^For (\S+) chip", re.MULTILINE)


class UnknownError(Exception):
    """There can be no estimate for a cvimodel; the text says why."""


@dataclass
class Layer:
    """The commands of one layer that do the same operation."""

    cycles: int = 0
    commands: int = 0


@dataclass
class Replay:
    """Two engines at one clock; times are in nanoseconds.

    Attributes:
        busy: how long each engine works.
        ends: when each command of an engine ends. The first entry stands for commands that wait for none.
    """

    megahertz: int
    busy: dict[int, int] = field(default_factory=lambda: {_TIU: 0, _TDMA: 0})
    ends: dict[int, list[int]] = field(default_factory=lambda: {_TIU: [0], _TDMA: [0]})

    def run(self, engine: int, waits_for: int, nanoseconds: int) -> None:
        """Add a command."""
        other = self.ends[_TDMA if engine == _TIU else _TIU]
        if waits_for:
            # Of the commands with this number, the latest one so far: no command waits for a later one.
            waits_for += (len(other) - 1 - waits_for) // _ROUND * _ROUND
            if waits_for < 0:
                raise UnknownError("a command waits for one that comes later")
        own = self.ends[engine]
        own.append(max(own[-1], other[waits_for]) + nanoseconds)
        self.busy[engine] += nanoseconds

    def figures(self) -> dict[str, int]:
        """Return the times at this clock."""
        return {
            "megahertz": self.megahertz,
            "compute": self.busy[_TIU],
            "memory": self.busy[_TDMA],
            "together": max(ends[-1] for ends in self.ends.values()),
        }


class MemoryCommand(ctypes.Structure):
    """A command of the memory engine in the form of the toolchain's model: 54 numbers."""

    _fields_ = (("numbers", ctypes.c_uint32 * 54),)


class Model:
    """The toolchain's analytic model: functions in a shared library of its package."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Find the functions, and tell the model which processor it is for."""
        ctypes.c_int64.in_dll(library, "_ZN8tpu_mlir7backend4Arch7NPU_NUME").value = _LANES
        ctypes.c_int64.in_dll(library, "_ZN8tpu_mlir7backend4Arch8EU_BYTESE").value = _LANE_BYTES
        self._parse_tiu = library["_ZN8tpu_mlir7backend6TiuReg13parse_tiu_regEPNS0_9tiu_reg_tEPKjh"]
        self._cycles = library["_ZN8tpu_mlir7backend6TiuReg11calTiuCycleERNS0_9tiu_reg_tE"]
        self._parse_tdma = library["_ZN8tpu_mlir7backend7TdmaReg14parse_tdma_regEPNS0_10tdma_reg_tEPKjh"]
        self._nanoseconds = library["_ZN8tpu_mlir7backend7TdmaReg8calCycleENS0_10tdma_reg_tEmm"]
        self._cycles.restype = self._nanoseconds.restype = ctypes.c_uint64
        self._nanoseconds.argtypes = [MemoryCommand, ctypes.c_uint64, ctypes.c_uint64]

    def cycles(self, command: bytes) -> int:
        """Return the cycles that a command of the compute engine takes."""
        fields = (ctypes.c_uint32 * 113)()
        self._parse_tiu(fields, command, ctypes.c_ubyte(_MAGIC))
        return int(self._cycles(fields))

    def nanoseconds(self, command: bytes, megahertz: int) -> int:
        """Return the nanoseconds that a command of the memory engine takes."""
        fields = MemoryCommand()
        self._parse_tdma(ctypes.byref(fields), command, ctypes.c_ubyte(_MAGIC))
        return int(self._nanoseconds(fields, _DRAM, megahertz))


class Program:
    """The commands of a cvimodel, in the order in which the two engines get them.

    Attributes:
        layers: the work of each layer, by the layer's name and the operation.
        read: bytes that the memory engine reads from the memory.
        written: bytes that it writes there.
    """

    def __init__(self, model: Model, weights: list[tuple[int, int, str]]) -> None:
        """Take the model, and for each weight its offset in the section of weights, its size and its name."""
        self._model = model
        self._weights = sorted(weights)
        self._begins = [begin for begin, _, _ in self._weights]
        # The layers whose weights lie in the lanes, by address.
        self._loaded: dict[int, str] = {}
        self.replays = [Replay(clock) for clock in CLOCKS]
        self.layers: dict[tuple[str, str], Layer] = {}
        self.read = self.written = 0

    def run(self, commands: bytes) -> None:
        """Add all commands of a section.

        Raises:
            UnknownError: the section holds something that is no command, or none that the model knows.
        """
        at = 0
        while at < len(commands):
            if len(commands) - at < _COMMAND.size:
                raise UnknownError("its commands end in the middle of one")
            magic, length, engine, _, _ = _COMMAND.unpack_from(commands, at)
            at += _COMMAND.size
            engine &= 0xF
            if magic != _MAGIC or at + length > len(commands):
                raise UnknownError("its commands are packed, or not those of this processor")
            if engine in _LENGTHS:
                if length != _LENGTHS[engine]:
                    raise UnknownError(f"a command of engine {engine} has {length} bytes")
                self._add(engine, commands[at : at + length])
            at += length

    def _add(self, engine: int, command: bytes) -> None:
        words = struct.unpack(f"<{len(command) // 4}I", command)
        # For both engines the same bits hold the number of the other one's command that has to end first.
        waits_for = words[1] >> 16
        if engine == _TIU:
            cycles = self._compute(words, command)
            times = [cycles * 1000 // replay.megahertz for replay in self.replays]
        else:
            self._transfer(words)
            times = [self._model.nanoseconds(command, replay.megahertz) for replay in self.replays]
        for replay, nanoseconds in zip(self.replays, times, strict=True):
            replay.run(engine, waits_for, nanoseconds)

    def _compute(self, words: tuple[int, ...], command: bytes) -> int:
        """Add the cycles of a command of the compute engine to its layer."""
        kind = _kind(words)
        cycles = self._model.cycles(command)
        name = self._loaded.get(words[9] >> 16 & _LANE_ADDRESS, "") if kind in _WITH_WEIGHTS else ""
        layer = self.layers.setdefault((name, kind), Layer())
        layer.cycles += cycles
        layer.commands += 1
        return cycles

    def _transfer(self, words: tuple[int, ...]) -> None:
        """Count the bytes that a command of the memory engine moves, and note which weights it loads."""
        direction = words[0] >> 6 & 3
        if direction in _LOAD:
            size = _moved(words, words[8] >> 16, words[10] >> 16, words[10] & 0xFFFF, words[1] >> 5)
            self.read += size
            address = words[11] & _LANE_ADDRESS
            self._loaded.pop(address, None)
            if words[3] >> 16 & 7 == _WEIGHTS and (name := self._weight(words[12])):
                self._loaded[address] = name
        if direction == _STORE:
            self.written += _moved(words, words[8] & 0xFFFF, words[9] >> 16, words[9] & 0xFFFF, words[1] >> 3)

    def _weight(self, offset: int) -> str:
        """Return the layer whose weight lies at an offset in the weights' section; empty if there is none."""
        found = bisect_right(self._begins, offset) - 1
        if found < 0 or offset >= self._begins[found] + self._weights[found][1]:
            return ""
        return _OF_WEIGHTS.sub("", self._weights[found][2])


def _kind(words: tuple[int, ...]) -> str:
    """Return the operation of a command of the compute engine.

    Raises:
        UnknownError: the model does not know it. Asking the model would end the whole process.
    """
    task, unit = words[0] >> 5 & 0xF, words[0] >> 9 & 0x1F
    if task in _TASKS:
        return _TASKS[task]
    names = {1: _POOLINGS, 3: _ARITHMETIC}.get(task, ())
    if unit >= len(names):
        raise UnknownError(f"the toolchain's model does not know the operation {task}.{unit}")
    return names[unit]


def _moved(words: tuple[int, ...], channels: int, height: int, width: int, form: int) -> int:
    """Return the bytes that a command of the memory engine moves: a row of bytes, a matrix, or a tensor."""
    if words[0] >> 10 & 1:
        return words[7]
    matrix = words[1] >> 8 & 1
    rows = channels if matrix else (words[13] & 0xFFFF) * channels * height
    return rows * width * (2 if form & 3 == 2 else 1)  # noqa: PLR2004 - the number of BF16


def estimate(model: bytes, listing: str, library: ctypes.CDLL) -> dict[str, Any]:
    """Return the estimate and its parts.

    Raises:
        UnknownError: there can be no estimate for this cvimodel.
    """
    chip = _CHIP.search(listing)
    if chip is None or chip[1] != _PROCESSOR:
        raise UnknownError(f"the toolchain's model is used for {_PROCESSOR} alone")
    head, *programs = re.split(r"^Program #\d+", listing, flags=re.MULTILINE)
    if len(programs) != 1:
        raise UnknownError(f"it holds {len(programs)} programs, and one is expected")
    sections, _, weights = head.partition("WeightMap:")
    program = Program(
        Model(library), [(int(found[1]), int(found[2]), found[3]) for found in _WEIGHT.finditer(weights)]
    )
    begin = _HEADER.size + _HEADER.unpack_from(model)[1]
    for found in _SECTION.finditer(sections):
        size, offset = int(found[1]), int(found[2])
        program.run(model[begin + offset : begin + offset + size])
    return {
        "clocks": [replay.figures() for replay in program.replays],
        "read": program.read,
        "written": program.written,
        "layers": [
            {"name": name, "operation": kind, "cycles": layer.cycles, "commands": layer.commands}
            for (name, kind), layer in program.layers.items()
        ],
    }


def main(model: str, listing: str, result: str) -> int:
    """Write the listing and the estimate; return the exit code of the tool that lists."""
    with Path(listing).open("wb") as out:
        code = subprocess.run(["model_tool", "--info", model], stdout=out, check=False).returncode
    if code == 0:
        library = ctypes.CDLL(importlib.import_module("pymlir").__file__)
        text = Path(listing).read_text(encoding="utf-8", errors="replace")
        try:
            found = estimate(Path(model).read_bytes(), text, library)
        except UnknownError as error:
            found = {"unknown": str(error)}
        Path(result).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
