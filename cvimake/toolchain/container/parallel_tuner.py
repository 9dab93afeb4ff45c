"""Runs the toolchain's tuner of thresholds in several processes, with the same thresholds.

The toolchain's tuner goes through the layers, and tries 21 thresholds for each tensor that a layer reads. It
computes the layer from the quantised tensor, and compares the result with that of the float tensor. The
findings for one layer do not depend on those for others. So each process goes through all layers, but tries
thresholds only for those that no other process has taken. A threshold of the table only becomes greater, so
that the order of the findings makes no difference. If the stage gets more cores, helpers take part from the
next tensor on.

`calc_distance` is replaced. These things are left out:

- The similarity of the two results. Nothing is decided by it; the toolchain writes it into a drawing, which
  it does not make. Before it compares, the toolchain sets NaN to 0 in both results: so does this tuner.
- The terms of distances that are too large to be the least; see `least_distance.first_least`.
- The distance of a threshold that was tried before. The toolchain tries each twice.
"""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import numpy as np
from calibrated_network import draw_no_bars, remember
from calibration_shards import most_processes
from copied_layers import CopiedLayers
from least_distance import first_least, is_covered, quantised
from process_group import ProcessGroup, bounds, take_more
from sample_order import Order

original: Any = importlib.import_module("calibration.kld_calibrator")


