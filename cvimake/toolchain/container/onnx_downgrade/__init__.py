"""ONNX networks for the toolchain: an older opset and IR, everything in its plain form, and proof of it.

Runs inside the container as `python3 -m onnx_downgrade`, under a Python environment of its own: the newest
`onnx` and `onnxruntime` for Python 3.10, beside the toolchain's old ones.
"""
