"""Runs tpu_mlir's `run_qtable` in several processes: `search.py ARGUMENT ...`.

The arguments are those of the tool. The qtable, the loss table and the ending of the search are the tool's,
byte for byte, for any number of processes. Where that is not certain, the tool itself runs: for another
toolchain, and for an option or an operator that this program does not cover.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from process_group import PROCESSES, ProcessGroup
from tried_operators import obstacle

# The sha256 of the tool's sources in tpu_mlir 1.7, which this program relies on.
SOURCES = {
    "tools/run_qtable.py": "f42b1b107e6732b3418c7b18ae4d057c3889607f17ecf18c4ecfaaef2056de40",
    "calibration/mix_precision.py": "6bfba7b585939fd7855434097859ae884193748b6588ff3c6c297ac00202af08",
    "calibration/data_selector.py": "25616dfdd41bac1301373246f462f6f9bf89ecfe4012b1b014e97f75ade59204",
    "utils/mlir_parser.py": "2ea57ad4612994875d21a064ec2b393d032bb27a91f1afc440ad1e6bba6b6dca",
    "utils/mlir_shell.py": "42d7dc1d0a39e7cd39d6c87cb70318871d221e70c82f0cd2238fc3d4ee3731b0",
    "utils/misc.py": "f70ac81523ff53751c83916770e5851882ebf09a613e2ec52cc94829ec0287e7",
    "utils/log_setting.py": "6504a850c09daba481875469bb649d9fec0d17c1dcf871268a62432eab0a64b4",
}


def main(arguments: Sequence[str], root: Path) -> None:
    """Search for a qtable.

    Args:
        arguments: the tool's arguments.
        root: the folder of the toolchain's Python sources.
    """
    tool = root / "tools" / "run_qtable.py"
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--debug_cmd", default="")
    parser.add_argument("mlir_file", nargs="?", default="")
    given, _ = parser.parse_known_args(arguments)
    uncovered = f"debug_cmd {given.debug_cmd} is not covered" if given.debug_cmd else ""
    if reason := uncovered or obstacle(root, SOURCES, Path(given.mlir_file)):
        print(f"search: {reason}: run_qtable itself runs, in one process", flush=True)  # noqa: T201 - the log
        os.execv(sys.executable, [sys.executable, str(tool), *arguments])  # noqa: S606 - this very Python
    # Imported before the fork, so that it is read once. It starts no thread.
    import parallel_searcher  # noqa: PLC0415 - only once it is known

    group = ProcessGroup(max(1, int(os.environ.get(PROCESSES, "1"))))
    parallel_searcher.stand_in(group)
    sys.argv = [str(tool), *arguments]
    runpy.run_path(str(tool), run_name="__main__")
    group.wait()


if __name__ == "__main__":
    main(sys.argv[1:], Path(os.environ["TPUC_ROOT"]) / "python")
