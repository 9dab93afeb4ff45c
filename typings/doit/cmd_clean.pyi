from doit.cmd_base import DoitCmdBase

class Clean(DoitCmdBase):
    def _execute(
        self,
        dryrun: bool,
        cleandep: bool,
        cleanall: bool,
        cleanforget: bool,
        pos_args: list[str] | None = None,
    ) -> int | None: ...
