"""Run one pickled stage in the project of the working directory: checks, tool, outcome, without doit."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

from cvimake.builder import checks, outcomes
from cvimake.execution.runtime import Runtimes
from cvimake.pipeline.stage import Stage


def main() -> None:
    """Read the stage from the standard input, and run it."""
    stage: Stage = pickle.load(sys.stdin.buffer)
    checks.run(stage)
    Runtimes(Path.cwd(), os.environ).recorded_in(stage.toolchain).sandbox.run(stage.action)
    outcomes.conclude(stage)


if __name__ == "__main__":
    main()
