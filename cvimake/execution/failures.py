"""The errors of an action that fails: a tool's own failure, and a disk that is full or unreadable."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from cvimake.core import log_tail
from cvimake.core.action import Action, Ending
from cvimake.core.errors import DiskError, ToolFailedError
from cvimake.execution.logs import read_log

# A known failure is looked for in this much of a log's end, in bytes.
_LOG_END = 4 * 1024 * 1024
# Only this much of each line is looked at: a pattern's time grows with the square of a line's length.
_LONGEST_LINE = 4096


def of_tool(action: Action, ending: Ending, reason: str, log: Path) -> ToolFailedError:
    """Return the error of a tool that failed.

    It has the cause and the remedy of a known failure, otherwise the reason and the log's last lines.

    Args:
        action: the action that failed.
        ending: how its tool ended.
        reason: why it failed, as far as is known without the log.
        log: the whole log.
    """
    from cvimake.toolchain.diagnose import diagnose, telling  # noqa: PLC0415 - many patterns, for failures alone

    lines = [line[:_LONGEST_LINE] for line in read_log(log, _LOG_END)[1]]
    found = diagnose(ending, "\n".join(lines), action.limits)
    if found is None:
        last = telling(lines)[-log_tail.LINES :]
        return ToolFailedError(f"{action.name}: {reason}", log=log, excerpt=last)
    return ToolFailedError(
        f"{action.name}: {found.cause}", found.remedy, log=log, known=found.id, link=found.link
    )


@contextlib.contextmanager
def disk_errors(name: str, root: Path) -> Iterator[None]:
    """Turn every OSError into an error that names the action, and says what to do.

    Raises:
        DiskError: in the place of an OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskError(
                f"{name}: the disk is full", f"Make room for {root / 'build'} and start again."
            ) from error
        raise DiskError(f"{name}: {error}") from error
