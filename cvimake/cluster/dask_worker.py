"""cvimake in a worker of Dask: what its scheduler calls here, and how the worker begins and ends.

Dask carries a reference to `perform` or `greet`, which is their name, and one text of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from distributed import Security, Worker, get_worker
from distributed.core import Status

from cvimake.cluster.address import ClusterError
from cvimake.core import announce

if TYPE_CHECKING:
    from cvimake.cluster.workplace import Workplace

# The name of the workplace in a worker, and those of the resources that it announces.
EXTENSION, CORES, MEMORY = "cvimake", "cvimake-cores", "cvimake-memory"
# While a worker has one of these, its actions go on.
_ALIVE = frozenset({Status.running, Status.paused, Status.closing_gracefully})
# A worker without a memory limit announces this many bytes.
_BOUNDLESS = 1 << 50
# A scheduler that does not answer, and results that nobody fetches, are waited for so long, in seconds.
_SCHEDULER_ANSWERS, _FETCHED_WITHIN = 60.0, 10.0
_LOOK_EVERY = 0.2


def perform(request: str) -> str:
    """Answer a request that takes a while, in a thread of the worker; see `cluster/wire.py`."""
    worker = get_worker()
    key = worker.get_current_task()

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        return worker.status in _ALIVE and task is not None and task.state == "executing"

    workplace: Workplace = worker.extensions[EXTENSION]
    return workplace.answer(request, is_wanted, worker.log_event)


async def greet(request: str, dask_worker: Worker) -> str:
    """Answer a request at once, even if all threads of the worker are busy."""
    workplace: Workplace | None = dask_worker.extensions.get(EXTENSION)
    if workplace is None:
        return '{"kind": "refused", "cause": "it is a worker of Dask, and was not started for cvimake"}'
    return await asyncio.to_thread(workplace.answer, request, lambda: True, lambda _topic, _text: None)


def attach(worker: Worker, workplace: Workplace) -> None:
    """Make a worker, which has not registered at its scheduler yet, one that runs actions."""
    capacity = workplace.capacity()
    resources = {CORES: float(capacity.cores), MEMORY: float(capacity.memory or _BOUNDLESS)}
    worker.state.total_resources.update(resources)
    worker.state.available_resources.update(resources)
    worker.extensions[EXTENSION] = workplace


async def drain(worker: Worker) -> None:
    """Take no further action, wait for those that run, and close the worker."""
    # The scheduler is told of this, and gives no more to the worker.
    worker.status = Status.paused
    workplace: Workplace = worker.extensions[EXTENSION]
    while workplace.running and worker.status == Status.paused:  # noqa: ASYNC110 - threads count the actions
        await asyncio.sleep(_LOOK_EVERY)
    # The builds fetch the answers from here.
    left = _FETCHED_WITHIN
    while worker.state.tasks and left > 0 and worker.status == Status.paused:
        await asyncio.sleep(_LOOK_EVERY)
        left -= _LOOK_EVERY
    await worker.close(reason="drained")


def drains_on_sigterm(worker: Worker) -> None:
    """Drain a worker when its process, whose main thread this is, gets SIGTERM; a second one ends it."""
    loop = asyncio.get_running_loop()
    draining: list[asyncio.Task[None]] = []

    def begin() -> None:
        if draining:
            announce.note("the worker ends its actions; they run elsewhere")
            _end(worker)
            return
        announce.note("the worker takes no further action, and ends when those that run have ended")
        draining.append(loop.create_task(drain(worker)))

    loop.add_signal_handler(signal.SIGTERM, begin)


def _end(worker: Worker) -> None:
    workplace: Workplace = worker.extensions[EXTENSION]
    workplace.end()


def serve(address: str, folder: Path, workplace: Workplace, host: str, port: int) -> None:
    """Be a worker until SIGTERM, SIGINT or the end of the scheduler.

    Args:
        address: of the scheduler.
        folder: for what Dask writes.
        workplace: runs the actions.
        host: the name or number of this machine under which others reach it; empty to find it.
        port: that the worker listens at; 0 for any.

    Raises:
        ClusterError: the scheduler cannot be reached.
    """
    with quiet():
        asyncio.run(_serve(address, folder, workplace, host, port))


async def _serve(address: str, folder: Path, workplace: Workplace, host: str, port: int) -> None:
    worker = Worker(
        address,
        nthreads=workplace.capacity().cores,
        name=workplace.name,
        local_directory=str(folder),
        memory_limit=0,
        security=security_for(address, "worker"),
        host=host or None,
        port=port,
        dashboard=False,
        death_timeout=_SCHEDULER_ANSWERS,
    )
    attach(worker, workplace)
    interrupted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def interrupt() -> None:
        _end(worker)
        if not interrupted.done():
            interrupted.set_result(None)

    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
    try:
        await worker
    except (OSError, TimeoutError, asyncio.TimeoutError, RuntimeError) as error:
        raise ClusterError(
            f"the scheduler at {address} does not take this worker: {reason(error)}",
            "Look whether it runs, whether the address is right, and whether both have certificates of one "
            "authority.",
        ) from error
    drains_on_sigterm(worker)
    announce.note(f"worker {workplace.name} takes actions from {address}")
    finished = asyncio.ensure_future(worker.finished())
    await asyncio.wait({finished, interrupted}, return_when=asyncio.FIRST_COMPLETED)
    _end(worker)
    await worker.close(reason="interrupted")


def security_for(address: str, role: Literal["client", "worker"]) -> Security:
    """Return the certificates for connections to an address, from Dask's own configuration.

    Args:
        address: of the scheduler.
        role: of this process.

    Raises:
        ClusterError: the address wants encryption, and there are none.
    """
    security = Security()
    if not address.startswith("tls://"):
        return security
    missing = [
        f"DASK_DISTRIBUTED__COMM__TLS__{name}"
        for name, value in {
            "CA_FILE": security.tls_ca_file,
            f"{role.upper()}__CERT": getattr(security, f"tls_{role}_cert"),
            f"{role.upper()}__KEY": getattr(security, f"tls_{role}_key"),
        }.items()
        if not value
    ]
    if missing:
        raise ClusterError(
            f"{address} needs certificates, and Dask's configuration does not name them",
            f"Set {', '.join(missing)}, or write them into Dask's configuration: docs/cluster.md.",
        )
    security.require_encryption = True
    return security


def reason(error: BaseException) -> str:
    """Return why a connection failed: the first line of the innermost cause that says something."""
    text = ""
    cause: BaseException | None = error
    while cause is not None:
        text = str(cause).strip() or text
        cause = cause.__cause__ or cause.__context__
    return text.splitlines()[0] if text else type(error).__name__


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Dask from writing lines of its own: what a user must know is told by us."""
    logger = logging.getLogger("distributed")
    others = [
        logging.getLogger(name)
        for name in list(logging.root.manager.loggerDict)
        if name.startswith("distributed.")
    ]
    levels = {each: each.level for each in (logger, *others)}
    for each in levels:
        each.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for each, level in levels.items():
            each.setLevel(level)
