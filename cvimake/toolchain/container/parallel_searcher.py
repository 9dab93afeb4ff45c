"""The toolchain's search for a qtable over several processes: the same decisions, to the last bit.

Every process runs the toolchain's whole search with a share of the samples. Samples meet only in averages: of
a layer's similarity and of the outputs'. Here the processes tell each other the value of every sample, and
each adds all of them up in the samples' order, as the toolchain does. What is replaced:

- `_init_inputs` has the toolchain's own load a share of the samples.
- `run_model`, `set_curr_layer_and_the_next_layer_mix` and `cal_avg_layer_cos` average over all samples.
- `search_mix_layer` tells the other processes of an exception that the toolchain's has caught.
- Lowering, tables and the log are the first process's business; the others wait for the lowered network.
- The INT8 network is lowered once, not twice with the same arguments, and of the two that the toolchain loads
  from it, the first is given up once only the second is used.
- `MlirParser` remembers what it searches the whole network for; a network does not change. The text of each
  operation, which nothing here reads and which takes most of its time, is left out.
- `net_dot_log` writes into a drawing of the network, which is no result: left out.
"""

from __future__ import annotations

import functools
import importlib
import math
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from process_group import MEMORY, ProcessGroup

# The toolchain's; only the container has it.
original: Any = importlib.import_module("calibration.mix_precision")
mlir_parser: Any = importlib.import_module("utils.mlir_parser")

_EXCEPTION = "An exception happened: "
# What a process holds before it has read a network: the interpreter and the toolchain's libraries.
_BARE_PROCESS = 200 * 1024**2
# The float network, the INT8 one, the one that is tried, and as much again for the samples' tensors.
_NETWORKS = 4


@dataclass(frozen=True)
class _Ended:
    """What a process says when its search has ended, where others may still wait for values.

    Attributes:
        exception: what the toolchain's search caught; None where it came to its end.
    """

    exception: str | None


