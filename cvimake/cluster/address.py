"""The address of a cluster's scheduler: whoever reaches it can run programs on all workers."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from cvimake.core.errors import CvimakeError

CLUSTER_VARIABLE, INSECURE_VARIABLE = "CVIMAKE_CLUSTER", "CVIMAKE_CLUSTER_INSECURE"
NONE = "none"


class ClusterError(CvimakeError):
    """The cluster cannot be used, or could not run an action."""

    id = "cluster"


def chosen(environment: Mapping[str, str], declared: str = "") -> str:
    """Return the address of the scheduler that runs the actions; empty if they run on this machine.

    Args:
        environment: the variables that cvimake was started with; they win.
        declared: the address in the settings.

    Raises:
        ClusterError: it is no address, or has no encryption.
    """
    given = environment.get(CLUSTER_VARIABLE, "") or declared
    return "" if given in {"", NONE} else checked(given, environment)


def checked(address: str, environment: Mapping[str, str]) -> str:
    """Return the address of a scheduler.

    Raises:
        ClusterError: it is none, or has no encryption.
    """
    try:
        parts = urlsplit(address)
        has_port = parts.port is not None
    except ValueError:
        parts, has_port = urlsplit(""), False
    if parts.scheme not in {"tls", "tcp"} or not parts.hostname or not has_port or parts.path:
        raise ClusterError(
            f"{address!r} is no address of a cluster's scheduler",
            f"Write it as tls://HOST:8786, or {NONE!r} to run the stages on this machine.",
        )
    if parts.scheme == "tcp" and not _is_loopback(parts.hostname) and not _is_insecure(environment):
        raise ClusterError(
            f"{address} has no encryption: whoever reaches this network can run programs on all workers",
            f"Use tls:// with certificates (docs/cluster.md), or set {INSECURE_VARIABLE}=1 if nobody else "
            "can reach the network.",
        )
    return address


def _is_insecure(environment: Mapping[str, str]) -> bool:
    flag = environment.get(INSECURE_VARIABLE, "")
    if flag not in {"", "0", "1"}:
        raise ClusterError(f"{INSECURE_VARIABLE} is {flag!r}; it can be 1 or 0")
    return flag == "1"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
