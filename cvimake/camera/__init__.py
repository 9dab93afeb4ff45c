"""All that is known of the reCamera's firmware: what it takes a cvimodel for, and what it does with it.

Sources, all public: SSCMA-Micro at commit 60e2ede (in `sscma/core/model`: `ma_model_factory.cpp`, and of each
`ma_model_*.cpp` its `isValid` and `postprocess`), sscma-example-sg200x (the camera's node and `sscma-model`),
and cviruntime. `docs/camera.md` says what of it was measured. The firmware may change: nothing outside this
folder knows its rules.

`layouts` has the rules by which it recognises a kind, `decoding` whether it decodes that kind rightly,
`kinds` the table of both, `recognition` the answer for one cvimodel, `feed` the pictures that it gives.
"""
