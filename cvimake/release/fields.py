"""Finds the fields in which two files differ that should be equal, for people who look for the reason."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

from cvimake.toolchain.cvimodel import Listing

# `CviModel`, the size of the description, two bytes of version, the md5 of the rest, the processor.
_HEADER = struct.Struct("<8sI2B16s16s2x")
_HEADER_FIELDS = (
    (8, "magic"),
    (12, "body size"),
    (14, "version"),
    (30, "md5"),
    (46, "processor"),
    (48, "padding"),
)
# At most this many differences of a file are named.
_MOST = 8


def differences(name: str, old: bytes, new: bytes, listing: Listing | None = None) -> list[str]:
    """Return the places where two files differ; empty if they are equal.

    Args:
        name: their name. Its ending says how they are read.
        old: the bytes of the one.
        new: the bytes of the other.
        listing: the sections of the old one, if it is a cvimodel.
    """
    if old == new:
        return []
    found: Iterator[str]
    if name.endswith(".cvimodel"):
        found = _cvimodel(old, new, listing)
    elif name.endswith(".json"):
        found = _json(old, new)
    elif name.endswith(".npz"):
        found = _npz(old, new)
    else:
        found = _lines(old, new)
    places = list(dict.fromkeys(found)) or [_bytes(old, new)]
    more = [f"and {len(places) - _MOST} more places"] if len(places) > _MOST else []
    return [*places[:_MOST], *more]


def first_difference(old: bytes, new: bytes) -> int:
    """Return the offset of the first byte that differs, or the shorter's length if it begins the other."""
    shorter = min(len(old), len(new))
    low, high = 0, shorter
    # A binary search for the longest common beginning: a loop over bytes takes seconds for a megabyte.
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _bytes(old: bytes, new: bytes) -> str:
    offset = first_difference(old, new)
    sizes = "" if len(old) == len(new) else f"; {len(old)} and {len(new)} bytes"
    one, other = (data[offset : offset + 8].hex(" ") for data in (old, new))
    return f"from byte {offset} on: {one} and {other}{sizes}"


def _offsets(old: bytes, new: bytes) -> Iterator[int]:
    """Yield the offset of the first difference in each block of 16 bytes that differs."""
    for start in range(0, max(len(old), len(new)), 4096):
        if old[start : start + 4096] != new[start : start + 4096]:
            for offset in range(start, start + 4096, 16):
                one, other = old[offset : offset + 16], new[offset : offset + 16]
                if one != other:
                    yield offset + first_difference(one, other)


def _cvimodel(old: bytes, new: bytes, listing: Listing | None) -> Iterator[str]:
    if min(len(old), len(new)) < _HEADER.size:
        return
    body = _HEADER.unpack_from(old)[1]
    for offset in _offsets(old, new):
        if offset < _HEADER.size:
            field = next(text for end, text in _HEADER_FIELDS if offset < end)
            yield f"header: {field} (byte {offset})"
        elif offset < _HEADER.size + body:
            yield f"description of the network (from byte {_HEADER.size} to {_HEADER.size + body})"
        else:
            yield _in_section(offset - _HEADER.size - body, listing)


def _in_section(offset: int, listing: Listing | None) -> str:
    for section in listing.sections if listing else ():
        inner = offset - section.offset
        if not 0 <= inner < section.size:
            continue
        place = f"section {section.name} ({section.type})"
        if section.type == "weight":
            for weight in listing.weights if listing else ():
                if 0 <= inner - weight.offset < weight.size:
                    return f"{place}, tensor {weight.name}, at its byte {inner - weight.offset}"
        return f"{place}, at its byte {inner}"
    return f"byte {offset} after the description"


def _json(old: bytes, new: bytes) -> Iterator[str]:
    try:
        yield from _values("", json.loads(old), json.loads(new))
    except ValueError:
        yield from _lines(old, new)


def _values(place: str, old: Any, new: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _values(f"{place}.{key}" if place else key, old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _values(f"{place}[{number}]", one, other)
    elif old != new:
        yield f"{place}: {_short(old)} and {_short(new)}"


def _short(value: Any) -> str:  # noqa: ANN401 - any JSON value
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - what fits on a line


def _npz(old: bytes, new: bytes) -> Iterator[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(old)) as one, zipfile.ZipFile(io.BytesIO(new)) as other:
            names = sorted({*one.namelist(), *other.namelist()})
            for name in names:
                if name not in one.namelist() or name not in other.namelist():
                    yield f"array {name.removesuffix('.npy')}: only in one of them"
                elif (left := one.read(name)) != (right := other.read(name)):
                    yield f"array {name.removesuffix('.npy')}: {_bytes(left, right)}"
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError):
        return


def _lines(old: bytes, new: bytes) -> Iterator[str]:
    if b"\0" in old[:4096] or b"\0" in new[:4096]:
        return
    left, right = old.decode(errors="replace").split("\n"), new.decode(errors="replace").split("\n")
    for number, (one, other) in enumerate(zip(left, right, strict=False), 1):
        if one != other:
            yield f"line {number}: {_short(one)} and {_short(other)}"
    if len(left) != len(right):
        yield f"{len(left)} and {len(right)} lines"
