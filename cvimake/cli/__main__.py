"""The program `cvimake`, which the launcher `./doit` runs as `python -m cvimake.cli`.

If nothing has changed since the same command was last given, its kept answer is printed (`cli/answers/`).
Nothing else is imported before that is known: with nothing to do, imports would take most of the time.
"""

from __future__ import annotations

import sys

from cvimake.cli.answers import repeat
from cvimake.cli.answers.request import began, of_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cvimake.cli.answers.request import Request


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, the process's own where none is given, and return the exit code."""
    request = of_process(sys.argv[1:]) if arguments is None else None
    if request is None:
        from cvimake.cli import program  # noqa: PLC0415 - slow to import

        return program.run(sys.argv[1:] if arguments is None else arguments)
    try:
        if repeat.repeat(request, repeat.write_all):
            return 0
    except BrokenPipeError as error:
        from cvimake.cli.closed_output import leave  # noqa: PLC0415 - slow to import

        return leave(error)
    except OSError:
        # The command itself tells that its output cannot be written.
        pass
    return _observed(request, sys.argv[1:])


def _observed(request: Request, arguments: Sequence[str]) -> int:
    """Run a command line, and keep its answer where that makes sense."""
    from cvimake.cli.answers.observer import Observer  # noqa: PLC0415 - slow to import

    observer, since = Observer(request.folder), began()
    with observer.watching():
        from cvimake.cli import program  # noqa: PLC0415 - the same

        code = program.run(arguments)
    if code == 0 and program.has_lasting_answer(arguments):
        from cvimake.cli.answers import keeping  # noqa: PLC0415 - the same

        keeping.keep(observer, request, since)
    return code


if __name__ == "__main__":
    sys.exit(main())
