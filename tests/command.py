"""The command `test` of this checkout; `pyproject.toml` gives it to doit."""

from __future__ import annotations

import os
import subprocess
import sys
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

# What the tests cover is counted, and shown once at the end.
_COVERAGE = ("--cov", "--cov-report=")
_MIXED = ("-p", "randomly", "--randomly-seed=7")
# Two files of integration tests at once, each in a process of its own: one waits while the other computes.
_TWO_FILES = ("-n", "2", "--dist", "loadfile")


class Test(PlainCommand):
    """Runs the checks, then the tests with the real toolchain, whose image it makes where there is none."""

    doc_purpose = "check and test cvimake itself"
    doc_usage = "[PYTEST ARGUMENT ...]"
    doc_description = (
        "Without arguments: ruff, the import checker, mypy, then all tests, those of `tests/unit` in a "
        "mixed order and several at once. With arguments, after `--`: pytest alone. "
        "`./doit test -- tests/unit` needs no engine."
    )
    takes_arguments = True

    def perform(self, _options: dict[str, Any], arguments: list[str]) -> int:
        """Run them and return the exit code of the first that fails."""
        # The tests start builds of their own, elsewhere.
        os.environ.pop(INVOKED_FROM, None)
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
            # As many at once as there are cores, in an order that is mixed, and the same in every run.
            [python, "-m", "pytest", *_COVERAGE, *_MIXED, "-n", "auto", "tests/unit"],
        ]
        if not arguments and sys.version_info >= (3, 12):
            # The faster way of coverage to see which lines run.
            os.environ.setdefault("COVERAGE_CORE", "sysmon")
        for command in [] if arguments else checks:
            code = _run(command)
            if code != 0:
                return code
        folders = [argument for argument in arguments if not argument.startswith("-")]
        if not folders or not all(folder.startswith("tests/unit") for folder in folders):
            # Made here and not by a test, so that a missing engine is one clear error.
            ensure(
                DockerEngine(connection.ensure(os.environ), os.environ),
                Recipe.from_environment(os.environ),
                CHECKOUT,
                os.environ,
            )
        if arguments:
            return _run([python, "-m", "pytest", *arguments])
        code = _run([python, "-m", "pytest", *_COVERAGE, "--cov-append", *_TWO_FILES, "tests/integration"])
        terminal.write(f"{_covered(python)}\n")
        return code


def _covered(python: str) -> str:
    """Return which part of cvimake the tests ran in their own process, without what they start."""
    result = subprocess.run(
        [python, "-m", "coverage", "report", "--format=total"], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        return f"no coverage: {result.stdout.strip()} {result.stderr.strip()}"
    return f"coverage: {result.stdout.strip()} % of the lines of cvimake/, without processes that tests start"


def _run(command: list[str]) -> int:
    shown = [Path(command[0]).name, *command[1:]]
    terminal.write(f"$ {' '.join(shown)}\n", terminal.errors())
    terminal.flush()
    return subprocess.run(command, check=False).returncode
