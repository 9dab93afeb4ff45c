"""The task graph: the stages of every model, as doit tasks between files.

    ./doit                    everything that is stale
    ./doit list --all         what there is
    ./doit MODEL[:STAGE]      one model, or one of its stages and what it needs

A variant's stages are `MODEL:VARIANT`, `MODEL:VARIANT_qtable`, `MODEL:VARIANT_info` and
`MODEL:VARIANT_accuracy`. `MODEL:preview` draws what they see; it only runs if it is named.
"""  # fmt: skip

from cvimake.dodo import graph
from cvimake.pipeline.stages import accuracy, calibration, cvimodel, info, mlir, onnx, preview, qtable

STAGES = (
    onnx.stages,  # ONNX, or a checkpoint → the opset that the toolchain reads, proven to compute the same
    mlir.stages,  # that, or another source → MLIR, its weights, and the float network's outputs
    calibration.stages,  # MLIR, dataset → the thresholds of INT8
    qtable.stages,  # MLIR, thresholds, dataset → which layers stay float
    cvimodel.stages,  # MLIR, thresholds, layers → a cvimodel for each variant, checked on the simulator
    info.stages,  # cvimodel → what is in it, and what the camera takes it for
    accuracy.stages,  # cvimodel, images → what it sees, on the simulator; and what the float network sees
    preview.stages,  # detections, images → a picture of what they see; only if it is named
)

DOIT_CONFIG, task_toolchain, task_models = graph(__file__, STAGES)
