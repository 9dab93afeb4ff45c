"""Draws what networks see: `python3 -m preview --images=FOLDER OPTIONS PICTURE LISTING TILES`.

The detections of the float network and of each cvimodel are read from files that evaluations have written.
The images on which they differ most are drawn side by side, with the differences marked.

- `objects`, `marks` and `choice` decide what is shown: they compute values.
- `written` and `placing` decide how names are written and where they stand.
- `pen`, `tile` and `sheet` draw.
"""
