"""What is in a cvimodel, from the listing that `model_tool --info` prints."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

from cvimake.errors import CvimakeError

_SECTION = re.compile(r"^\d{3,}\s+(\w+)\s+(\S+)\s+(\d+)\s+(\d+)\s+([0-9a-f]{32})", re.MULTILINE)
_WEIGHT = re.compile(
    r"^\d{3,}\s+(\d+)\s+(\d+)\s+(\w+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\S.*?)\s*$", re.MULTILINE
)
_TENSOR = re.compile(
    r"^\s+\d{3,}\s+\d+\s+(\w+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(io_mem|shared|private)\s+(\S.*?)\s*$",
    re.MULTILINE,
)
_ION = re.compile(r"ION Memory Size: \(([\d.]+) MB\)")


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Tensor(_Value):
    """An input or output of the network.

    Attributes:
        shape: padded to four axes.
        type: fp32, bf16, int8, uint8 …
        scale: what a whole number stands for; 1 for a float.
    """

    name: str
    shape: tuple[int, int, int, int]
    type: str
    scale: float


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
    """What `model_tool --info` tells.

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
    """The listing as values.

    Raises:
        CvimakeError: it is not such a listing.
    """
    head, _, program = text.partition("Program #0")
    sections, _, weights = head.partition("WeightMap:")
    tensors = {
        match[8]: Tensor(name=match[8], shape=_shape(match, 2), type=match[1], scale=float(match[6]))
        for match in _TENSOR.finditer(program)
    }
    try:
        return Listing(
            compiler=_find(r"^Mlir Version: (\S+)", head),
            format=_find(r"^Cvimodel Version: (\S+)", head),
            name=_find(r"^(\S+) Build at ", head),
            built=_find(r"^\S+ Build at (.+)$", head),
            processor=_find(r"^For (\S+) chip", head),
            ion_memory=float(_find(_ION.pattern, head)),
            sections=tuple(
                Section(type=match[1], name=match[2], size=int(match[3]), offset=int(match[4]), md5=match[5])
                for match in _SECTION.finditer(sections)
            ),
            weights=tuple(
                Weight(
                    name=match[8],
                    type=match[3],
                    shape=_shape(match, 4),
                    size=int(match[2]),
                    offset=int(match[1]),
                )
                for match in _WEIGHT.finditer(weights)
            ),
            inputs=tuple(tensors[name] for name in _find(r"^\s+inputs +: (\S+)", program).split(",")),
            outputs=tuple(tensors[name] for name in _find(r"^\s+outputs +: (\S+)", program).split(",")),
        )
    except LookupError as error:
        raise CvimakeError(f"not a cvimodel that model_tool understands: {error}") from error


def _find(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise LookupError(f"its listing has no {pattern!r}")
    return match[1].strip()


def _shape(match: re.Match[str], first: int) -> tuple[int, int, int, int]:
    return (int(match[first]), int(match[first + 1]), int(match[first + 2]), int(match[first + 3]))
