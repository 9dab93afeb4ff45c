"""`engine:stop`: stops the Docker engine that cvimake started."""

from __future__ import annotations

from typing import Any

from cvimake.cli import surroundings
from cvimake.cli.base import PlainCommand
from cvimake.core import terminal
from cvimake.execution.engine import service


class EngineStop(PlainCommand):
    """Stop the Docker engine that cvimake started, and no other."""

    name = "engine:stop"
    doc_purpose = "stop the Docker engine that cvimake started"
    doc_usage = ""

    def perform(self, _options: dict[str, Any], _arguments: list[str]) -> int:
        """Stop the engine and tell the result."""
        terminal.line(service.stop(surroundings.variables()))
        return 0
