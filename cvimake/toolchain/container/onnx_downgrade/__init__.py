"""Converts ONNX networks for the toolchain: to an older opset and IR and a plain form, proven to be the same.

It runs in the container as `python3 -m onnx_downgrade`, in a Python environment of its own: with the newest
`onnx` and `onnxruntime` for Python 3.10, beside the toolchain's old ones.
"""
