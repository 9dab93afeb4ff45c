"""Failed tasks: doit's failures that keep the error, and the error of any failure of doit's."""

from __future__ import annotations

from doit.exceptions import BaseFail, TaskError, TaskFailed

from cvimake.core.errors import EXIT_STAGE_FAILED, CvimakeError, DiskError


class _KeepsError(BaseFail):
    """A failure with the error that caused it; its text is made when somebody asks for it."""

    def __init__(self, error: CvimakeError) -> None:
        super().__init__(error.cause)
        self.error = error

    def get_msg(self) -> str:
        """Return the error as text."""
        return str(self.error)


class _StageFailedError(_KeepsError, TaskFailed):
    """A stage failed: doit ends with exit code 1."""


class _NotPossibleError(_KeepsError, TaskError):
    """Something around the stage is wrong: doit ends with exit code 2."""


class UserTaskError(CvimakeError):
    """A task failed that a project has added in its `dodo.py`."""

    id = "task-failed"


def failure_of(error: CvimakeError | OSError) -> BaseFail:
    """Return an error as doit's failure of the task that it ended."""
    if isinstance(error, OSError):
        error = DiskError(str(error))
    return (_StageFailedError if error.exit_code == EXIT_STAGE_FAILED else _NotPossibleError)(error)


def error_of(fail: BaseFail) -> CvimakeError:
    """Return the error that a failure keeps; of a failure that is doit's own, its message."""
    if isinstance(fail, _KeepsError):
        return fail.error
    return UserTaskError(fail.get_msg().strip())
