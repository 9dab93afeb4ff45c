"""`python -m bench.publish [FILE]`: puts a run's results into docs/performance.md.

Beside the page are its data, `performance.json`, and the plot, `performance.svg`. With the
breakdown of a build, there are `performance-build.json` and `performance-build.svg` too; with builds on a
simulated cluster, `performance-cluster.json` and `performance-cluster.svg`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import breakdown, busy, gantt, plot, project, records, report
from bench.breakdown import Breakdown
from bench.records import Record
from cvimake.core import announce
from cvimake.core.errors import CvimakeError

PAGE = project.CHECKOUT / "docs" / "performance.md"
PICTURE = PAGE.with_name("performance-build.svg")
CLUSTER = PAGE.with_name("performance-cluster.svg")
BEGIN, END = "<!-- results: written by `python -m bench.publish` -->", "<!-- end of results -->"


def page(
    text: str, found: Sequence[Record], build: Breakdown | None = None, *, has_clusters: bool = False
) -> str:
    """Return a page with these results, and the breakdown of a build, between its marks.

    Args:
        text: the page.
        found: the results.
        build: the breakdown; None for none.
        has_clusters: whether there is a picture of builds on simulated clusters.

    Raises:
        CvimakeError: the page does not have each of the two marks once.
    """
    if not text.count(BEGIN) == text.count(END) == 1 or text.index(BEGIN) > text.index(END):
        raise CvimakeError(f"the page needs a line `{BEGIN}`, and after it a line `{END}`")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    picture = "![what cvimake takes, as a ratio to what others take](performance.svg)"
    parts = [picture, report.markdown(found)]
    if build:
        parts.append(report.markdown_breakdown(build, PICTURE.name))
    if has_clusters:
        parts.append(f"### many machines\n\n![slots that run a stage, at each moment]({CLUSTER.name})\n")
    return "\n".join([f"{before}{BEGIN}", *(f"\n{part}" for part in parts), f"{END}{after}"])


def main(arguments: Sequence[str]) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.publish", description="Puts results into docs/performance.md."
    )
    parser.add_argument(
        "json", nargs="?", type=Path, default=Path("build/bench.json"), help="[default: %(default)s]"
    )
    options = parser.parse_args(arguments)
    try:
        found = records.load(options.json)
        of_build = breakdown.beside(options.json)
        build = breakdown.load(of_build) if of_build.exists() else None
        of_clusters = busy.beside(options.json)
        clusters = busy.load(of_clusters) if of_clusters.exists() else []
        text = page(PAGE.read_text(encoding="utf-8"), found, build, has_clusters=bool(clusters))
    except CvimakeError as error:
        announce.note(str(error))
        return error.exit_code
    plot.draw(found, PAGE.with_suffix(".svg"))
    records.save(found, PAGE.with_suffix(".json"))
    if build:
        gantt.draw(build, PICTURE)
        breakdown.save(build, PICTURE.with_suffix(".json"))
    if clusters:
        busy.draw(clusters, CLUSTER)
        busy.save(clusters, CLUSTER.with_suffix(".json"))
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
