"""Turns the outputs of a network into detections, in two ways; compares outputs that nobody can decode.

- `camera_view` has the rules of the camera's firmware with all its faults: what its user sees.
- `field_view` has the rules by which average precision is usually measured.
- `letterbox` knows where an image lies in the network's input, and `masks` writes masks as COCO does.
- `comparison` compares the outputs of two networks, one image after another.

Everything here is numpy alone and computes values. Programs in the container import it as `decoders`.
"""