class ParallelTuner(original.SimpleTuner):
    """A tuner for one process's share of the layers.

    Attributes:
        group: all processes.
        order: the order that the samples need.
        holds: the bytes that a process holds beside its samples, and those of one sample.
    """

    group: ClassVar[ProcessGroup]
    order: ClassVar[Order]
    holds: ClassVar[tuple[int, int]]

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - the toolchain's own
        super().__init__(*arguments)
        remember(self.parser)
        # Where layers depend on the values that others leave in the network, all of them are computed.
        is_free = self.order is Order.ANY
        self._copied = CopiedLayers(self.module, self.parser) if is_free else None
        self._is_quantised_again = "not_use_fp32_tensor_as_ref" in self.debug_cmd
        # In some cases, every process tries all thresholds. Either a layer needs the thresholds of layers
        # before it, or the values that the last threshold leaves, which then depends on the best one.
        self._is_shared = not self._is_quantised_again and not (
            self.order is Order.LAST and "find_lower_th" in self.debug_cmd
        )
        self._calls, self._next = 0, self.group.take() if self._is_shared else 0
        self._room: dict[tuple[str, tuple[int, ...]], Any] = {}

    def run(self) -> dict[str, Any]:
        """Tune, and return the thresholds that all processes have found."""
        if self.group.rank == 0 and self._is_shared:
            take_more(can=self._most(self.group.size + 1, bounds().memory) > self.group.size)
        found: dict[str, Any] = super().run()
        if self.group.rank == 0:
            take_more(can=False)
        gathered = self.group.all_gather(found)
        self.group.dismiss()
        for part in gathered:
            for name, threshold in part.items():
                # As the toolchain does: NaN replaces nothing.
                found[name] = max(found[name], threshold)
        return found

    def find_better_threshold(self, evaled_op: str, tuned_op: str, node_label: list[str]) -> bool:
        """Try thresholds for a tensor."""
        if self._is_shared and self.group.rank == 0:
            self._call_helpers()
        self._is_mine = not self._is_shared or self._calls == self._next
        if self._is_shared and self._is_mine:
            self._next = self.group.take()
        self._calls += 1
        least = self.initial_threshold[tuned_op][0]
        if "find_lower_th" in self.debug_cmd:
            least = least / 3
        step = (self.abs_max_dict[tuned_op] - least) / self.tune_steps
        self._candidates = list(dict.fromkeys(least + step * number for number in range(self.tune_steps + 1)))
        self._known: dict[Any, Any] = {}
        self._last: Any = None
        self._norms: list[Any] = []
        found: bool = super().find_better_threshold(evaled_op, tuned_op, node_label)
        if self.order is Order.LAST and self._last is not None:
            # A later layer computes from the values that this one leaves in the network.
            self._computed(evaled_op, self.args.tune_num - 1, self._last)
        return found

    def _call_helpers(self) -> None:
        """Fork helpers if the stage has got more cores."""
        allowed = bounds()
        size = self._most(allowed.processes, allowed.memory)
        if size <= self.group.size:
            return
        take_more(can=self._most(size + 1, allowed.memory) > size)
        self.group.grow(size)
        if self.group.rank:
            draw_no_bars()
            # The number that the first process has taken is not this one's.
            self._next = self.group.take()
        else:
            print(f"calibrate: tuning goes on in {size} processes")  # noqa: T201 - the log

    def _most(self, processes: int, memory: int | None) -> int:
        """Return how many of these processes have memory for all samples that are tuned with."""
        most: int = most_processes(processes, 0, memory, *self.holds, self.args.tune_num + 1)
        return most

    def calc_distance(self, evaled_op: str, threshold: Any) -> tuple[Any, Any]:  # noqa: ANN401 - the toolchain's own
        """Return the distance that a threshold gives; where it cannot be the least, perhaps a part of it."""
        if not self._norms:
            if not self._is_complete(evaled_op):
                # The toolchain says what is missing, and ends.
                nothing: tuple[Any, Any] = super().calc_distance(evaled_op, threshold)
                return nothing
            self._norms = [self._norm(evaled_op, number) for number in range(self.args.tune_num)]
        self._last = threshold
        if not self._is_mine:
            # No later distance is less, so that the threshold stays.
            return 0.0, 0.0
        if threshold not in self._known:
            wanted = self._candidates if threshold in self._candidates else [threshold]
            self._candidates = []
            self._known.update(zip(wanted, self._distances(evaled_op, wanted), strict=True))
        return self._known[threshold], 0.0

    def _distances(self, layer: str, thresholds: list[Any]) -> list[Any]:
        """Return the distances that thresholds give; parts of them if that is enough to find the least."""
        count = self.args.tune_num

        def term(place: int, number: int) -> Any:  # noqa: ANN401 - one of numpy's scalars
            return self._distance(layer, number, thresholds[place]) / self._norms[number]

        # With such a norm, a term is 0, positive or infinite. With another, it can be NaN.
        if all(0 < norm < np.inf for norm in self._norms):
            parts: list[Any] = first_least(len(thresholds), count, term)
            return parts
        places = range(len(thresholds))
        return [sum(term(place, number) for number in range(count)) / count for place in places]

    def _is_complete(self, layer: str) -> bool:
        """Return whether all tensors are there that the distances are computed from."""
        operands = self.parser.get_pre_op_by_op_name(layer)
        given = self.dq_activations if self._is_quantised_again else self.ref_activations
        return all(
            layer in self.ref_activations[number] and all(name in given[number] for name in operands)
            for number in range(self.args.tune_num)
        )

    def _norm(self, layer: str, number: int) -> Any:  # noqa: ANN401 - one of numpy's scalars
        """Return the norm of the float result, after setting NaN to 0 in it."""
        expected = self.get_ref_tensor(number, layer)
        expected[np.isnan(expected)] = 0.0
        return np.linalg.norm(expected.flatten(), ord=1)

    def _computed(self, layer: str, number: int, threshold: Any) -> Any:  # noqa: ANN401 - arrays of the toolchain's numpy
        """Return what a layer computes from quantised tensors of one sample."""
        operand = self._copied.operand(layer) if self._copied else None
        if self._copied and operand is not None:
            copied = self._copied.copy(layer, self._quantised(operand, number, threshold))
            if copied is not None:
                return copied
        for name in dict.fromkeys(self.parser.get_pre_op_by_op_name(layer)):
            self.module_dq.set_tensor(name, self._quantised(name, number, threshold))
        return self.module_dq.invoke_at(layer)

    def _quantised(self, tensor: str, number: int, threshold: Any) -> Any:  # noqa: ANN401 - arrays of the toolchain's numpy
        get = self.get_input_tensor if self._is_quantised_again else self.get_ref_tensor
        values = get(number, tensor)
        if is_covered(values, threshold):
            return quantised(values, threshold, self._space("quantised", values))
        return original.import_quant_bias(values, threshold)

    def _distance(self, layer: str, number: int, threshold: Any) -> Any:  # noqa: ANN401 - one of numpy's scalars
        """Return the distance of the quantised result to the float one, for one sample."""
        expected = self.get_ref_tensor(number, layer)
        computed = self._computed(layer, number, threshold)
        distance = self._norm_of_difference(expected, computed)
        if np.isnan(distance):
            computed[np.isnan(computed)] = 0.0
            distance = self._norm_of_difference(expected, computed)
        return distance

    def _norm_of_difference(self, expected: Any, computed: Any) -> Any:  # noqa: ANN401 - arrays of the toolchain's numpy
        if (expected.shape, expected.dtype) == (computed.shape, computed.dtype):
            difference = np.subtract(expected, computed, out=self._space("difference", computed))
            return np.linalg.norm(difference.reshape(-1))
        return np.linalg.norm(expected.flatten() - computed.flatten())

    def _space(self, use: str, values: Any) -> Any:  # noqa: ANN401 - arrays of the toolchain's numpy
        """Return an array of the same shape and type; always the same one for a use."""
        key = (use, values.shape)
        if key not in self._room:
            self._room[key] = np.empty_like(values, order="C")
        return self._room[key]
