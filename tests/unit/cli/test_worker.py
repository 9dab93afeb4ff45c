from __future__ import annotations

from typing import Any

import pytest
from distributed import Security

from cvimake.cli.program import run

CERTIFICATES = "DASK_DISTRIBUTED__COMM__TLS__"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "worker takes the address of a scheduler"),
        (["tls://a:1", "tls://b:1"], "worker takes the address of a scheduler"),
        (["scheduler"], "'scheduler' is no address of a cluster's scheduler"),
        (["tcp://10.0.0.1:8786"], "has no encryption"),
    ],
)
def test_a_wrong_command_line_is_one_error(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["worker", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_missing_certificates_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(self: Security, **_options: Any) -> None:  # noqa: ANN401 - Dask's own
        self.tls_ca_file = "ca.pem"
        self.tls_worker_cert = self.tls_worker_key = None

    monkeypatch.setattr(Security, "__init__", none)
    assert run(["worker", "tls://scheduler:8786"]) == 2
    said = capsys.readouterr().err
    assert f"{CERTIFICATES}WORKER__CERT, {CERTIFICATES}WORKER__KEY" in said
    assert "CA_FILE" not in said
