from __future__ import annotations

import pytest
from doit.exceptions import DependencyError, TaskError, TaskFailed

from cvimake.builder.task_failure import error_of, failure_of
from cvimake.core.errors import CvimakeError, EngineError, StageFailedError


@pytest.mark.parametrize(
    ("error", "kind"), [(StageFailedError("it died", "look"), TaskFailed), (EngineError("gone"), TaskError)]
)
def test_a_failure_keeps_its_error_and_is_what_doit_takes_its_exit_code_from(
    error: CvimakeError, kind: type[TaskFailed]
) -> None:
    failure = failure_of(error)
    assert isinstance(failure, kind)
    assert error_of(failure) is error
    assert failure.get_msg() == str(error)


def test_an_error_of_the_disk_has_an_id_too() -> None:
    failure = failure_of(PermissionError(13, "Permission denied", "a.onnx"))
    assert isinstance(failure, TaskError)
    assert error_of(failure).problem().id == "disk"
    assert "a.onnx" in failure.get_msg()


def test_a_failure_of_doits_own_is_an_error_with_its_message() -> None:
    problem = error_of(DependencyError("no file\n")).problem()
    assert (problem.id, problem.cause) == ("task-failed", "no file")
