from doit.cmd_base import DoitCmdBase

class Strace(DoitCmdBase):
    def _execute(self, show_all: bool) -> int | None: ...
