"""A toolchain of a few lines whose search has the toolchain's joints: what `parallel_searcher` replaces.

A sample is a number in a file. Similarities are sums of fractions whose order shows in the last bit. A sample
of 1000 or more fails in a layer; a negative one is the signal that ends the process.
"""

from __future__ import annotations

from pathlib import Path

_MIX_PRECISION = """
import os, sys
from tqdm import tqdm
from utils.mlir_parser import MlirParser
from utils.misc import logger, DataSelector, mlir_lowering, cos_sim, net_dot_log

class MixQuantModel:
    def __init__(self, mlir, kind, table=None, mix=None):
        self.file = f"{mlir}.{'mix' if mix else kind}.tune.mlir"
        mlir_lowering(mlir, self.file, kind, table, mix)
        self.module = open(self.file).read()
        self.parser = MlirParser(self.file)

    def clean(self):
        del self.module
        os.remove(self.file)

class MixPrecSearcher:
    def __init__(self, args):
        self.args = args
        self.batch_size = args.batch
        self.parser = MlirParser(args.mlir)
        self.logger = logger("MixPrecSearcher", log_level="INFO")
        self._init_inputs(args)

    def _init_inputs(self, args):
        chosen = DataSelector(None, args.input_num, args.data_list)
        short = len(chosen.data_list) % self.batch_size
        if short:
            chosen.data_list += chosen.data_list[-1:] * (self.batch_size - short)
        self.num_sample = len(chosen.data_list) // self.batch_size
        self.values = [
            sum(float(part) for part in chosen.data_list[start : start + self.batch_size])
            for start in range(0, len(chosen.data_list), self.batch_size)
        ]

    def get_input_int8_tensor(self, index, name, fp32=False):
        value = self.values[index]
        if name == "layer3" and value >= 1000:
            raise Exception(f"sample {value} has no {name}")
        return value * (1 + int(name[-1]))

    def get_input_fp32_tensor(self, index, name):
        return self.values[index]

    def _loss(self, outputs):
        return 1 / (1 + outputs)

    def run_model(self, model, float_type):
        total = 0
        for value in self.values:
            if value < 0 and not float_type:
                os.kill(os.getpid(), int(-value))
            if not float_type:
                total += self._loss(value)
        return total / self.num_sample

    def cal_avg_layer_cos(self, op):
        total = 0
        for index in range(self.num_sample):
            total += cos_sim(
                self.get_input_int8_tensor(index, op.name, True), self.get_input_fp32_tensor(index, op.name)
            )
        return total / self.num_sample

    def _gen_mix_table(self, layers):
        with open("table", "w") as file:
            file.write(",".join(layers))
        return "table"

    def set_curr_layer_and_the_next_layer_mix(self, op, next_ops, layers):
        layers.append(op.name)
        model = MixQuantModel(self.args.mlir, "INT8", "cal", self._gen_mix_table(layers))
        assert ",".join(layers) in model.module, model.module
        total = 0
        for value in self.values:
            total += self._loss(value * 1.1)
        return total / self.num_sample, model

    def search_mix_layer(self, float_model, int8_model, found, layers):
        reached = 0
        int8_model = MixQuantModel(self.args.mlir, "INT8", "cal")
        try:
            for name in tqdm(["layer0", "layer1", "layer2", "layer3"]):
                op = type("Op", (), {"name": name})
                cos = self.cal_avg_layer_cos(op)
                found.append((name, cos))
                if cos < 0.7:
                    reached, model = self.set_curr_layer_and_the_next_layer_mix(op, [], layers)
                    model.clean()
        except Exception as error:
            self.logger.print_info("An exception happened: " + str(error))
        int8_model.clean()
        float_model.clean()
        return reached

    def print_log_info(self, found, layers, reached):
        with open("qtable", "w") as file:
            file.write(f"{self.num_sample} {found} {layers} {reached!r}")
        self.logger.print_info(f"mix model outputs_cos:{reached!r}")

    def run(self):
        float_model = MixQuantModel(self.args.mlir, "BF16")
        self.run_model(float_model, True)
        int8_model = MixQuantModel(self.args.mlir, "INT8", "cal")
        cos = self.run_model(int8_model, False)
        self.logger.print_info(f"int8 outputs_cos:{cos!r} old")
        if cos > self.args.expected_cos:
            sys.exit(0)
        found, layers = [], []
        reached = self.search_mix_layer(float_model, int8_model, found, layers)
        self.print_log_info(found, layers, reached)
"""
_MLIR_PARSER = """
class Operation:
    loc = attrs = append_attr = None

class MlirParser:
    def __init__(self, file):
        self.ops = [type("Op", (), {"shape": [1000, 1000]})]
        self.module_weight_file = "weights.npz"

    def get_op_name_list(self):
        return []

    get_op_output_name_list = get_pre_op_by_op_name = get_next_op_by_op_name = get_op_name_list
    get_user_count_by_op_name = get_op_by_op_name = get_op_name_list
"""
_MISC = """
class logger:
    def __init__(self, name, log_level):
        self.file = name
        open(name, "w").close()

    def print_info(self, *parts):
        print(*parts)
        with open(self.file, "a") as file:
            print(*parts, file=file)

class DataSelector:
    def __init__(self, dataset, count, data_list):
        with open(data_list) as file:
            self.data_list = file.read().split()[:count or None]
        self.all_image = True

def mlir_lowering(mlir, lowered, kind, table, mix):
    print("lowered", lowered)
    with open(lowered, "w") as file:
        file.write(f"{kind} {table} " + (open(mix).read() if mix else ""))

def cos_sim(one, other):
    return 1 / (1 + abs(one - other) / 7)

net_dot_log = None
"""
_TQDM = """
import sys

class tqdm:
    def __init__(self, items, disable=False, mininterval=0.1):
        self.items = items
        # As where the clock stands still.
        self.moves = not disable and mininterval == 0
        if not disable:
            print("one bar", file=sys.stderr)

    def __iter__(self):
        for number, item in enumerate(self.items, 1):
            yield item
            if self.moves:
                print(f"done: {number}", file=sys.stderr)
"""
_RUN_QTABLE = """
import argparse
from calibration.mix_precision import MixPrecSearcher

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("mlir")
    parser.add_argument("--data_list")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--input_num", type=int, default=0)
    parser.add_argument("--expected_cos", type=float, default=0.99)
    parser.add_argument("--debug_cmd", default="")
    MixPrecSearcher(parser.parse_args()).run()
"""


def write(root: Path) -> Path:
    """Writes it into a folder; returns the root of its Python sources."""
    files = {
        "calibration/mix_precision.py": _MIX_PRECISION,
        "utils/mlir_parser.py": _MLIR_PARSER,
        "utils/misc.py": _MISC,
        "tqdm.py": _TQDM,
        "tools/run_qtable.py": _RUN_QTABLE,
    }
    for name, text in files.items():
        path = root / "python" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with (root.parent / "weights.npz").open("wb") as file:
        file.truncate(4_000_000)
    return root / "python"
