"""Calls the functions that the preloaded library puts into pymlir.so, and pymlir's own, with equal numbers.

    probe.py SEED COUNT

COUNT is the number of calls of each function. `out.json` gets the names of the functions that are replaced,
and the first call with unequal results.
"""

import ctypes
import json
import random
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

NETWORK = """
module @net attributes {module.chip = "cv181x", module.platform = "ONNX", module.state = "TPU_LOWERED",
    module.weight_file = "net.npz"} {
  func.func @main(%arg0: tensor<1x4xf32> loc("given")) -> tensor<1x4xf32> {
    %0 = "top.Input"(%arg0) : (tensor<1x4xf32>) -> tensor<1x4xf32> loc("x")
    return %0 : tensor<1x4xf32> loc("end")
  } loc("main")
} loc("net")
"""
INTEGER_TYPE, ID_OF_KIND = 0x1AEC9F8, 17
WHOLE, SHORT, NUMBER, COUNT, FLAG, ANY = (
    ctypes.c_int64, ctypes.c_int32, ctypes.c_float, ctypes.c_uint32, ctypes.c_bool, ctypes.c_void_p,
)  # fmt: skip
# The ways of rounding that both kinds of numbers have; other ones end the process.
SHIFT_MODES, MODES = range(10), (0, 1, 2, 3, 9)
# Of arrays.
MOST = 1000


class IntegerType(ctypes.Structure):
    """MLIR's own description of a type: its kind, its width in bits, and how it is signed."""

    _fields_ = (("kind", ANY), ("width", ctypes.c_uint32, 30), ("sign", ctypes.c_uint32, 2))


def integer_types(base: int) -> list[IntegerType]:
    """Return integer types of all widths that occur, and of some that do not."""
    kind = (ctypes.c_void_p * (ID_OF_KIND + 1))()
    kind[ID_OF_KIND] = ctypes.c_void_p.from_address(base + INTEGER_TYPE).value
    widths = (1, 2, 4, 8, 16, 17, 32, 63)
    types = [IntegerType(ctypes.addressof(kind), width, sign) for width in widths for sign in range(3)]
    types[0].keep = kind
    return types


def draw_whole(draw: random.Random) -> int:
    """Return a whole number of any size, often near a power of two."""
    number = draw.getrandbits(draw.randrange(1, 64)) if draw.random() < 0.7 else 1 << draw.randrange(63)
    return draw.choice((-1, 1)) * (number + draw.randrange(-2, 3)) % 2**63 * draw.choice((-1, 1))


def draw_number(draw: random.Random) -> float:
    """Return a float: any bits, or one that is rounded, near a half, or a BF16."""
    match draw.randrange(5):
        case 0:
            return float(struct.unpack("f", draw.randbytes(4))[0])
        case 1:
            return draw.uniform(-300, 300)
        case 2:
            return draw.randrange(-70000, 70000) / 2
        case 3:
            return float(struct.unpack("f", bytes(2) + draw.randbytes(2))[0])
        case _:
            return float(np.float32(draw.gauss(0, 1) * 2.0 ** draw.randrange(-140, 127)))


