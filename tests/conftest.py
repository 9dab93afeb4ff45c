from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

if TYPE_CHECKING:
    from graphs import Workshop

# What a test expects to run is not to come from an earlier test's results. Those of the store choose one.
os.environ["CVIMAKE_STORE"] = "none"
# How long an example takes depends on what else the machine does: a test must not fail because of that.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
# Hypothesis also tries the constants of all loaded modules. So its examples would depend on the tests before,
# whatever the seed. There is no setting for this.
providers.is_local_module_file = lambda _path: False  # type: ignore[assignment,attr-defined] # not public
# A shell starts background commands with Ctrl-C ignored, and the builds that tests interrupt inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config: pytest.Config) -> str:
    """Says with which seed everything random was made."""
    return f"random tests: --hypothesis-seed={config.getoption('--hypothesis-seed')}"


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A project with one model, whose tools write the hash of all that they read."""
    from graphs import Workshop  # noqa: PLC0415 - imports the builder, which other tests do not need

    return Workshop(tmp_path, monkeypatch)


@pytest.fixture
def built(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> Workshop:
    """The same project after a build."""
    from graphs import STAGES  # noqa: PLC0415 - as above

    assert sorted(workshop.build()) == sorted(STAGES)
    capsys.readouterr()
    return workshop
