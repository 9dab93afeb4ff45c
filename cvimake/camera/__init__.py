"""All that is known of the firmware of the reCamera: the kinds of model that it recognises and decodes.

All sources are public: SSCMA-Micro at commit 60e2ede (in `sscma/core/model`: `ma_model_factory.cpp`, and
`isValid` and `postprocess` in each `ma_model_*.cpp`), sscma-example-sg200x (the camera's node and
`sscma-model`), and cviruntime. `docs/camera.md` says which of this was measured. The firmware may change:
only this folder and `toolchain/container/decoders`, which decodes outputs in containers, know its rules.

`layouts` has the rules by which the firmware recognises a kind, `decoding` tells whether it decodes that kind
correctly, `kinds` is the table of both, `recognition` gives the answer for one cvimodel, `camera_picture`
knows the pictures that the camera gives to a network, and `thresholds` has those of its decoding.
"""