def functions(base: int) -> dict[str, tuple[int, int, Any, list[Any], Callable[[random.Random], Any]]]:
    """Return for each function: offset, slot, types of result and arguments, and what draws arguments."""
    types = integer_types(base)

    def type_of(draw: random.Random) -> int:
        return ctypes.addressof(draw.choice(types))

    return {
        "scale": (0x186B7E0, 0x1B0CA68, WHOLE, [WHOLE, WHOLE, WHOLE, COUNT, COUNT], lambda draw: (
            draw_whole(draw), draw_whole(draw), draw.randrange(-40, 63), draw.randrange(5),
            draw.choice(MODES))),
        "shift": (0x18737B0, 0x1B0CD08, WHOLE, [WHOLE, SHORT, COUNT], lambda draw: (
            draw_whole(draw), draw.randrange(-63, 70), draw.choice(SHIFT_MODES))),
        "whole_long": (0x1874640, 0x1B0CCD8, WHOLE, [WHOLE, COUNT], lambda draw: (
            draw_whole(draw), draw.choice(MODES))),
        "rounded_float": (0x1873570, 0x1B0C928, WHOLE, [NUMBER, COUNT], lambda draw: (
            draw_number(draw), draw.choice(MODES))),
        "fit_whole": (0x1874BB0, 0x1B0CC28, WHOLE, [WHOLE, ANY, COUNT], lambda draw: (
            draw_whole(draw), type_of(draw), draw.choice(MODES))),
        "fit": (0x18748A0, 0x1B0CA70, WHOLE, [NUMBER, ANY, COUNT], lambda draw: (
            draw_number(draw), type_of(draw), draw.choice(MODES))),
        "to_bf16": (0x1847740, 0x1B0D320, ctypes.c_uint16, [NUMBER, FLAG], lambda draw: (
            draw_number(draw), draw.random() < 0.5)),
        "as_bf16": (0x1847A90, 0x1B0CB38, NUMBER, [NUMBER, FLAG], lambda draw: (
            draw_number(draw), draw.random() < 0.5)),
        "add": (0x1847DB0, 0x1B0D0E0, NUMBER, [NUMBER, NUMBER], lambda draw: (
            draw_number(draw), draw_number(draw))),
        "multiply": (0x1847F00, 0x1B0CB40, NUMBER, [NUMBER, NUMBER], lambda draw: (
            draw_number(draw), draw_number(draw))),
    }  # fmt: skip


def unequal(base: int, draw: random.Random, count: int) -> Iterator[str]:
    """Yield the calls with unequal results."""
    for name, (own, slot, result, arguments, new) in functions(base).items():
        call = ctypes.CFUNCTYPE(result, *arguments)
        theirs, ours = call(base + own), call(address_in(base + slot))
        for _ in range(count):
            given = new(draw)
            found, expected = (bytes(result(function(*given))) for function in (ours, theirs))
            if found != expected:
                yield f"{name}{given}: {found.hex()}, not {expected.hex()}"
    call = ctypes.CFUNCTYPE(None, ANY, ANY, SHORT, FLAG)
    theirs, ours = call(base + 0x1847910), call(address_in(base + 0x1B0C960))
    for number in range(max(1, count // MOST)):
        numbers = np.array([draw_number(draw) for _ in range(draw.randrange(MOST))], np.float32)
        expected, found = numbers.copy(), numbers.copy()
        # The second time in place.
        source = numbers if number % 2 else found
        ours(source.ctypes.data, found.ctypes.data, numbers.size, number % 3 == 0)
        theirs(numbers.ctypes.data, expected.ctypes.data, numbers.size, number % 3 == 0)
        if found.tobytes() != expected.tobytes():
            yield f"all_bf16: {numbers.tobytes().hex()}"


def address_in(slot: int) -> int:
    """Return the address that a slot holds."""
    return ctypes.c_void_p.from_address(slot).value or 0


def main(seed: int, count: int) -> None:
    import pymlir  # noqa: PLC0415 - only the container has it

    np.savez("net.npz")
    Path("net.mlir").write_text(NETWORK, encoding="utf-8")
    pymlir.set_mem_mode("value_mem")
    module = pymlir.module()
    # Here the library takes its place.
    module.load("net.mlir")
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    base = int(next(line for line in lines if "/pymlir." in line).partition("-")[0], 16)
    place = {name: address_in(base + slot) for name, (_, slot, *_) in functions(base).items()}
    replaced = [name for name, address in place.items() if not base <= address < base + 2**25]
    difference = next(unequal(base, random.Random(seed), count), "") if replaced else ""
    Path("out.json").write_text(
        json.dumps({"replaced": replaced, "difference": difference}), encoding="utf-8"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
