"""Options of commands, in the form in which doit takes them."""

from __future__ import annotations

from typing import Any


def option(long: str, kind: type, text: str, **more: object) -> dict[str, Any]:
    """Return an option.

    Args:
        long: its name, without the dashes.
        kind: the type of its value, bool for a switch. Its default is the empty value of this type.
        text: its help.
        more: other keys of doit's: `short`, `name`, `default`.
    """
    return {"name": long, "long": long, "type": kind, "default": kind(), "help": text, **more}
