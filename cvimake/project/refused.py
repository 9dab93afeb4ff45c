"""Options of the tools that cannot be declared, each with the reason."""

from __future__ import annotations

# Options of the tools that are refused, and why. A mistyped key gets no such answer.
REFUSED: dict[str, str] = {
    "asymmetric": "tpu_mlir 1.7 accepts and ignores it: on every processor the file is the symmetric one's",
    "merge_weight": "it reads what an earlier run left behind: the result would depend on the order",
    "cache_skip": "it skips checks by what an earlier run left behind; what is up to date does not run",
    "do_winograd": "only for bm1684",
    "dynamic": "cvimodels have fixed shapes",
    "num_device": "these processors stand alone",
    "group_by_cores": "these processors have one core",
    "q_group_size": "these processors have no W4 quantisation",
    "compress_mode": "only for bm1688",
    "io_alone": "the tool has replaced it by addr_mode, which is always auto on these processors",
    "chip": "call it processor",
    "test_result": "it is always build/MODEL/MODEL_top_outputs.npz",
    "model_name": "the model's folder names it",
    "debug": "every stage keeps its log; what it leaves behind is not kept",
}
