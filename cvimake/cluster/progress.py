"""Tells a build how far an action on a worker is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from cvimake.builder.activity import Activity
from cvimake.cluster import wire

# Tells a build something: under its topic, a text.
Tell = Callable[[str, str], None]
# How often a build is told, in seconds.
_TELL_EVERY = 1.0


class Progress:
    """The progress of an action, of which its build is told at most once a second.

    Args:
        wish: asks for the action.
        tell: tells the build.
    """

    def __init__(self, wish: wire.RunWish, tell: Tell) -> None:
        self._wish, self._tell = wish, tell
        self._activity = Activity(wish.action.name)
        self._last = 0.0

    def read(self, output: bytes) -> None:
        """Take the next piece of the tool's output."""
        self._activity.read(output)
        now = time.monotonic()
        if self._activity.percent is not None and now - self._last >= _TELL_EVERY:
            self._last = now
            told = {
                "number": self._wish.number,
                "doing": self._activity.doing,
                "percent": self._activity.percent,
            }
            self._tell(self._wish.topic, json.dumps(told))
