"""The modes of files count for root too, in the tests that are about them."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

_VERSION = 0x20080522
# CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: reading and writing whatever the mode says.
_PASSING_OVER = 1 << 1 | 1 << 2


class _Head(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = tuple(
        (f"{name}_{part}", ctypes.c_uint32)
        for part in ("low", "high")
        for name in ("effective", "permitted", "inheritable")
    )


@contextlib.contextmanager
def as_anybody() -> Iterator[None]:
    """Takes from root, for this thread and what is within, the right to pass over the modes of files."""
    libc, head, sets = ctypes.CDLL(None, use_errno=True), _Head(_VERSION, 0), _Sets()
    _check(libc.capget(ctypes.byref(head), ctypes.byref(sets)))
    before = sets.effective_low
    sets.effective_low = before & ~_PASSING_OVER
    _check(libc.capset(ctypes.byref(head), ctypes.byref(sets)))
    try:
        yield
    finally:
        sets.effective_low = before
        _check(libc.capset(ctypes.byref(head), ctypes.byref(sets)))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
