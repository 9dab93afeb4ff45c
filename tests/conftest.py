from __future__ import annotations

import os

# What a test expects to run is not to come from an earlier test's results. Those of the store choose one.
os.environ["CVIMAKE_STORE"] = "none"
