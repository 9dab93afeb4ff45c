"""The command `bench` of this checkout; `pyproject.toml` gives it to doit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from cvimake.cli import environment
from cvimake.cli.base import PlainCommand
from cvimake.core.errors import CvimakeError
from cvimake.core.invocation import INVOKED_FROM

CHECKOUT = Path(__file__).parents[1]


class Bench(PlainCommand):
    """Runs `python -m bench`, after installing the tools that are compared."""

    doc_purpose = "measure how fast cvimake is, against other tools"
    doc_usage = "[-- ARGUMENT ...]"
    doc_description = (
        "Installs Snakemake, DVC and ninja into an environment of their own, and runs `python -m bench`. "
        "`./doit bench -- --help` lists its arguments; without any, all benchmarks run, which takes an hour."
    )
    takes_arguments = True

    def perform(self, _options: dict[str, Any], arguments: list[str]) -> int:
        """Run it and return its exit code."""
        # It starts builds of its own in other folders.
        os.environ.pop(INVOKED_FROM, None)
        try:
            folder = environment.prepare(CHECKOUT, "test")
            environment.prepare_apart(CHECKOUT, "bench")
        except environment.EnvironmentFailedError as error:
            raise CvimakeError(str(error)) from error
        return subprocess.run(
            [str(folder / "bin" / "python"), "-m", "bench", *arguments], check=False
        ).returncode
