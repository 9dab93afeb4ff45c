from doit.cmd_base import DoitCmdBase

class Forget(DoitCmdBase):
    def _execute(self, forget_sub: bool, forget_disable_default: bool, forget_all: bool) -> int | None: ...
