"""The command `test` of this checkout; `pyproject.toml` gives it to doit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from cvimake.cli import environment
from cvimake.cli.base import PlainCommand
from cvimake.core import terminal
from cvimake.core.errors import CvimakeError
from cvimake.core.invocation import INVOKED_FROM
from cvimake.execution.engine import connection
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image.making import ensure
from cvimake.execution.image.recipe import Recipe

CHECKOUT = Path(__file__).parents[1]


class Test(PlainCommand):
    """Runs the checks, then the tests with the real toolchain, whose image it makes where there is none."""

    doc_purpose = "check and test cvimake itself"
    doc_usage = "[PYTEST ARGUMENT ...]"
    doc_description = (
        "Without arguments: ruff, the import checker, mypy, then all tests. With arguments, after `--`: "
        "pytest alone. `./doit test -- tests/unit` needs no engine."
    )
    takes_arguments = True

    def perform(self, _options: dict[str, Any], arguments: list[str]) -> int:
        """Run them and return the exit code of the first that fails."""
        # The tests start builds of their own, elsewhere.
        os.environ.pop(INVOKED_FROM, None)
        # Random projects that the graph is tried with; see tests/unit/test_incremental.py.
        os.environ.setdefault("CVIMAKE_TEST_PROJECTS", "400")
        try:
            folder = environment.prepare(CHECKOUT, "test")
        except environment.EnvironmentFailedError as error:
            raise CvimakeError(str(error)) from error
        python = str(folder / "bin" / "python")
        checks = [
            [python, "-m", "ruff", "check"],
            [python, "-m", "ruff", "format", "--check"],
            [str(folder / "bin" / "lint-imports"), "--no-logo"],
            [python, "-m", "mypy"],
        ]
        for command in [] if arguments else checks:
            code = _run(command)
            if code != 0:
                return code
        folders = [argument for argument in arguments if not argument.startswith("-")]
        if not folders or not all(folder.startswith("tests/unit") for folder in folders):
            # Made here and not by a test, so that a missing engine is one clear error.
            ensure(DockerEngine(connection.ensure()), Recipe.from_environment(), CHECKOUT)
        return _run([python, "-m", "pytest", *arguments])


def _run(command: list[str]) -> int:
    shown = [Path(command[0]).name, *command[1:]]
    terminal.write(f"$ {' '.join(shown)}\n", terminal.errors())
    terminal.flush()
    return subprocess.run(command, check=False).returncode
