"""`worker`: makes this machine a worker of a cluster."""

from __future__ import annotations

from typing import Any

from cvimake.cli import clusters, extra_packages, surroundings
from cvimake.cli.base import PlainCommand
from cvimake.cli.options import option
from cvimake.cluster.address import checked
from cvimake.core.errors import CvimakeError


class Worker(PlainCommand):
    """Run stages for the builds of others, until it is told to end."""

    name = "worker"
    doc_purpose = "run stages for builds that use a cluster"
    doc_usage = "tls://SCHEDULER:8786"
    doc_description = (
        "Makes the toolchain image if it is not there, and then runs stages of builds that were started with "
        "CVIMAKE_CLUSTER. It needs no project, but the store of these builds: set CVIMAKE_STORE. On SIGTERM "
        "it takes no further stage, and ends when those that run have ended; a second SIGTERM, or Ctrl-C, "
        "ends them, and they run elsewhere. docs/cluster.md shows the whole of it."
    )
    cmd_options = (
        option("name", str, "its name in messages [default: the machine's]"),
        option("folder", str, "the folder that it works in [default: one in the user's cache]"),
        option("host", str, "the name or number under which others reach this machine [default: found]"),
        option("port", int, "the port that it listens at [default: any]"),
        option("cache", float, "GiB of files from the store that it keeps", default=clusters.CACHE),
    )
    takes_arguments = True

    def perform(self, options: dict[str, Any], arguments: list[str]) -> int:
        """Be a worker."""
        if len(arguments) != 1:
            raise CvimakeError(
                "worker takes the address of a scheduler", "For example: cvimake worker tls://scheduler:8786"
            )
        address = checked(arguments[0], surroundings.variables())
        extra_packages.ensure(extra_packages.CLUSTER)
        from cvimake.cluster import dask_worker  # noqa: PLC0415 - slow to import

        dask_worker.security_for(address, "worker")
        with clusters.workplace(options["folder"], options["name"], options["cache"]) as (work, folder):
            dask_worker.serve(address, folder / "dask", work, options["host"], options["port"])
        return 0
