from doit.cmd_base import DoitCmdBase

class Ignore(DoitCmdBase):
    def _execute(self, pos_args: list[str]) -> int | None: ...
