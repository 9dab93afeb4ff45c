"""The preloaded library does the interpreter's arithmetic with the interpreter's own bits, or stands aside.

To try more numbers, or others:

    CVIMAKE_TEST_COMMANDS=1000000 CVIMAKE_TEST_SEED=7 pytest tests/integration/test_interpreter.py
"""

from __future__ import annotations

import pytest
from lab import PROBES, Lab
from test_simulator import COMMANDS, COMPARE, OFF, SEED, WITH_ANOTHER, Ran, run

from cvimake.core.action import Action, Limits
from cvimake.core.errors import StageFailedError
from cvimake.core.resources import docker_folder

PROBE = PROBES / "interpreted_numbers.py"
# Copies pymlir.so with one other bit in a function that is replaced, and runs a command with the copy.
WITH_ANOTHER_PYMLIR = """
import os, sys
import pymlir
library = bytearray(open(pymlir.__file__, "rb").read())
# The padding after bf16_add.
assert library[0x1847ef7 - 0x1000] == 0x66
library[0x1847ef7 - 0x1000 + 8] ^= 1
open(os.path.basename(pymlir.__file__), "wb").write(library)
os.environ["PYTHONPATH"] = "/workspace:" + os.environ["PYTHONPATH"]
os.execvp(sys.executable, [sys.executable, *sys.argv[1:]])
"""
FUNCTIONS = {
    "scale", "shift", "whole_long", "rounded_float", "fit_whole", "fit", "to_bf16", "as_bf16", "add",
    "multiply",
}  # fmt: skip


def numbers(lab: Lab, count: int = 10 * COMMANDS, program: str = "") -> Action:
    """Random numbers for each function; with a program, that runs first and starts the probe."""
    limits = Limits(seconds=60.0 + count / 1000)
    if not program:
        return lab.action(PROBE, SEED, str(count), limits=limits)
    lab.add_input(PROBE.name, PROBE.read_bytes())
    return lab.action(program, PROBE.name, SEED, str(count), limits=limits)


def replaced(ran: Ran) -> set[str]:
    assert not ran.result["difference"]
    return set(ran.result["replaced"])


def test_random_numbers_give_the_interpreters_bits(lab: Lab) -> None:
    assert replaced(run(lab, numbers(lab))) == FUNCTIONS


def test_it_stands_aside_if_it_is_switched_off(lab: Lab) -> None:
    assert not replaced(run(lab, numbers(lab, 1), OFF))


def test_it_stands_aside_for_an_unknown_interpreter(lab: Lab) -> None:
    assert not replaced(run(lab, numbers(lab, 1, WITH_ANOTHER_PYMLIR)))
    known = WITH_ANOTHER_PYMLIR.replace("^= 1", "^= 0")
    assert replaced(run(lab, numbers(lab, 1, known))) == FUNCTIONS


def test_one_wrong_bit_is_found(lab: Lab) -> None:
    others = ("sha256.h", "simulator-convolution.h", "simulator-copy.h", "simulator.c")
    for name in ("compile-simulator.sh", *others):
        lab.add_input(name, (docker_folder() / name).read_bytes())
    source = (docker_folder() / "interpreter.c").read_text(encoding="utf-8")
    exact = "value < least ? least : value > most ? most : value;"
    assert source.count(exact) == 1
    lab.add_input("interpreter.c", source.replace(exact, exact.replace("value;", "value ^ 1;")))
    assert "fit" in run(lab, numbers(lab, program=WITH_ANOTHER)).result["difference"]
    action = numbers(lab, program=WITH_ANOTHER)
    with pytest.raises(StageFailedError):
        run(lab, action, COMPARE)
    assert "differs from the interpreter's own" in lab.sandbox.log_path(action).read_text(encoding="utf-8")
