"""Runs the toolchain's calibrator in several processes, with the same table, byte for byte.

Samples are independent until the extremes and the histograms of a layer are put together. Every process runs
the toolchain's whole calibration. The methods here share the work out, and tell every process the findings of
all, so that all take the same decisions and write the same table. These methods are replaced:

- `gen_ref_tensor` computes a layer for a sample without the toolchain's hooks and copies of copies, or copies
  its operand's values if the layer is known to do nothing else.
- `load_net_input` loads the share of a process, with the toolchain's own method.
- `activation_collect_and_calc_th` does the same as the toolchain's, in the same order. Extremes are compared
  sample by sample, since the order matters as soon as a value is no number. Histograms are sums of whole
  numbers. Two things are left out: thresholds for INT4, which nothing reads without `int4` in debug_cmd, and
  an array of all samples that is filled and never read.
- If the stage gets more cores while one process collects, this process shares its samples out to helpers
  before the next layer. They end when the thresholds are known.
- `histogram` counts with `numpy.bincount`; see `calibration_shards.histogram`.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib
from math import inf
from typing import Any, ClassVar, NoReturn

import numpy as np
from calibrated_network import compute, draw_no_bars, layers, module_bytes, remember
from calibration_shards import (
    BARE_PROCESS,
    arrangement,
    histogram,
    most_processes,
    percentile,
    samples,
    shares,
    walk,
)
from copied_layers import CopiedLayers
from parallel_tuner import ParallelTuner
from process_group import ProcessGroup, bounds, take_more
from sample_order import Order, needed

original: Any = importlib.import_module("calibration.kld_calibrator")
# Tuning thresholds takes the network twice.
_MODULES = 2


class ParallelCalibrator(original.ActivationCalibrator):
    """A calibrator for one process's share of the samples."""

    group: ClassVar[ProcessGroup]
    # Called with a reason, it runs the toolchain's own tool instead.
    run_tool: ClassVar[staticmethod[[str], NoReturn]]
    # None if layers depend on the values that others leave in the network.
    _copied: CopiedLayers | None = None

    def load_net_input(self) -> None:
        """Share out the samples; each is loaded when it is needed."""
        remember(self.parser)
        way = walk(layers(self.parser))
        rows = _rows if self.ds.all_npz else None
        batch = 1 if self.ds.all_npy else self.batch_size
        every = samples(self.data_list, batch, rows)
        self._holds = ParallelTuner.holds = (BARE_PROCESS + _MODULES * module_bytes(self.parser), way.live)
        size, rounds = arrangement(
            self.group.size,
            len(every),
            bounds().memory,
            *self._holds,
            # Each process tunes with all samples that are meant for tuning, and loads one more.
            self.args.tune_num + 1 if self.args.tune_num > 0 else 1,
        )
        self.group.shrink(size)
        self._all, self._is_used = len(every), False
        mine = shares(len(every), size)[self.group.rank]
        parts = shares(len(mine), rounds)
        self._rounds = [every[mine[part.start] : mine[part.start] + len(part)] for part in parts if part]
        self._extra: list[list[str]] = []
        self._order = self._needed_order(every, leftovers=way.leftovers)
        if self._order is Order.ALL:
            # The other processes end here.
            self.group.shrink(1)
            self.run_tool("a layer computes something else after other samples")
        if self._order is Order.LAST:
            # In each process and round, the next layer finds the values that the last sample leaves.
            self._extra = every[-1:]
        ParallelTuner.order = self._order
        if self._order is Order.ANY:
            self._copied = CopiedLayers(self.module, self.parser)
        if self.group.rank == 0:
            held = way.live / 1024**2
            print(  # noqa: T201 - the log
                f"calibrate: processes: {size}; samples: {len(every)}, {held:.0f} MiB each; "
                f"rounds: {rounds}; order: {self._order.value}"
            )

    def _needed_order(self, every: list[list[str]], *, leftovers: bool) -> Order:
        """Return the order that the samples need; the first process finds it out."""
        if self.group.rank:
            order: Order = self.group.all_gather(None)[0]
            return order
        first, last = every[0], every[-1]
        outputs: dict[str, dict[str, tuple[int, ...]]] = {}
        order = needed(
            lambda: self._digests([first], seen=0, outputs=outputs),
            lambda: self._digests([first, last][: len(every)], seen=0, outputs=outputs, disturbed=True),
            # One sample alone cannot show it.
            (lambda: self._digests([last, first], seen=1, outputs=outputs)) if len(every) > 1 else dict,
            leftovers=leftovers,
        )
        self.group.all_gather(order)
        return order

    def _digests(
        self,
        part: list[list[str]],
        *,
        seen: int,
        outputs: dict[str, dict[str, tuple[int, ...]]],
        disturbed: bool = False,
    ) -> dict[str, bytes]:
        """Return the digests of the tensors that every layer computes from one sample, in a new network.

        Args:
            part: the samples that every layer computes, one after the other.
            seen: the number of the sample whose tensors are digested.
            outputs: the shapes of each layer's tensors, by their names; filled here.
            disturbed: write other values to the layer's tensors before it computes.
        """
        self._renew()
        self._load(part)
        found: dict[str, bytes] = {}
        for name in self.parser.get_op_name_list():
            if disturbed and name not in self.module.input_names:
                for out, shape in outputs[name].items():
                    self.module.set_tensor(out, _noise(shape))
            self._enter(name)
            values = {out: self.get_ref_tensor(seen, out) for out in self._held(name)}
            outputs[name] = {out: tensor.shape for out, tensor in values.items()}
            found |= {out: hashlib.sha256(tensor.tobytes()).digest() for out, tensor in values.items()}
            self._leave(name)
        return found

    def _renew(self) -> None:
        """Take a new network if this one has computed something: a new one holds no earlier values."""
        if self._is_used:
            self.module = original.pymlir.module()
            self.module.load(self.args.mlir_file)
        self._is_used = False

    def _load(self, part: list[list[str]]) -> None:
        if self._extra:
            self._renew()
        self._is_used = True
        extra = [] if part[-1:] == self._extra else self._extra
        loaded = [*part, *extra]
        self.data_list: list[str] = [file for sample in loaded for file in sample]
        self.args.input_num = len(loaded) if self.ds.all_image else len(self.data_list)
        super().load_net_input()
        # Nothing reads it here, and it would keep every input in memory to the end.
        self.dq_activations: dict[int, Any] = {}
        self._own = self.args.input_num - len(extra)
        # If it was not known which files belong to a sample, one process has them all, and counts them now.
        self._all = max(self._all, self._own)

    def activation_collect_and_calc_th(self) -> tuple[dict[str, Any], ...]:
        """Return thresholds and extremes of every tensor, in the form of the toolchain's own method."""
        names = self.parser.get_op_name_list()
        self.activations_statistics: dict[str, tuple[Any, Any, Any]] = {}
        counts: dict[str, Any] = {}
        widths: dict[str, Any] = {}
        found: list[dict[str, list[Any]]] = [{} for _ in names]
        # Histograms need the extremes of all samples. If these come in rounds, the histograms come later.
        at_once = all(self.group.all_gather(len(self._rounds) == 1))
        passes = [(True, True)] if at_once else [(True, False), (False, True)]
        steps = len(names) * len(passes) * len(self._rounds)
        bar = original.tqdm(total=steps, position=0, leave=True)
        take_more(can=self._most(2, bounds().memory) > 1)
        for first, second in passes:
            for part in self._rounds:
                self._load(part)
                for number, name in enumerate(names):
                    # Redrawn for each layer: the clock stands still, so the bar would never redraw by itself.
                    bar.set_description(f"collect activations: {name}")
                    bar.update(1)
                    self._share_out(counts)
                    self._enter(name)
                    if first:
                        self._measure(number, name, found[number])
                    if at_once:
                        self._settle(number, found[number])
                    if second:
                        self._count(name, counts, widths)
                    self._leave(name)
            if first and not at_once:
                for number, own in enumerate(found):
                    self._settle(number, own)
        bar.close()
        take_more(can=False)
        self._copied = None  # It holds the network, which the toolchain releases now.
        thresholds = self._thresholds(self._total(counts), widths)
        self.group.dismiss()
        return thresholds

    def _share_out(self, counts: dict[str, Any]) -> None:
        """Share the samples of this process out to helpers, if it is alone and the stage has got more cores.

        Args:
            counts: the histograms of the layers before, which a helper must not count again.
        """
        allowed = bounds()
        size = self._most(allowed.processes, allowed.memory)
        if size == 1:
            return
        take_more(can=False)
        self.group.grow(size)
        mine = shares(self._own, size)[self.group.rank]
        if self.group.rank:
            draw_no_bars()
            counts.update({out: np.zeros_like(counted) for out, counted in counts.items()})
        else:
            print(f"calibrate: collecting goes on in {size} processes")  # noqa: T201 - the log
        # As with `_extra`: the next layer finds the values that the last sample leaves.
        extra = [self._own - 1] if self._order is Order.LAST and mine.stop < self._own else []
        held = [self.ref_activations[index] for index in (*mine, *extra)]
        self.ref_activations: dict[int, Any] = dict(enumerate(held))
        self.args.input_num, self._own = len(self.ref_activations), len(mine)
        # Otherwise each process would keep the memory of the samples that it has given away.
        ctypes.CDLL(None).malloc_trim(0)

    def _most(self, processes: int, memory: int | None) -> int:
        """Return in how many of these processes the collection could go on; 1 if it cannot be shared out."""
        if self.group.size > 1 or len(self._rounds) > 1:
            return 1
        most: int = most_processes(min(processes, self._own), self._own, memory, *self._holds)
        return most

    def histogram(self, ndarray: Any, abs_max: Any, bin_num: int) -> Any:  # noqa: ANN401 - as the toolchain's
        """Return the number of values in each bin, and the width of a bin."""
        return histogram(ndarray, abs_max, bin_num)

    def gen_ref_tensor(self, index: int, name: str) -> None:
        """Compute a layer for a sample."""
        held = self.ref_activations[index]
        compute(self.module, self.parser, self.fuseop_list, original.split_fuseop(name), held, self._copied)

    def _enter(self, name: str) -> None:
        """Compute a layer for all samples of this process."""
        for index in range(self.args.input_num):
            self.gen_ref_tensor(index, name)

    def _leave(self, name: str) -> None:
        """Let the toolchain release the tensors that no layer needs any more."""
        for out in self._held(name):
            for index in range(self.args.input_num):
                self.clear_ref_tensor(index, out)

    def _held(self, name: str) -> list[str]:
        """Return the tensors of a layer that the toolchain keeps: perhaps no output that nothing reads."""
        return [out for out in self.parser.get_outputs_by_op_name(name) if out in self.ref_activations[0]]

    def _measure(self, number: int, name: str, found: dict[str, list[Any]]) -> None:
        """Add the extremes of each sample of this process to those of each output."""
        for out in self._held(name):
            size = self.get_ref_tensor(0, out).size
            for index in range(self._own):
                values = self.get_ref_tensor(index, out)
                largest = None
                if "use_percentile9999" in self.debug_cmd:
                    length = self._kept(number, size)
                    largest = original.sort_distr(np.abs(values.flatten()), length)
                elif "use_max" in self.debug_cmd:
                    largest = np.max(np.abs(values))
                found.setdefault(out, []).append((np.min(values), np.max(values), largest, size))

    def _share_of_values(self, number: int) -> float:
        step = (99.999999 - 99.99) / len(self.parser.get_op_name_list())
        return 99.99 + number * step

    def _kept(self, number: int, size: int) -> int:
        return int(self._all * size * (1 - self._share_of_values(number) / 100)) + 1

    def _settle(self, number: int, own: dict[str, list[Any]]) -> None:
        """Set the extremes of one layer from those of all samples."""
        gathered = self.group.all_gather(own)
        low, high, largest = inf, -inf, -inf
        magnitude = None
        for out in own:
            every = [extremes for part in gathered for extremes in part[out]]
            size = every[0][3]
            for least, most, magnitudes, _ in every:
                low = min(least, low)
                high = max(most, high)
                magnitude = max(abs(low), abs(high))
                if "use_max" in self.debug_cmd and "use_percentile9999" not in self.debug_cmd:
                    largest = max(magnitudes, largest)
            if "use_percentile9999" in self.debug_cmd:
                share, kept = self._share_of_values(number), self._kept(number, size)
                magnitude = percentile([extremes[2] for extremes in every], size, share, kept)
            elif "use_max" in self.debug_cmd:
                magnitude = largest
            if magnitude is not None and magnitude <= 1e-5:  # noqa: PLR2004 - the toolchain's
                low, high, magnitude = -1e-5 if low < 0 else 0, 1e-5, 1e-5
                print(f"WARNING: layer {out} is all zeros. Please check the input data correctness.")  # noqa: T201 - as the toolchain's
            self.activations_statistics[out] = (low, high, magnitude)

    def _count(self, name: str, counts: dict[str, Any], widths: dict[str, Any]) -> None:
        """Add the histograms of a layer's tensors for the samples of this process."""
        for out in self._held(name):
            magnitude = self.activations_statistics[out][2]
            for index in range(self._own):
                values = self.get_ref_tensor(index, out)
                counted, widths[out] = self.histogram(values, magnitude, self.histogram_bin_num)
                counts[out] = counts[out] + counted if out in counts else counted

    def _total(self, counts: dict[str, Any]) -> dict[str, Any]:
        gathered = self.group.all_gather(counts)
        return {out: functools.reduce(np.add, [part[out] for part in gathered]) for out in counts}

    def _search(self, counts: dict[str, Any], widths: dict[str, Any], levels: int) -> dict[str, float]:
        """Return the threshold of every tensor; one process searches for each."""
        mine = dict(list(counts.items())[self.group.rank :: self.group.size])
        gathered = self.group.all_gather(self.find_threshold(mine, widths, levels))
        return {out: threshold for part in gathered for out, threshold in part.items()}

    def _thresholds(self, counts: dict[str, Any], widths: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        thresholds = self._search(counts, widths, 128)
        thresholds4 = self._search(counts, widths, 8) if "int4" in self.debug_cmd else {}
        largest = {}
        by_extremes = "use_percentile9999" in self.debug_cmd or "use_max" in self.debug_cmd
        for out, (_, _, magnitude) in self.activations_statistics.items():
            largest[out] = magnitude
            if by_extremes or thresholds[out] > magnitude:
                thresholds[out] = thresholds4[out] = magnitude
        return thresholds, largest, {}, {}, thresholds4, {}, {}, {}


def _noise(shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - an array of the toolchain's numpy
    """Return values that no layer computes, and that do no harm as indices; the same at every call."""
    return np.random.default_rng(0).uniform(0.25, 0.75, shape).astype(np.float32)


def _rows(file: str) -> list[int]:
    with np.load(file) as arrays:
        return [arrays[name].shape[0] for name in arrays.files]
