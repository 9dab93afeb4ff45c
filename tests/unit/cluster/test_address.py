from __future__ import annotations

import pytest

from cvimake.cluster.address import CLUSTER_VARIABLE, INSECURE_VARIABLE, ClusterError, chosen

TLS = "tls://scheduler:8786"


@pytest.mark.parametrize(
    ("variables", "declared", "address"),
    [
        ({}, "", ""),
        ({}, TLS, TLS),
        ({CLUSTER_VARIABLE: "tls://other:1"}, TLS, "tls://other:1"),
        ({CLUSTER_VARIABLE: "none"}, TLS, ""),
        ({CLUSTER_VARIABLE: "tcp://127.0.0.1:8786"}, "", "tcp://127.0.0.1:8786"),
        ({CLUSTER_VARIABLE: "tcp://[::1]:8786"}, "", "tcp://[::1]:8786"),
        ({CLUSTER_VARIABLE: "tcp://localhost:8786"}, "", "tcp://localhost:8786"),
        (
            {CLUSTER_VARIABLE: "tcp://10.0.0.7:8786", INSECURE_VARIABLE: "1"},
            "",
            "tcp://10.0.0.7:8786",
        ),
    ],
)
def test_the_environment_wins_over_the_settings(
    variables: dict[str, str], declared: str, address: str
) -> None:
    assert chosen(variables, declared) == address


@pytest.mark.parametrize(
    "address",
    ["scheduler:8786", "tls://scheduler", "http://scheduler:80", "tls://:1", "tls://a:x", "tls://a:1/b"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ClusterError, match="is no address of a cluster's scheduler"):
        chosen({CLUSTER_VARIABLE: address})


@pytest.mark.parametrize("address", ["tcp://scheduler:8786", "tcp://10.0.0.7:8786"])
def test_a_network_without_encryption_must_be_asked_for(address: str) -> None:
    with pytest.raises(ClusterError, match="has no encryption") as raised:
        chosen({CLUSTER_VARIABLE: address})
    assert f"{INSECURE_VARIABLE}=1" in raised.value.remedy


def test_a_wrong_flag_is_refused() -> None:
    with pytest.raises(ClusterError, match="it can be 1 or 0"):
        chosen({CLUSTER_VARIABLE: "tcp://scheduler:1", INSECURE_VARIABLE: "yes"})
