"""Runs convolutions and copies on the toolchain's simulator, and writes what they computed.

    probe.py LIBRARY SEED COUNT [FIRST]

The first copies convert every BF16 number to INT8, and every INT8 number to BF16. All other commands are
random.

LIBRARY is the simulator. `out.json` gets, for each hundred commands, a digest of all memory after each of
them. A command depends on SEED and its number alone, so that any of them can be run by itself; FIRST is the
number of the first.
"""

import ctypes
import itertools
import json
import random
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

LANES, UNITS, LANE_SIZE = 8, 16, 32768
GLOBAL_SIZE = 65536
# The addresses of the local and the global memory in the simulator's own description of a TPU.
MEMORIES_AT = {0x58: LANES * LANE_SIZE, 0x60: GLOBAL_SIZE}
# Memories to choose from have this size: each is a part of a larger pool.
POOL = 16 * LANES * LANE_SIZE
LOAD, STORE, LOCAL_TO_LOCAL = 0, 1, 3
INT8, BF16 = 1, 2
# Shares of the commands: copies, and those of an unusual form; BF16 numbers of which few are extreme.
A_TENTH, A_QUARTER, NEARLY_ALL = 0.1, 0.25, 0.95
MOSTLY = 0.7
# The fields of a compute command, from its first bit to its last, with their widths (CV18xx_profiling.cpp of
# tpu_mlir names them; an empty name is a gap).
FIELDS = [
    *[("en", 1), ("end", 1), ("id_en", 1), ("keep", 1), ("intr", 1), ("type", 4), ("unit", 5)],
    *[("operands", 2), ("res_shift", 6), ("left_shift", 5), ("shift_type", 1), ("round", 1), ("", 1)],
    *[("bf16", 1), ("per_channel", 1), ("id_tpu", 16), ("id_gdma", 16), ("multiplier", 32)],
    *[("signed_result", 1), ("signed_input", 1), ("signed_weights", 1), ("signed_bias", 1)],
    *[("wide_result", 2), ("wide_input", 2), ("wide_weights", 2), ("wide_bias", 1), ("partial", 2)],
    *[("double", 1), ("left_tran", 1), ("fp_round", 1), ("relu", 2), ("relu_value", 8), ("pre_type", 1)],
    *[("add", 1), ("", 4), ("insert_x", 4), ("insert_y", 4), ("end_x", 4), ("end_y", 4)],
    *[("dilation_x", 4), ("dilation_y", 4), ("", 8), ("fill", 16), ("top", 4), ("bottom", 4), ("left", 4)],
    *[("right", 4), ("res_n", 12), ("res_c", 12), ("res_h", 12), ("res_w", 12), ("stride_x", 5)],
    *[
        ("stride_y", 5),
        ("pre", 2),
        ("", 4),
        ("res_at", 24),
        ("in_at", 24),
        ("weights_at", 16),
        ("bias_at", 16),
    ],
    *[("in_const", 1), ("weights_const", 1), ("bias_const", 1), ("same", 1), ("res_short", 2)],
    *[("in_short", 2), ("weights_short", 2), ("bias_short", 2), ("", 4), ("in_n", 12), ("in_c", 12), ("", 8)],
    *[("in_h", 12), ("in_w", 12), ("weights_n", 12), ("weights_c", 12), ("weights_h", 12), ("weights_w", 12)],
    *[("bias_n", 12), ("bias_c", 12), ("bias_h", 12), ("bias_w", 12), ("", 8), ("layer", 16)],
    *[
        ("res_sn", 16),
        ("res_sc", 16),
        ("res_sh", 16),
        ("res_sw", 16),
        ("res_sb", 16),
        ("in_sn", 16),
        ("", 16),
    ],
    *[("in_sc", 16), ("in_sh", 16), ("in_sw", 16), ("in_sb", 16), ("weights_sn", 16), ("weights_sc", 16)],
    *[("weights_sh", 16), ("", 16), ("weights_sw", 16), ("weights_sb", 16), ("bias_sn", 16), ("bias_sc", 16)],
    *[("bias_sh", 16), ("bias_sw", 16), ("bias_sb", 16), ("", 16)],
]
# A command has 28 words of 32 bits.
assert sum(width for _, width in FIELDS) == 28 * 32
# The same for a copy, of 16 words.
COPY_FIELDS = [
    *[("valid", 1), ("compress", 1), ("end", 1), ("intr", 1), ("barrier", 1), ("check", 1), ("direction", 2)],
    *[("", 2), ("general", 1), ("transpose", 2), ("", 1), ("parallel", 1), ("outstanding", 1), ("id", 16)],
    *[("special", 3), ("dst_format", 2), ("src_format", 2), ("", 1), ("matrix", 1), ("", 4), ("signed", 1)],
    *[("guard", 1), ("round", 1), ("wait", 16), ("", 32), ("constant", 16), ("src_base", 3), ("", 1)],
    *[("dst_base", 3), ("", 9), ("dst_sh", 16), ("dst_sc", 16), ("dst_sn", 32), ("src_sh", 16)],
    *[("src_sc", 16), ("src_sn", 32), ("dst_c", 16), ("src_c", 16), ("dst_w", 16), ("dst_h", 16)],
    *[("src_w", 16), ("src_h", 16), ("dst_at", 32), ("src_at", 32), ("n", 16), ("", 16)],
    *[("src_sc_high", 16), ("dst_sc_high", 16), ("", 32)],
]
assert sum(width for _, width in COPY_FIELDS) == 16 * 32


