"""The estimated time of a cvimodel on the TPU, as `toolchain/container/estimate_time.py` writes it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from cvimake.core.units import milliseconds

# The sentence that stands beside each figure.
MEANING = (
    "an estimate by the toolchain's own model of the TPU at 750 to 500 MHz, right for comparing variants and "
    "layers; nobody has measured it on a camera, and it leaves out capture, decoding and memory that is busy"
)
_MILLISECOND = 1_000_000


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Clock(_Value):
    """The time at one clock of the TPU, in nanoseconds.

    Attributes:
        memory: the memory engine alone. The toolchain's model counts a transfer with gaps by its last row
            instead of all of them, so this is up to a third too little; `together` hardly depends on it.
        together: both, as they wait for each other.
    """

    megahertz: int
    compute: int
    memory: int
    together: int


class Layer(_Value):
    """The commands of one layer that do the same operation.

    Attributes:
        name: the layer; empty for all commands of this operation that read no weights: they name no layer.
        operation: what they do.
        cycles: cycles of the compute engine.
    """

    name: str
    operation: str
    cycles: int
    commands: int


class Estimate(_Value):
    """The time on the TPU, and its parts.

    Attributes:
        clocks: the times, the slowest clock first; none if there is no estimate.
        read: bytes that are read from the memory.
        written: bytes that are written to it.
    """

    clocks: tuple[Clock, ...] = ()
    read: int = 0
    written: int = 0
    layers: tuple[Layer, ...] = ()
    unknown: str = ""

    @property
    def milliseconds(self) -> float | None:
        """Return the longest of the times; None if there is no estimate."""
        return max((clock.together for clock in self.clocks), default=0) / _MILLISECOND or None

    def __str__(self) -> str:
        """Return the range, like `28 to 40 ms`; empty if there is no estimate."""
        return milliseconds(clock.together for clock in self.clocks)
