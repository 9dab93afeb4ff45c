"""A build's choice of a cluster, and a machine's choices as a worker of one."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cvimake.builder.build import Build
from cvimake.cli import extra_packages, surroundings
from cvimake.cluster.address import chosen
from cvimake.core import lock
from cvimake.core.cache import user_cache
from cvimake.core.errors import CvimakeError

if TYPE_CHECKING:
    from cvimake.cluster.workplace import Workplace

# GiB of files from the store that a worker keeps.
CACHE = 20.0
FOLDER_VARIABLE, NAME_VARIABLE = "CVIMAKE_WORKER_FOLDER", "CVIMAKE_WORKER_NAME"
_GIBIBYTE = 1024**3


def use(build: Build) -> None:
    """Have a build run its actions on the cluster of the environment or the settings, if there is one.

    Raises:
        CvimakeError: it cannot be used.
    """
    if address := chosen(build.environment, build.declarations.settings.cluster.url):
        from cvimake.cluster.comparison import compared_share  # noqa: PLC0415 - only needed with a cluster
        from cvimake.cluster.executor import ClusterExecutor  # noqa: PLC0415 - only needed with a cluster

        compared = compared_share(build.environment, build.declarations.settings.cluster.compare)
        build.executor = ClusterExecutor(
            build, address, lambda: extra_packages.ensure(extra_packages.CLUSTER), compared
        )


@contextlib.contextmanager
def workplace(folder: str, name: str, cache: float) -> Iterator[tuple[Workplace, Path]]:
    """Prepare this machine for the actions of builds: store, engine and image.

    Args:
        folder: that the worker works in; empty for one in the user's cache, with the worker's name.
        name: of the worker; empty for the machine's.
        cache: GiB of files from the store that it keeps.

    Yields:
        The workplace, and its folder.

    Raises:
        CvimakeError: something is missing, or another worker works in the folder.
    """
    from cvimake.builder.store.current import choose, open_store  # noqa: PLC0415 - a build does not need it here
    from cvimake.builder.store.place import StoreError  # noqa: PLC0415 - as above
    from cvimake.cluster.workplace import Workplace  # noqa: PLC0415 - as above

    environment = surroundings.variables()
    name = name or platform.node() or "worker"
    place = _folder(folder, name, environment)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.exclusive(place / "lock", f"is the worker {name}", wait=False):
        choice = choose(place, environment, "", read_only=False, limit=1.0)
        if not choice.url or choice.read_only:
            raise CvimakeError(
                "a worker needs a store that takes files, and CVIMAKE_STORE or CVIMAKE_STORE_READ_ONLY "
                "forbids it",
                "Set CVIMAKE_STORE to the place that the builds use too.",
            )
        extra_packages.ensure_for_store(choice.url)
        try:
            store = open_store(choice)
        except StoreError as error:
            raise CvimakeError(f"the store {choice.url}: {error}") from error
        yield Workplace(place, environment, name, store, int(cache * _GIBIBYTE)), place


def _folder(folder: str, name: str, environment: Mapping[str, str]) -> Path:
    if folder:
        return surroundings.as_path(folder)
    return user_cache(environment) / "workers" / name.replace("/", "_")
