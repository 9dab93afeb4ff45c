from __future__ import annotations

import os
import signal

import pytest

# What a test expects to run is not to come from an earlier test's results. Those of the store choose one.
os.environ["CVIMAKE_STORE"] = "none"
# A shell starts background commands with Ctrl-C ignored, and the builds that tests interrupt inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config: pytest.Config) -> str:
    """Says with which seed everything random was made."""
    return f"random tests: --hypothesis-seed={config.getoption('--hypothesis-seed')}"
