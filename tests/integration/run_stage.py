"""Run one pickled stage in the project of the working directory: checks, tool and outcome, without tasks."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

from doit.exceptions import BaseFail

from cvimake.builder.build import Build
from cvimake.builder.run_or_restore import RunOrRestore


def main() -> None:
    """Read the stage from the standard input, and run it."""
    stage = pickle.load(sys.stdin.buffer)
    ended = RunOrRestore(Build(Path.cwd(), os.environ), stage).run()
    if isinstance(ended, BaseFail):
        sys.exit(ended.get_msg())


if __name__ == "__main__":
    main()
