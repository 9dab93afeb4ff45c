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

    from cvimake.cli.answers.kept import Answer
    from cvimake.cli.answers.request import Request


def main() -> int:
    """Run the process's command line and return the exit code."""
    arguments = sys.argv[1:]
    request = of_process(arguments)
    if request is None:
        from cvimake.cli import program  # noqa: PLC0415 - slow to import

        return program.run(arguments)
    answer = repeat.of_request(request)
    try:
        if answer and repeat.repeat(answer, repeat.write_all):
            return 0
    except BrokenPipeError as error:
        from cvimake.cli.closed_output import leave  # noqa: PLC0415 - slow to import

        return leave(error)
    except OSError:
        # The command runs now, and reports that its output cannot be written.
        pass
    return _observed(request, arguments, answer)


def _observed(request: Request, arguments: Sequence[str], earlier: Answer | None) -> int:
    """Run a command line, and keep its answer where that makes sense.

    Args:
        request: the command as it was given.
        arguments: those of the command line.
        earlier: the answer that was kept to the same request, and does not hold any more.
    """
    from cvimake.cli.answers.observer import Observer  # noqa: PLC0415 - slow to import

    observer, since = Observer(request.folder), began()
    with observer.watching():
        from cvimake.cli import program  # noqa: PLC0415 - slow to import, and its imports are observed
        from cvimake.cli.answers.partial import Partial  # noqa: PLC0415 - as above

        partial = Partial(earlier, observer)
        code = program.run(arguments, partial)
    if code == 0 and program.has_lasting_answer(arguments):
        from cvimake.cli.answers import keeping  # noqa: PLC0415 - slow to import

        keeping.keep(observer, request, since, partial)
    return code


if __name__ == "__main__":
    sys.exit(main())
