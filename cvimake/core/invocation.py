"""The variable with the folder from which the user called the launcher."""

from __future__ import annotations

# The launcher sets it, and then changes to the project's folder.
INVOKED_FROM = "CVIMAKE_INVOKED_FROM"
