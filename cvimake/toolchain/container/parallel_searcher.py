"""Runs the toolchain's search for a qtable in several processes, with the same decisions, to the last bit.

Every process runs the toolchain's whole search with a share of the samples. Samples only meet in averages:
that of a layer's similarity, and that of the outputs' similarity. Here the processes tell each other the
value of every sample, and each process adds all values up in the order of the samples, as the toolchain does.
These parts are replaced:

- `_init_inputs` loads a share of the samples, with the toolchain's own method.
- `run_model`, `set_curr_layer_and_the_next_layer_mix` and `cal_avg_layer_cos` average over all samples.
- `search_mix_layer` tells the other processes of an exception that the toolchain's own method has caught.
- Only the first process lowers the network and writes tables and the log; the others wait for the lowered
  network.
- The INT8 network is lowered and loaded once, not twice with the same arguments.
- `MlirParser` remembers the things for which it searches the whole network: the network does not change. It
  leaves out the text and the attributes of each operation, which nothing here reads and which take most of
  its time.
- `infer_from` prints nothing, and `gen_ref_tensor` keeps the array that the network gives it, which is a copy
  already; the toolchain copies it twice more.
- `net_dot_log` writes to a drawing of the network, which is no result. It is left out.
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

# Parts of the toolchain; only the container has them.
original: Any = importlib.import_module("calibration.mix_precision")
mlir_parser: Any = importlib.import_module("utils.mlir_parser")

_EXCEPTION = "An exception happened: "
# The bytes that a process holds before it has read a network: the interpreter and the toolchain's libraries.
_BARE_PROCESS = 200 * 1024**2
# A process holds the float network, the INT8 one, the one that is tried, and as much again for the samples'
# tensors.
_NETWORKS = 4


@dataclass(frozen=True)
class _Ended:
    """The message of a process whose search has ended while others may still wait for values.

    Attributes:
        exception: the exception that the toolchain's search caught; None if the search came to its end.
    """

    exception: str | None


class ParallelSearcher(original.MixPrecSearcher):
    """A searcher for one process's share of the samples."""

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
        """Select the samples of this process: neighbours, so that the order of all samples stays the same."""
        chosen = selector(*arguments)
        size = self.batch_size if chosen.all_image else 1
        # The last batch is filled up in the way of the toolchain's `_init_inputs`.
        files = chosen.data_list + chosen.data_list[-1:] * (-len(chosen.data_list) % size)
        self._all = len(files) // size
        self.group.shrink(min(self.group.size, self._all, self._most_processes()))
        first, end = (self._all * rank // self.group.size for rank in (self.group.rank, self.group.rank + 1))
        chosen.data_list = files[first * size : end * size]
        return chosen

    def _most_processes(self) -> int:
        """Return how many processes the memory allows: each loads the networks with all their tensors."""
        memory = int(os.environ.get(MEMORY, "0"))
        if not memory:
            return int(self.group.size)
        tensors: int = 4 * sum(math.prod(op.shape) for op in self.parser.ops)
        weights = Path(self.parser.module_weight_file).stat().st_size
        return max(1, memory // (_BARE_PROCESS + _NETWORKS * (tensors + weights)))

    def _lower(self, lower: Any, top: str, lowered: str, *arguments: Any) -> None:  # noqa: ANN401 - the toolchain's own
        """Lower the network once for all processes."""
        if lowered in self._lowered:
            return
        if self.group.rank == 0:
            lower(top, lowered, *arguments)
        # The other processes go on when the file is there.
        self._gather([])
        if not lowered.endswith(".mix.tune.mlir"):
            # Its arguments never change.
            self._lowered.add(lowered)

    def _gather(self, values: list[float]) -> list[float]:
        """Return the values of all samples, given those of this process.

        Raises:
            RuntimeError: the search has died in another process.
        """
        told = self.group.all_gather(values)
        if over := next((each for each in told if isinstance(each, _Ended)), None):
            self._is_over = True
            raise RuntimeError(over.exception)
        return [value for share in told for value in share]

    def _average(self, values: Iterable[float]) -> float:
        """Return the average over all samples as the toolchain computes it, given this process's values."""
        total: float = 0
        for value in self._gather(list(values)):
            total += value
        return total / self._all

    def _loss(self, *arguments: Any) -> float:  # noqa: ANN401 - the toolchain's own
        loss: float = super()._loss(*arguments)
        self._losses.append(loss)
        return loss

    def run_model(self, model: Any, float_type: bool, *arguments: Any) -> float:  # noqa: ANN401, FBT001 - the toolchain's own
        """Return the similarity of the outputs; the float network has none."""
        self._losses = []
        none: float = super().run_model(model, float_type, *arguments)
        return none if float_type else self._average(self._losses)

    def set_curr_layer_and_the_next_layer_mix(self, *arguments: Any) -> tuple[float, Any]:  # noqa: ANN401 - the toolchain's own
        """Return the similarity of the outputs with one more layer in float, and that network."""
        self._losses = []
        _, network = super().set_curr_layer_and_the_next_layer_mix(*arguments)
        cosine = self._average(self._losses)
        if self.group.rank == 0:
            layer, _, chosen = arguments[:3]
            told = f"Mixture: {len(set(chosen))} layers in float, the last is {layer.name}, Cos: {cosine:.6f}"
            # The toolchain closes its standard output during the search.
            print(f"\n{told}", file=sys.stderr, flush=True)  # noqa: T201 - the log
        return cosine, network

    def cal_avg_layer_cos(self, op: Any) -> float:  # noqa: ANN401 - the toolchain's own
        """Return the similarity of a layer; print it at once, in case the search does not come to its end."""
        cosine = self._average(
            original.cos_sim(
                self.get_input_int8_tensor(index, op.name, True),  # noqa: FBT003 - the toolchain's own
                self.get_input_fp32_tensor(index, op.name),
            )
            for index in range(self.num_sample)
        )
        if self.group.rank == 0:
            # The toolchain closes its standard output during the search.
            print(f"\nLayer: {op.name} Cos: {cosine:.6f}", file=sys.stderr, flush=True)  # noqa: T201 - the log
        return cosine

    def search_mix_layer(self, float_model: Any, int8_model: Any, *arguments: Any) -> float:  # noqa: ANN401 - the toolchain's own
        """Search; all processes end in the same way."""
        _Network.loaded = int8_model
        reached: float = super().search_mix_layer(float_model, int8_model, *arguments)
        if not self._is_over:
            caught = self.logger.exception
            told = self.group.all_gather(_Ended(caught))
            others = (each.exception for each in told if isinstance(each, _Ended) and each.exception)
            if caught is None and (exception := next(others, None)):
                self.logger.print_info(_EXCEPTION + exception)
        return reached

    def gen_ref_tensor(
        self,
        index: int,
        name: str,
        held: dict[int, dict[str, list[Any]]],
        model: Any,  # noqa: ANN401 - the toolchain's own
        is_int8_data: bool = False,  # noqa: FBT001, FBT002 - the toolchain's own
    ) -> bool:
        """Compute a layer for one sample, unless that is done; return whether it was not.

        Raises:
            RuntimeError: an operand has no value.
        """
        tensors = held[index]
        if name in tensors:
            return False
        operands = model.parser.get_pre_op_by_op_name(name)
        assign = model.module.set_tensor_from_int if is_int8_data else model.module.set_tensor
        for operand in operands:
            values = tensors[operand][0]
            if values is None:
                # The toolchain's words: the search ends with them.
                raise RuntimeError(f"{name} 's input:{operand} not exist")
            assign(operand, values)
        if operands:
            computed = [model.module.invoke_at(name), model.parser.get_user_count_by_op_name(name)]
            tensors[name] = [*computed, model.module.get_fp32_tensor(name)] if is_int8_data else computed
        return True

    def _gen_mix_table(self, mix_ops: list[str]) -> str:
        name: str = super()._gen_mix_table(mix_ops) if self.group.rank == 0 else "of the first process"
        return name

    def print_log_info(self, *arguments: Any) -> None:  # noqa: ANN401 - the toolchain's own
        """Write the tables."""
        self.num_sample = self._all
        if self.group.rank == 0:
            super().print_log_info(*arguments)


class _Network(original.MixQuantModel):
    """A lowered network. The process that made its files removes them.

    Attributes:
        loaded: the INT8 network, when the toolchain is about to load it again.
    """

    loaded: ClassVar[_Network | None] = None

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - the toolchain's own
        same, _Network.loaded = _Network.loaded, None
        if same is None:
            super().__init__(*arguments)
        else:
            self.__dict__ = dict(same.__dict__)
            del same.module

    def infer_from(
        self,
        name: str,
        operands: dict[str, Any],
        others: dict[str, Any],
        layers: list[str] | None = None,
    ) -> dict[str, Any]:
        """Compute a layer and all after it; return the outputs, or the tensors of these layers.

        Args:
            name: the layer.
            operands: its operands.
            others: the other tensors of layers before it that layers after it read.
            layers: the layers whose tensors are returned.
        """
        for tensor, values in (*operands.items(), *others.items()):
            self.module.set_tensor_from_int(tensor, values)
            for reader in self.parser.get_next_op_by_op_name(tensor):
                if self.parser.get_op_by_op_name(reader).type == "tpu.Cast":
                    self.module.invoke_at(reader)
        self.module.invoke_from(name)
        return {each: self.module.get_tensor(each) for each in layers or self.module.output_names}

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
        exception: the exception that the search caught; None if there was none.
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
    """Takes the place of the toolchain's drawing of the network."""

    def __init__(self, *_: object) -> None:
        pass

    def add_node_label(self, *_: object) -> None:
        pass

    def add_new_log_region(self, *_: object) -> None:
        pass

    def gen_dot_graph(self) -> None:
        pass


def stand_in(group: ProcessGroup) -> None:
    """Let the toolchain's `run_qtable` search with these processes."""
    ParallelSearcher.group = group
    original.MixPrecSearcher = ParallelSearcher
    original.MixQuantModel = _Network
    original.MlirParser = _Parser
    original.logger = _Log
    original.net_dot_log = _Drawing
    mlir_parser.Operation.loc = staticmethod(lambda _: "")
    mlir_parser.Operation.append_attr = staticmethod(lambda _, attributes: attributes)
    attributes = mlir_parser.Operation.attrs
    mlir_parser.Operation.attrs = staticmethod(
        # Only those of the whole network are read; it is the only operation without a view.
        lambda op: attributes(op) if isinstance(op, mlir_parser.mlir.ir.Operation) else {}
    )
    # One bar is enough. The clock stands still, so a bar that waits for time to pass would never change.
    original.tqdm = functools.partial(original.tqdm, disable=bool(group.rank), mininterval=0)
