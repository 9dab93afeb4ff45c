"""Reads the listing that `model_tool --info` prints of a cvimodel."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict

from cvimake.core.errors import CvimakeError

_SECTION = re.compile(r"\d{3,}\s+(\w+)\s+(\S+)\s+(\d+)\s+(\d+)\s+([0-9a-f]{32})")
# There is no blank behind the longest types.
_TYPE = r"(fp32|bf16|u?int(?:8|16|32))\s*"
_SHAPE = r"(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+"
_WEIGHT = re.compile(rf"\d{{3,}}\s+(\d+)\s+(\d+)\s+{_TYPE}{_SHAPE}(\S.*)")
_TENSOR = re.compile(rf"\d{{3,}}\s+\d+\s+{_TYPE}{_SHAPE}(\S+)\s+(?:io_mem|shared|private)\s+(\S.*)")
# The listing has this for a scale that is too small or too large.
_UNLISTED = "-"
_ION = re.compile(r"ION Memory Size: \(([\d.]+) MB\)")


class ListingError(CvimakeError):
    """The text is not such a listing, or has an unknown line."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Tensor(_Value):
    """An input or output of the network.

    Attributes:
        shape: padded to four axes.
        type: fp32, bf16, int8, uint8 …
        scale: the value of one step of a whole number; 1 for a float; None if the listing does not have it,
            because it is very small or very large.
    """

    name: str
    shape: tuple[int, int, int, int]
    type: str
    scale: float | None

    @property
    def scale_text(self) -> str:
        """The scale as text."""
        return "too small or too large to be listed" if self.scale is None else f"{self.scale:g}"


class Weight(_Value):
    """One weight of the network; size in bytes, offset in its section."""

    name: str
    type: str
    shape: tuple[int, int, int, int]
    size: int
    offset: int


class Section(_Value):
    """A part of the file; size and offset in bytes."""

    type: str
    name: str
    size: int
    offset: int
    md5: str


class Listing(_Value):
    """The content of a listing.

    Attributes:
        ion_memory: MB of the camera's ION pool.
    """

    compiler: str
    format: str
    name: str
    built: str
    processor: str
    ion_memory: float
    sections: tuple[Section, ...]
    weights: tuple[Weight, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def parse(text: str) -> Listing:
    """Read a listing.

    Raises:
        ListingError: it is not such a listing, or has an unknown line.
    """
    head, _, program = text.partition("Program #0")
    sections, _, weights = head.partition("WeightMap:")
    program, _, tensor_map = program.partition("Program #1")[0].partition("tensor_map")
    try:
        tensors = {
            match[7]: Tensor(name=match[7], shape=_shape(match, 2), type=match[1], scale=_scale(match[6]))
            for match in _rows(_TENSOR, tensor_map)
        }
        return Listing(
            compiler=_find(r"^Mlir Version: (\S+)", head),
            format=_find(r"^Cvimodel Version: (\S+)", head),
            name=_find(r"^(\S+) Build at ", head),
            built=_find(r"^\S+ Build at (.+)$", head),
            processor=_find(r"^For (\S+) chip", head),
            ion_memory=float(_find(_ION.pattern, head)),
            sections=tuple(
                Section(type=match[1], name=match[2], size=int(match[3]), offset=int(match[4]), md5=match[5])
                for match in _rows(_SECTION, sections.partition("Sections:")[2])
            ),
            weights=tuple(
                Weight(
                    name=match[8],
                    type=match[3],
                    shape=_shape(match, 4),
                    size=int(match[2]),
                    offset=int(match[1]),
                )
                for match in _rows(_WEIGHT, weights)
            ),
            inputs=_named(_find(r"^\s+inputs +: (.+)$", program), tensors),
            outputs=_named(_find(r"^\s+outputs +: (.+)$", program), tensors),
        )
    except LookupError as error:
        raise ListingError(f"not a cvimodel that model_tool understands: {error.args[0]}") from error


def _rows(row: re.Pattern[str], table: str) -> Iterator[re.Match[str]]:
    """Yield the rows of a table, without its head.

    Raises:
        LookupError: a line is not a row.
    """
    for line in table.splitlines():
        text = line.strip()
        # The line with the names of the columns, and the rest of the line with the name of the table.
        if not text or text.startswith("ID ") or text == ":":
            continue
        if (match := row.fullmatch(text)) is None:
            raise LookupError(f"cvimake does not know this line of its listing: {text!r}")
        yield match


def _named(names: str, tensors: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """Return the tensors of a list of names; a name may itself hold a comma.

    Raises:
        LookupError: there is no such tensor.
    """
    found: list[Tensor] = []
    left = f"{names},"
    while left:
        fitting = [name for name in tensors if left.startswith(f"{name},")]
        if not fitting:
            raise LookupError(f"its listing has no tensor {left[:-1]!r}")
        # If two names fit, the longer one is meant: it begins with the other.
        name = max(fitting, key=len)
        found.append(tensors[name])
        left = left[len(name) + 1 :]
    return tuple(found)


def _scale(text: str) -> float | None:
    if text == _UNLISTED:
        return None
    try:
        scale = float(text)
    except ValueError:
        raise LookupError(f"its listing has {text!r} for a scale") from None
    return scale if math.isfinite(scale) else None


def _find(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise LookupError(f"its listing has no {pattern!r}")
    return match[1].strip()


def _shape(match: re.Match[str], first: int) -> tuple[int, int, int, int]:
    return (int(match[first]), int(match[first + 1]), int(match[first + 2]), int(match[first + 3]))
