"""Read the user's own calibration tables and qtables."""

from __future__ import annotations

from pathlib import Path

from cvimake.core.errors import CvimakeError
from cvimake.pipeline.checks.tables import Table, parse_calibration, parse_qtable

_LARGEST = 64 * 1024**2
_PARSERS = {"calibration_table": parse_calibration, "qtable": parse_qtable}
KEYS = frozenset(_PARSERS)


def read(key: str, path: Path) -> Table:
    """Read a table.

    Args:
        key: the kind of table, by its key in model.toml.
        path: the file.

    Raises:
        CvimakeError: it cannot be read, or is not a table of this kind.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise CvimakeError(f"{path} is larger than any table")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CvimakeError(f"{path} is not UTF-8 text, and a table is") from error
    except OSError as error:
        raise CvimakeError(f"{path} cannot be read: {error.strerror}") from error
    return _PARSERS[key](path, text)
