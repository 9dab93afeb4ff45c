"""Options of the tools that cannot be declared, each with the reason."""

from __future__ import annotations

# Options of the tools that are refused, and why. A mistyped key gets no such answer.
REFUSED: dict[str, str] = {
    "asymmetric": "tpu_mlir 1.7 ignores it: the cvimodel is the same with and without it",
    "merge_weight": "it reads files of an earlier run, so the result would depend on the order of runs",
    "cache_skip": "with it, files of an earlier run replace checks; cvimake runs no stage that is up to date",
    "do_winograd": "it is only for the processor bm1684",
    "dynamic": "cvimodels have fixed shapes",
    "num_device": "a cvimodel runs on one processor",
    "group_by_cores": "these processors have one core",
    "q_group_size": "these processors have no W4 quantisation",
    "compress_mode": "it is only for the processor bm1688",
    "io_alone": "the tool has replaced it by addr_mode, which is always auto on these processors",
    "chip": "its name here is processor",
    "test_result": "it is always build/MODEL/MODEL_top_outputs.npz",
    "model_name": "it is the name of the model's folder",
    "debug": "it keeps intermediate files; in cvimake a stage keeps its log, but no intermediate files",
}
