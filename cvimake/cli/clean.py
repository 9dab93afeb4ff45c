"""`clean`: doit's own, which also removes the results of models that can no longer be built."""

from __future__ import annotations

import contextlib

from doit.cmd_clean import Clean as DoitClean

from cvimake.builder import leftovers
from cvimake.cli.records import alone, is_ours
from cvimake.core.paths import BUILD


class Clean(DoitClean):
    """Remove results. Waits for a running build."""

    doc_purpose = "remove what was built, also of models that are no longer declared"
    doc_usage = "[MODEL | MODEL:STAGE ...]"
    doc_description = "Without a name, everything. -n only says what it would remove."

    def _execute(
        self,
        dryrun: bool,
        cleandep: bool,
        cleanall: bool,
        cleanforget: bool,
        pos_args: list[str] | None = None,
    ) -> int | None:
        """Remove the results; the parameters have the names that doit gives them."""
        if not is_ours(self.dep_manager):
            return super()._execute(dryrun, cleandep, cleanall, cleanforget, pos_args)
        # A dry run removes nothing, so it need not wait.
        what = "is removing results in this project"
        with contextlib.nullcontext() if dryrun else alone(self.dep_manager, what):
            named = list(pos_args or [])
            makers = {task.name.partition(":")[0] for task in self.task_list if task.targets}
            left = {each.name: each for each in leftovers.find(BUILD, makers)}
            for name, leftover in left.items():
                if not named or cleanall or name in named:
                    self._remove(leftover, is_trial=bool(dryrun))
            tasks = {task.name for task in self.task_list}
            others = [name for name in named if name not in left or name in tasks]
            if others or not named:
                return super()._execute(dryrun, cleandep, cleanall, cleanforget, others)
            self.dep_manager.close()
            return 0

    def _remove(self, leftover: leftovers.Leftover, *, is_trial: bool) -> None:
        """Remove what is left of a model, and print it as doit does."""
        for path in leftover.files:
            self.outstream.write(f"{leftover.name} - removing file '{path}'\n")
        if not is_trial:
            leftover.remove()
