"""Workers whose tools sleep: `python -m bench.sleeping` starts several workers of Dask in one process.

All of a worker is the real one but its engine: that sleeps as long as was recorded, and then writes the files
that the real tool wrote for another model of the same declaration.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from distributed import Worker

from bench.recorded import Recorded
from bench.simulated import WORKERS_STARTED
from cvimake.builder.store import Entry, Store, blob_file
from cvimake.builder.store.folder import FolderPlace
from cvimake.cluster import dask_worker
from cvimake.cluster.workplace import Workplace
from cvimake.core import announce
from cvimake.core.action import GIBIBYTE, Ending
from cvimake.core.capacity import Capacity
from cvimake.core.errors import EngineError
from cvimake.core.paths import TOOLCHAIN
from cvimake.execution.engine import Command, Log
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.runtime import Runtime, Runtimes
from cvimake.execution.sandbox import Sandbox
from cvimake.toolchain.container.process_group import PROCESSES

_MEMORY_OF_A_SLOT = 4 * GIBIBYTE
_CACHE = GIBIBYTE


@dataclass(frozen=True)
class Tape:
    """The results of the stages of one model.

    Attributes:
        model: its name.
        files: the contents of what each stage wrote, by the stage's name and the file's.
    """

    model: str
    files: Mapping[tuple[str, str], bytes]

    @classmethod
    def of_store(cls, folder: Path) -> Tape:
        """Return what a store holds, into which one model alone was built."""
        files: dict[tuple[str, str], bytes] = {}
        model = ""
        for path in (folder / "actions").glob("*/*.json"):
            entry = Entry.model_validate_json(path.read_bytes())
            model, _, stage = entry.action.partition(":")
            for name, blob in entry.outputs.items():
                files[stage, name] = (folder / blob_file(blob.sha256)).read_bytes()
        return cls(model, files)

    def content(self, model: str, stage: str, name: str) -> bytes:
        """Return what a stage of another model writes."""
        return self.files[stage, name.replace(model, self.model)]


class Sleeper:
    """An engine whose commands sleep.

    Args:
        tape: what they write.
        recorded: how long they take.
        scale: simulated seconds in a second; 0 for commands that take no time.
        slots: of its machine.
    """

    user = (os.geteuid(), os.getegid())

    def __init__(self, tape: Tape, recorded: Recorded, scale: float, slots: int) -> None:
        self._tape, self._recorded, self._scale, self._slots = tape, recorded, scale, slots
        self._cancelled = threading.Event()

    def capacity(self) -> Capacity:
        """See `Engine.capacity`."""
        return Capacity(cores=self._slots, memory=self._slots * _MEMORY_OF_A_SLOT)

    def run(self, command: Command, log: Log) -> Ending:
        """See `Engine.run`. On several slots, a stage takes the same time of all of them together."""
        model, _, stage = command.name.partition(":")
        if self._scale:
            slots = int(command.environment[PROCESSES])
            self._cancelled.wait(self._recorded.seconds(model, stage) / slots / self._scale)
        if self._cancelled.is_set():
            raise EngineError(f"{command.name} was cancelled")
        log.write(b"this tool has slept\n")
        for name in command.results:
            (command.host_folder / name).write_bytes(self._tape.content(model, stage, name))
        return Ending(exit_code=0)

    def cancel(self) -> None:
        """See `Engine.cancel`."""
        self._cancelled.set()

    def apart(self) -> Sleeper:
        """See `Engine.apart`."""
        return Sleeper(self._tape, self._recorded, self._scale, self._slots)

    def removal(self, image: str) -> str:
        """See `Engine.removal`: there are no images."""
        return f": {image}"

    def by_hand(self, command: Command, workspace: str) -> str:
        """See `Engine.by_hand`: nobody repeats a sleep."""
        return f": {command.name} {workspace}"


class SleepingRuntimes(Runtimes):
    """The one runtime of a worker whose tools sleep, with the fingerprint of the real toolchain."""

    def __init__(self, folder: Path, engine: Sleeper, identity: Mapping[str, object]) -> None:
        super().__init__(folder, {})
        image = ToolchainImage(id="", base="", identity=identity)
        self._only = Runtime(image, Sandbox(root=folder, engine=engine, image=""))

    def plain(self) -> Runtime:
        """See `Runtimes.plain`."""
        return self._only


async def _serve(options: argparse.Namespace) -> None:
    tape = Tape.of_store(options.tape / "store")
    identity = json.loads((options.tape / TOOLCHAIN).read_text(encoding="utf-8"))
    engine = Sleeper(tape, Recorded.load(), options.scale, options.slots)
    workers = []
    for number in range(options.workers):
        name = f"{options.name}-{number}"
        folder = options.folder / name
        work = Workplace(
            folder,
            dict(os.environ),
            name,
            Store(FolderPlace(options.store), str(options.store)),
            _CACHE,
            runtimes=SleepingRuntimes(folder, engine, identity),
        )
        worker = Worker(
            options.address,
            nthreads=options.slots,
            name=name,
            local_directory=str(folder),
            memory_limit=0,
            dashboard=False,
        )
        dask_worker.attach(worker, work)
        workers.append(worker)
    await asyncio.gather(*workers)
    announce.note(WORKERS_STARTED)
    await asyncio.gather(*(worker.finished() for worker in workers))


def main(arguments: Sequence[str]) -> int:
    """Be workers until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m bench.sleeping", description=__doc__)
    parser.add_argument("address", help="of the scheduler")
    parser.add_argument("--name", required=True, help="what the names of the workers begin with")
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--slots", type=int, required=True, help="of each worker")
    parser.add_argument(
        "--scale", type=float, required=True, help="simulated seconds in a second; 0: no time"
    )
    parser.add_argument("--tape", type=Path, required=True, help="the project that was really built")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    with dask_worker.quiet():
        asyncio.run(_serve(parser.parse_args(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