def packed(fields: Sequence[tuple[str, int]], values: Mapping[str, int]) -> bytes:
    """Return the command with these values in its fields, and zeros in the others."""
    bits = place = 0
    for name, width in fields:
        value = values.get(name, 0)
        assert 0 <= value < 1 << width, (name, value)
        bits |= value << place
        place += width
    return bits.to_bytes(place // 8, "little")


def drawn_copy(choice: random.Random) -> dict[str, int]:
    """Return a random copy of which every byte is inside of its memory.

    Those inside of the local memory convert between INT8 and BF16 too, and many of them overlap.
    """
    direction = choice.choice([LOAD, STORE, LOCAL_TO_LOCAL, LOCAL_TO_LOCAL])
    formats = {"src": choice.choice([INT8, BF16]), "dst": choice.choice([INT8, BF16])}
    if direction != LOCAL_TO_LOCAL:
        formats["dst"] = formats["src"]
    while True:
        shape = [choice.choice([1, 2, 3, choice.randint(1, 30)]) for _ in "chw"]
        values = {"valid": 1, "end": 1, "direction": direction, "n": choice.choice([1, 1, 2, 3])}
        values |= {"signed": choice.randint(0, 1), "round": choice.randint(0, 1)}
        sides = [
            drawn_side(choice, shape, formats[side], is_local=direction != other)
            for side, other in (("src", LOAD), ("dst", STORE))
        ]
        if direction == LOCAL_TO_LOCAL and choice.random() < A_QUARTER:
            sides[1]["at"] = max(0, sides[0]["at"] + choice.choice([0, 1, -1, choice.randint(-40, 40)]))
        places = [
            inside(side, values["n"], is_local=direction != other)
            for side, other in zip(sides, (LOAD, STORE), strict=True)
        ]
        if all(places):
            for name, side in zip(("src", "dst"), sides, strict=True):
                side["sc_high"], side["sc"] = divmod(side["sc"] % (1 << 32), 1 << 16)
                side["sn"] %= 1 << 32
                values |= {f"{name}_{field}": value for field, value in side.items()}
            return values


def conversions() -> Iterator[dict[str, int]]:
    """Yield copies that convert 65536 numbers: of two bytes to one, and of one to two; with each rounding."""
    shape = {"c": LANES, "h": 8, "w": 1024, "at": 0}
    for is_signed, rounding, number in itertools.product((0, 1), (0, 1), (INT8, BF16)):
        values = {"valid": 1, "end": 1, "direction": LOCAL_TO_LOCAL, "n": 1}
        values |= {"signed": is_signed, "round": rounding}
        for name, size in (("src", number), ("dst", INT8 + BF16 - number)):
            side = shape | {"format": size, "sh": 1024 * size, "sc": 8192 * size, "sn": 8192 * size}
            values |= {f"{name}_{field}": value for field, value in side.items()}
        yield values | {"dst_at": LANE_SIZE // 2}


def drawn_side(choice: random.Random, shape: Sequence[int], number: int, *, is_local: bool) -> dict[str, int]:
    """Return one tensor of a copy; strides from lane to lane and from image to image may be negative."""
    # Another order of the same numbers is another shape with as many elements.
    channels, height, width = shape if choice.random() < MOSTLY else choice.sample(shape, 3)
    size = 2 if number == BF16 else 1
    strides = {"sh": width * size}
    strides["sc"] = height * (strides["sh"] + choice.choice([0, 0, 1, 16]))
    strides["sn"] = channels * strides["sc"]
    for name, usual in strides.items():
        stride = choice.randrange(0, 400) if choice.random() < A_QUARTER else usual
        # The places in the local memory are counted with 32 bits.
        is_negative = is_local and name != "sh" and choice.random() < A_TENTH
        strides[name] = -stride if is_negative else stride
    at = choice.randrange(LANES * LANE_SIZE if is_local else GLOBAL_SIZE)
    if choice.random() < MOSTLY:
        at -= at % size
    return strides | {"format": number, "c": channels, "h": height, "w": width, "at": at}


def inside(side: Mapping[str, int], images: int, *, is_local: bool) -> bool:
    """Tell whether a tensor of a copy is inside of its memory."""
    first = last = side["at"] % LANE_SIZE if is_local else side["at"]
    channels = (side["at"] // LANE_SIZE + side["c"] - 1) // LANES if is_local else side["c"] - 1
    for reach in (channels * side["sc"], (images - 1) * side["sn"], (side["h"] - 1) * side["sh"]):
        first, last = first + min(reach, 0), last + max(reach, 0)
    last += side["w"] * (2 if side["format"] == BF16 else 1)
    end, memory = (LANE_SIZE, LANES * LANE_SIZE) if is_local else (GLOBAL_SIZE, GLOBAL_SIZE)
    return first >= 0 and last <= end and side["at"] < memory and side["sh"] < 1 << 16


def aligned(size: int) -> int:
    return -(-size // UNITS) * UNITS


def drawn(choice: random.Random) -> dict[str, int]:
    """Return a random convolution whose operands and result fit into the local memory."""
    while True:
        values = shape(choice)
        kind = choice.choice(["int8", "per_channel", "bf16"])
        size = 2 if kind == "bf16" else 1
        values |= {"bf16": kind == "bf16", "per_channel": kind == "per_channel", "en": 1, "end": 1}
        values |= {"weights_short": 1, "bias_short": 2, "relu": choice.randint(0, 1)}
        values |= dict.fromkeys(("res_sb", "in_sb", "weights_sb", "bias_sb"), UNITS)
        for name in ("signed_input", "signed_weights"):
            values[name] = choice.randint(0, 1)
        values["operands"] = choice.choice([2, 3])
        values["fill"] = choice.choice([0, 0, choice.randrange(256)])
        # 1: the last of several partial sums, which are added up with 32 bits; 2: the first; 3: between.
        partial = choice.choice([0, 0, 1, 2, 3] if kind != "per_channel" else [0, 0, 1])
        values["partial"] = partial
        if partial > 1:
            values |= {"relu": 0, "operands": 2}
        if kind == "per_channel":
            values |= {"round": 1, "operands": 3, "signed_weights": 1}
        elif kind == "int8":
            values |= {"round": choice.randint(0, 1), "res_shift": choice.randrange(16) * (partial < 2)}
        else:
            values |= {"fp_round": choice.randint(0, 1)}
        if kind != "bf16":
            signed = values["signed_input"] | values["signed_weights"]
            values |= {"wide_result": 1, "wide_input": 1, "wide_weights": 1, "signed_bias": signed}
            values |= {"shift_type": signed, "relu": values["relu"] & signed}
            values["signed_result"] = signed & (1 - values["relu"])
        lanes = -(-values["res_c"] // LANES)
        sizes = {
            "in_at": values["in_n"]
            * -(-values["in_c"] // LANES)
            * aligned(values["in_h"] * values["in_w"] * size),
            "weights_at": aligned(lanes * values["in_c"] * values["weights_h"] * values["weights_w"] * size),
            "bias_at": aligned(lanes * 16),
            "res_at": values["in_n"] * lanes * aligned(values["res_h"] * values["res_w"] * size) * 4,
        }
        place = 0
        for name, taken in sizes.items():
            values[name] = place
            place += taken
        if place <= LANE_SIZE:
            return values


def shape(choice: random.Random) -> dict[str, int]:
    """Return the geometry of a random convolution: small, and with at least as many channels as lanes."""
    few = [0, 0, 0, 1, 2]
    while True:
        values = {"in_n": choice.choice([1, 1, 2]), "in_c": choice.randint(1, 14)}
        values |= {name: choice.randint(1, 12) for name in ("in_h", "in_w")}
        values |= {name: choice.choice([1, 1, 2, 3, 3, 5]) for name in ("weights_h", "weights_w")}
        values |= {name: choice.choice([1, 1, 1, 2, 2, 3, 7]) for name in ("stride_x", "stride_y")}
        values |= {name: choice.choice(few) for name in ("dilation_x", "dilation_y", "insert_x", "insert_y")}
        values |= {name: choice.choice(few) for name in ("end_x", "end_y", "top", "bottom", "left", "right")}
        high = (values["in_h"] - 1) * (values["insert_y"] + 1) + 1 + values["end_y"]
        wide = (values["in_w"] - 1) * (values["insert_x"] + 1) + 1 + values["end_x"]
        high += values["top"] + values["bottom"] - (values["weights_h"] - 1) * (values["dilation_y"] + 1) - 1
        wide += values["left"] + values["right"] - (values["weights_w"] - 1) * (values["dilation_x"] + 1) - 1
        if high < 0 or wide < 0:
            continue
        values |= {"res_n": values["in_n"], "res_c": choice.randint(LANES, 24)}
        values |= {"res_h": high // values["stride_y"] + 1, "res_w": wide // values["stride_x"] + 1}
        values |= {"weights_n": values["in_c"], "weights_c": values["res_c"]}
        return values | {"bias_n": 1, "bias_c": values["res_c"], "bias_h": 1, "bias_w": 1}


class Tpu:
    """A simulated TPU, which runs one command after another."""

    def __init__(self, simulator: str) -> None:
        library = ctypes.CDLL(simulator)
        # Its words 3, 5, 7 and 16: lanes, units and bytes of a lane, bytes of the global memory.
        configuration = (ctypes.c_uint32 * 20)()
        configuration[3], configuration[5], configuration[7] = LANES, UNITS, LANE_SIZE
        configuration[16] = GLOBAL_SIZE
        self.chip = ctypes.c_void_p()
        library.bm_cmodel_init(ctypes.byref(self.chip), configuration)
        self.memories = [
            np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(self._pointer(place)))
            for place, size in MEMORIES_AT.items()
        ]
        self._compute = library["_ZN6cmodel4mars17call_tiu_functionEP6chip_tPv"]
        self._compute.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self._run = library["_Z22cmodel_mars_run_cmdbufP9bm_cmodelmmmm"]
        self._run.argtypes = [ctypes.c_void_p, *[ctypes.c_uint64] * 4]

    def compute(self, command: bytes) -> None:
        self._compute(self.chip, command)

    def copy(self, command: bytes) -> None:
        """Run a copy, which is in the global memory before."""
        self.memories[1][: len(command)] = np.frombuffer(command, np.uint8)
        self._run(self.chip, 0, 0, 0, len(command))

    def _pointer(self, place: int) -> int:
        return ctypes.c_uint64.from_address((self.chip.value or 0) + place).value


def pools(seed: int) -> dict[str, Any]:
    """Return bytes to fill the memory with: any bits, and numbers in BF16 of which few are extreme."""
    draw = np.random.default_rng(seed)
    any_bits = draw.integers(0, 256, POOL, dtype=np.uint8)
    exponents = draw.integers(100, 140, POOL // 2)
    # Zeros and denormals; numbers whose products are denormal; numbers whose products overflow.
    kinds = draw.random(POOL // 2)
    exponents[kinds < 0.06] = 0
    exponents[(kinds > 0.06) & (kinds < 0.2)] = draw.integers(50, 70)
    bits = draw.integers(0, 2, POOL // 2) << 15 | exponents << 7 | draw.integers(0, 128, POOL // 2)
    bits[: POOL // 2 // 16][kinds[: POOL // 2 // 16] > 0.999] |= 254 << 7
    bits[kinds < 0.03] &= 0x8000
    return {"any": any_bits, "bf16": bits.astype("<u2").view(np.uint8)}


def main(library: str, seed: int, count: int, first: int = 0) -> None:
    """Run the conversions, then the random commands."""
    tpu, data = Tpu(library), pools(seed)
    digests, digest = [], 0
    for values in conversions():
        for memory in tpu.memories:
            memory[:] = 0
        every = np.arange(1 << 16, dtype="<u2").view(np.uint8)
        tpu.memories[0].reshape(LANES, LANE_SIZE)[:, : LANE_SIZE // 2] = every.reshape(LANES, -1)
        tpu.copy(packed(COPY_FIELDS, values))
        digest = zlib.crc32(tpu.memories[0].data, digest)
    for number in range(first, first + count):
        choice = random.Random(f"{seed} {number}")
        is_copy = choice.random() < A_QUARTER
        values = drawn_copy(choice) if is_copy else drawn(choice)
        share = MOSTLY if values.get("src_format") == BF16 else NEARLY_ALL if values.get("bf16") else 0.0
        kind = "bf16" if choice.random() < share else "any"
        for memory in tpu.memories if is_copy else tpu.memories[:1]:
            place = choice.randrange((POOL - memory.size) // 2) * 2
            memory[:] = data[kind][place : place + memory.size]
        if is_copy:
            tpu.copy(packed(COPY_FIELDS, values))
        else:
            tpu.compute(packed(FIELDS, values))
        for memory in tpu.memories if is_copy else tpu.memories[:1]:
            digest = zlib.crc32(memory.data, digest)
        if number % 100 == 99 or number == first + count - 1:
            digests.append(digest)
    Path("out.json").write_text(json.dumps(digests), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], *(int(argument) for argument in sys.argv[2:]))
