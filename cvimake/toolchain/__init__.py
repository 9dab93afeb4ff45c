"""The tools of tpu_mlir and the files that they write."""
