"""Writes the pages of a report, and only those whose contents have changed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Container, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cvimake.core import digest
from cvimake.core.publication import write_whole
from cvimake.report import pages
from cvimake.report.data import FOLDER, Model, Report
from cvimake.report.tables import json_object

# The record of all pages: the digest of everything that each was made from, and its sha256.
_RECORD = ".pages.json"
_LIBRARIES = ("jinja2", "matplotlib", "pillow")
# For fewer pages, another process costs more time than it saves.
_FEW = 6


@dataclass(frozen=True)
class Written:
    """The result: how many pages there are, and how many of them had to be made."""

    pages: int
    made: int


@dataclass(frozen=True)
class _Page:
    """A page that is to be made; without a model, the overview."""

    report: Report
    model: Model | None
    graph: str

    @property
    def name(self) -> str:
        return pages.page_of(self.model.name) if self.model else pages.INDEX

    @property
    def digest(self) -> str:
        """The digest of everything that is on the page."""
        shown = self.model.model_dump_json() if self.model else ""
        return digest.of_value([self.report.model_dump_json(), shown, self.graph])


def write(report: Report, graphs: Mapping[str, str], root: Path) -> Written:
    """Write the pages into `build/report`.

    Args:
        report: what they show.
        graphs: the graph of each model's build as SVG.
        root: the project's folder.
    """
    folder = root / FOLDER
    known = json_object(folder / _RECORD)
    code = _code()
    wanted = {page.name: (page, digest.of_value([code, page.digest])) for page in _pages(report, graphs)}
    stale = [
        page for page, made_from in wanted.values() if not _is_current(folder, page.name, known, made_from)
    ]
    record = {name: known[name] for name in wanted if name in known}
    for page, content in zip(stale, _rendered(stale), strict=True):
        write_whole(folder / page.name, content)
        record[page.name] = [wanted[page.name][1], hashlib.sha256(content).hexdigest()]
    _remove(folder / pages.MODELS, known.keys() - wanted.keys())
    if stale or known.keys() != wanted.keys():
        write_whole(folder / _RECORD, json.dumps(record, indent=1, sort_keys=True).encode())
    return Written(pages=len(wanted), made=len(stale))


def _pages(report: Report, graphs: Mapping[str, str]) -> Iterator[_Page]:
    yield _Page(_without_details(report), None, "")
    # The page of a model has only the project's name and commit of the report.
    frame = report.model_copy(update={"models": ()})
    for model in report.models:
        yield _Page(frame, model, graphs.get(model.name, ""))


def _without_details(report: Report) -> Report:
    """Return what the overview shows of a report."""
    plain = {"breakdowns": (), "curves": None, "confusions": (), "thresholds": (), "changes": (), "files": ()}
    return report.model_copy(
        update={"models": tuple(model.model_copy(update=plain) for model in report.models)}
    )


def _rendered(stale: list[_Page]) -> Iterator[bytes]:
    if len(stale) <= _FEW:
        yield from map(_render, stale)
        return
    with ProcessPoolExecutor(os.cpu_count() or 1) as processes:
        yield from processes.map(_render, stale, chunksize=4)


def _render(page: _Page) -> bytes:
    if page.model is None:
        return pages.overview(page.report, FOLDER, dated=True).encode()
    return pages.of_model(page.report, page.model, FOLDER, page.graph, dated=True).encode()


def _is_current(folder: Path, name: str, known: Mapping[str, object], made_from: str) -> bool:
    """Tell whether a page was made from the same, and nobody has changed it since."""
    try:
        content = (folder / name).read_bytes()
    except OSError:
        return False
    return known.get(name) == [made_from, hashlib.sha256(content).hexdigest()]


def _remove(folder: Path, gone: Container[str]) -> None:
    """Remove the pages of models that are gone.

    The record can hold any path. Only pages that the folder has are looked for in it, so nothing else can be
    removed.

    Args:
        folder: the folder of the models' pages. A link can lead to files of anybody, so none is followed.
        gone: the names in the record that are no pages any more.
    """
    if folder.is_symlink():
        return
    for path in folder.glob("*.html"):
        if pages.page_of(path.stem) in gone and path.is_file():
            path.unlink(missing_ok=True)


def _code() -> str:
    """Return the digest of all programs and templates that make pages."""
    own = Path(__file__).parent
    files = sorted(path for path in own.rglob("*") if path.suffix in {".py", ".j2", ".css"})
    contents = [[str(path.relative_to(own)), digest.of_file(path)] for path in files]
    return digest.of_value([contents, [importlib.metadata.version(name) for name in _LIBRARIES]])
