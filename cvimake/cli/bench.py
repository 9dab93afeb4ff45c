"""`bench`: measures how fast cvimake is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from cvimake.cli import environment
from cvimake.cli.base import PlainCommand
from cvimake.core.errors import CvimakeError
from cvimake.core.invocation import INVOKED_FROM


class Bench(PlainCommand):
    """Runs `python -m bench`, with all that it measures against."""

    doc_purpose = "measure how fast this is, against other tools"
    doc_usage = "[-- ARGUMENT ...]"
    doc_description = (
        "Installs Snakemake, DVC and ninja into an environment of their own, and runs `python -m bench`. "
        "`./doit bench -- --help` lists its arguments; without any, all benchmarks run, which takes an hour."
    )
    takes_arguments = True

    def perform(self, _options: dict[str, Any], arguments: list[str]) -> int:
        """Runs it; the exit code is its own."""
        root = Path.cwd()
        # It starts builds of its own, elsewhere.
        os.environ.pop(INVOKED_FROM, None)
        if not (root / "requirements" / "bench.txt").exists():
            raise CvimakeError("`bench` measures cvimake itself, and this is a project that uses cvimake")
        try:
            folder = environment.prepare(root, "test")
            environment.prepare_apart(root, "bench")
        except environment.EnvironmentFailedError as error:
            raise CvimakeError(str(error)) from error
        return subprocess.run(
            [str(folder / "bin" / "python"), "-m", "bench", *arguments], check=False
        ).returncode
