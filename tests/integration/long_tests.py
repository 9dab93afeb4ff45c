"""The mark of tests that are too long for every run."""

from __future__ import annotations

import os

import pytest

# All other tests together must end well within the 45 minutes of CI.
# CONTRIBUTING.md says under "Large tests" what these try.
LONG = pytest.mark.skipif(
    os.environ.get("CVIMAKE_TEST_LONG") != "1", reason="takes minutes: CVIMAKE_TEST_LONG=1 runs it"
)
