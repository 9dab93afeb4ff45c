"""Runs the toolchain's tuner of thresholds in several processes, with the same thresholds.

`calc_distance` is replaced: it shares out the thresholds that `find_better_threshold` will try. The toolchain
tries each of them twice and gets the same distance both times; here the distance is computed once.
"""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

from calibrated_network import remember
from process_group import ProcessGroup
from sample_order import Order

original: Any = importlib.import_module("calibration.kld_calibrator")


class ParallelTuner(original.SimpleTuner):
    """A tuner for one process's share of the thresholds to try."""

    group: ClassVar[ProcessGroup]
    order: ClassVar[Order]

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - the toolchain's own
        super().__init__(*arguments)
        remember(self.parser)
        self._candidates: list[Any] = []
        self._known: dict[Any, Any] = {}
        self._last: Any = None

    def find_better_threshold(self, evaled_op: str, tuned_op: str, node_label: list[str]) -> bool:
        """Try thresholds for a tensor; only those that it tries first are shared out."""
        least = self.initial_threshold[tuned_op][0]
        if "find_lower_th" in self.debug_cmd:
            least = least / 3
        step = (self.abs_max_dict[tuned_op] - least) / self.tune_steps
        self._candidates = [least + step * number for number in range(self.tune_steps + 1)]
        self._known, self._last = {}, None
        found: bool = super().find_better_threshold(evaled_op, tuned_op, node_label)
        if self.order is Order.LAST and self._last is not None:
            # A later layer computes from the values that this one leaves in the network.
            super().calc_distance(evaled_op, self._last)
        return found

    def calc_distance(self, evaled_op: str, threshold: Any) -> Any:  # noqa: ANN401 - the toolchain's own
        """Return the distance and the cosine that a threshold gives."""
        self._last = threshold
        if threshold not in self._known:
            wanted = list(dict.fromkeys([threshold, *self._candidates]))
            self._candidates = []
            # Each process computes at least one: this also replaces values that are no numbers by zeros.
            mine = wanted[self.group.rank :: self.group.size] or wanted[:1]
            own = {each: super(ParallelTuner, self).calc_distance(evaled_op, each) for each in mine}
            for part in self.group.all_gather(own):
                self._known.update(part)
        return self._known[threshold]
