"""Writes the measured accuracy into README.md: `./doit shapes && python models/shapes/accuracy.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BUILT = HERE.parents[1] / "build" / "shapes"
BEGIN, END = "<!-- Written by accuracy.py -->\n", "<!-- End of what accuracy.py writes -->\n"
NETWORKS = {"float": "float", "f16 (BF16)": "cv181x_f16", "int8": "cv181x_int8", "mix": "cv181x_mix"}


def table() -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| network | field mAP50 | field mAP50-95 | camera mAP50 | camera mAP50-95 | agreement with float |"
    yield "|---|---|---|---|---|---|"
    for name, file in NETWORKS.items():
        measured = json.loads((BUILT / f"shapes_{file}_accuracy.json").read_text(encoding="utf-8"))
        cells = [*_pair(measured["field_details"]), *_pair(measured["camera_details"])]
        agreement = measured["agreement"]
        cells.append(f"{agreement['value']:.4f}" if agreement else "")
        yield f"| {' | '.join([name, *cells])} |"


def _pair(details: dict[str, Any]) -> tuple[str, str]:
    boxes = details["boxes"]
    return f"{boxes['map50']:.4f}", f"{boxes['map50_95']:.4f}"


def main() -> None:
    """Put the table in its place."""
    readme = HERE / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = "".join(f"{line}\n" for line in table())
    readme.write_text(f"{before}{BEGIN}{lines}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
