from collections.abc import Mapping
from typing import Any

from doit.cmd_base import Command, DoitCmdBase

class Help(DoitCmdBase):
    cmds: Mapping[str, type[Command]]
    def execute(self, params: dict[str, Any], args: list[str]) -> int: ...