class ParallelSearcher(original.MixPrecSearcher):
    """Searches with a process's share of the samples."""

    group: ClassVar[ProcessGroup]

    def __init__(self, args: Any) -> None:  # noqa: ANN401 - the toolchain's own
        self._all = 0
        self._losses: list[float] = []
        self._lowered: set[str] = set()
        self._is_over = False
        original.DataSelector = functools.partial(self._select, original.DataSelector)
        original.mlir_lowering = functools.partial(self._lower, original.mlir_lowering)
        super().__init__(args)

    def _select(self, selector: Any, *arguments: Any) -> Any:  # noqa: ANN401 - the toolchain's own
        """The samples of this process: neighbours, so that all samples' order is that of the processes."""
        chosen = selector(*arguments)
        size = self.batch_size if chosen.all_image else 1
        # The last batch is filled up as `_init_inputs` does it.
        files = chosen.data_list + chosen.data_list[-1:] * (-len(chosen.data_list) % size)
        self._all = len(files) // size
        self.group.shrink(min(self.group.size, self._all, self._most_processes()))
        first, end = (self._all * rank // self.group.size for rank in (self.group.rank, self.group.rank + 1))
        chosen.data_list = files[first * size : end * size]
        return chosen

    def _most_processes(self) -> int:
        """As many as there is memory for: each loads the networks, with a place for every tensor."""
        memory = int(os.environ.get(MEMORY, "0"))
        if not memory:
            return int(self.group.size)
        tensors: int = 4 * sum(math.prod(op.shape) for op in self.parser.ops)
        weights = Path(self.parser.module_weight_file).stat().st_size
        return max(1, memory // (_BARE_PROCESS + _NETWORKS * (tensors + weights)))

    def _lower(self, lower: Any, top: str, lowered: str, *arguments: Any) -> None:  # noqa: ANN401 - the toolchain's own
        """Lowers once for all processes."""
        if lowered in self._lowered:
            return
        if self.group.rank == 0:
            lower(top, lowered, *arguments)
        # The others go on when the file is there.
        self._gather([])
        if not lowered.endswith(".mix.tune.mlir"):
            # Its arguments never change.
            self._lowered.add(lowered)

    def _gather(self, values: list[float]) -> list[float]:
        """All samples' values, given this process's.

        Raises:
            RuntimeError: in another process the search has died.
        """
        told = self.group.all_gather(values)
        if over := next((each for each in told if isinstance(each, _Ended)), None):
            self._is_over = True
            raise RuntimeError(over.exception)
        return [value for share in told for value in share]

    def _average(self, values: Iterable[float]) -> float:
        """As the toolchain computes it, over all samples, given this process's values."""
        total: float = 0
        for value in self._gather(list(values)):
            total += value
        return total / self._all

    def _loss(self, *arguments: Any) -> float:  # noqa: ANN401 - the toolchain's own
        loss: float = super()._loss(*arguments)
        self._losses.append(loss)
        return loss

    def run_model(self, model: Any, float_type: bool, *arguments: Any) -> float:  # noqa: ANN401, FBT001 - the toolchain's own
        """The outputs' similarity; of the float network there is none."""
        self._losses = []
        none: float = super().run_model(model, float_type, *arguments)
        return none if float_type else self._average(self._losses)

    def set_curr_layer_and_the_next_layer_mix(self, *arguments: Any) -> tuple[float, Any]:  # noqa: ANN401 - the toolchain's own
        """The outputs' similarity with another layer in float, and that network."""
        self._losses = []
        _, network = super().set_curr_layer_and_the_next_layer_mix(*arguments)
        return self._average(self._losses), network

    def cal_avg_layer_cos(self, op: Any) -> float:  # noqa: ANN401 - the toolchain's own
        """A layer's similarity; told at once, for a search that does not come to its end."""
        cosine = self._average(
            original.cos_sim(
                self.get_input_int8_tensor(index, op.name, True),  # noqa: FBT003 - the toolchain's own
                self.get_input_fp32_tensor(index, op.name),
            )
            for index in range(self.num_sample)
        )
        if self.group.rank == 0:
            # The toolchain closes its standard output while it searches.
            print(f"\nLayer: {op.name} Cos: {cosine:.6f}", file=sys.stderr, flush=True)  # noqa: T201 - the log
        return cosine

    def search_mix_layer(self, float_model: Any, int8_model: Any, *arguments: Any) -> float:  # noqa: ANN401 - the toolchain's own
        """The search; all processes end it in the same way."""
        # The toolchain loads it once more and reads of this one only the parser.
        del int8_model.module
        reached: float = super().search_mix_layer(float_model, int8_model, *arguments)
        if not self._is_over:
            caught = self.logger.exception
            told = self.group.all_gather(_Ended(caught))
            others = (each.exception for each in told if isinstance(each, _Ended) and each.exception)
            if caught is None and (exception := next(others, None)):
                self.logger.print_info(_EXCEPTION + exception)
        return reached

    def _gen_mix_table(self, mix_ops: list[str]) -> str:
        name: str = super()._gen_mix_table(mix_ops) if self.group.rank == 0 else "of the first process"
        return name

    def print_log_info(self, *arguments: Any) -> None:  # noqa: ANN401 - the toolchain's own
        """Writes the tables."""
        self.num_sample = self._all
        if self.group.rank == 0:
            super().print_log_info(*arguments)


class _Network(original.MixQuantModel):
    """A lowered network. Its files are removed by the process that made them."""

    def clean(self) -> None:
        if ParallelSearcher.group.rank == 0:
            super().clean()
        else:
            del self.module


class _Parser(original.MlirParser):
    def __init__(self, mlir_file: str) -> None:
        super().__init__(mlir_file)
        for name in (
            "get_op_name_list", "get_op_output_name_list", "get_pre_op_by_op_name", "get_next_op_by_op_name",
            "get_user_count_by_op_name", "get_op_by_op_name",
        ):  # fmt: skip
            setattr(self, name, functools.cache(getattr(self, name)))


class _Log(original.logger):
    """The toolchain's log.

    Attributes:
        exception: what the search caught; None where there was none.
    """

    exception: str | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - the toolchain's own
        if ParallelSearcher.group.rank == 0:
            super().__init__(*arguments, **options)

    def print_info(self, *parts: Any) -> None:  # noqa: ANN401 - the toolchain's own
        text = " ".join(map(str, parts))
        if text.startswith(_EXCEPTION):
            self.exception = text[len(_EXCEPTION) :]
        if ParallelSearcher.group.rank == 0:
            super().print_info(text)


class _Drawing:
    """In the place of the toolchain's drawing of the network."""

    def __init__(self, *_: object) -> None:
        pass

    def add_node_label(self, *_: object) -> None:
        pass

    def add_new_log_region(self, *_: object) -> None:
        pass

    def gen_dot_graph(self) -> None:
        pass


def stand_in(group: ProcessGroup) -> None:
    """Has the toolchain's `run_qtable` search with these processes."""
    ParallelSearcher.group = group
    original.MixPrecSearcher = ParallelSearcher
    original.MixQuantModel = _Network
    original.MlirParser = _Parser
    original.logger = _Log
    original.net_dot_log = _Drawing
    mlir_parser.Operation.loc = staticmethod(lambda _: "")
    # One bar is enough. The clock stands still, so a bar that waits for time to pass would never move.
    original.tqdm = functools.partial(original.tqdm, disable=bool(group.rank), mininterval=0)
