from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.reporter import ConsoleReporter

opt_always: dict[str, Any]
opt_continue: dict[str, Any]
opt_outfile: dict[str, Any]
opt_reporter: dict[str, Any]
opt_single: dict[str, Any]
opt_verbosity: dict[str, Any]

class Run(DoitCmdBase):
    reporters: dict[str, type[ConsoleReporter]]
