"""Makes a plain worker of Dask one of cvimake: `dask worker --no-nanny --preload cvimake.cli.dask_preload …`.

Dask calls the two functions by their names. The variables CVIMAKE_WORKER_NAME and CVIMAKE_WORKER_FOLDER stand
for the options `--name` and `--folder` of `cvimake worker`.
"""

from __future__ import annotations

import asyncio
import contextlib

from distributed import Worker

from cvimake.cli import clusters, surroundings
from cvimake.cluster.address import ClusterError, checked
from cvimake.cluster.dask_worker import EXTENSION, attach, drains_on_sigterm

_OPEN: dict[str, contextlib.ExitStack] = {}


async def dask_setup(worker: Worker) -> None:
    """Prepare a worker before it registers at its scheduler.

    Raises:
        CvimakeError: this machine cannot run actions, or the scheduler's address has no encryption.
    """
    environment = surroundings.variables()
    checked(worker.scheduler.addr, environment)
    if worker.nanny:
        raise ClusterError(
            "a nanny would end this worker in the middle of its actions", "Start it with --no-nanny."
        )
    name = environment.get(clusters.NAME_VARIABLE) or str(worker.name)
    stack = _OPEN[worker.id] = contextlib.ExitStack()
    opened = clusters.workplace(environment.get(clusters.FOLDER_VARIABLE, ""), name, clusters.CACHE)
    work, _ = await asyncio.to_thread(stack.enter_context, opened)
    attach(worker, work)
    drains_on_sigterm(worker)


def dask_teardown(worker: Worker) -> None:
    """End what still runs."""
    work = worker.extensions.get(EXTENSION)
    if work is not None:
        work.end()
    if stack := _OPEN.pop(worker.id, None):
        stack.close()
