"""Measures what a network sees: `python3 -m evaluation --images=FOLDER OPTIONS RESULT DETECTIONS CAMERA`.

The network is the MLIR in float, or a cvimodel on the simulator. Each image becomes the picture that the
camera would give. The outputs are decoded twice: as the camera's firmware does it, and as average precision
is usually measured. Where no decoder fits, they are compared with those of the float network.
"""
