"""Whatever a user or a stranger puts into a project: one clear error, and finished work stays."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_input import CASES, faults, finished, make_template, run

from cvimake.execution.image.making import ToolchainImage

# These wait for a container; the others end within a second.
SLOW = {name for name, case in CASES.items() if case.code == 1}
# Of those that do, enough to see what a limit and a tool's own error come to.
IN_CI = {"network: larger than memory", "network: operator of somebody's"}


@pytest.fixture(scope="module")
def template(toolchain_image: ToolchainImage) -> Iterator[Path]:
    """A built project, in a folder that other users can enter."""
    assert toolchain_image.id
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield make_template(Path(folder) / "template")


@pytest.mark.parametrize("name", [name for name in CASES if name not in SLOW or name in IN_CI])
def test_a_bad_input_is_one_error_and_finished_work_stays(name: str, template: Path) -> None:
    project = template.with_name("spoiled")
    try:
        ended = run(CASES[name], template, project)
        assert not faults(CASES[name], ended), ended.output
        assert finished(project) == finished(template)
    finally:
        shutil.rmtree(project, ignore_errors=True)
