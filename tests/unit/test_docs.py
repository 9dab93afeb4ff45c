"""The pages that people read: the README is short, and every link leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*/*.md")])
README_LINES = 200


def _outside_of_code(page: Path) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def _links(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", _outside_of_code(page)):
        if not re.match(r"https?:", link):
            yield link


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_file_and_heading_that_exist(page: Path) -> None:
    for link in _links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def test_the_index_lists_every_page_of_the_docs() -> None:
    index = ROOT / "docs" / "README.md"
    pages = {page.name for page in ROOT.glob("docs/*.md")} - {index.name}
    assert pages <= set(_links(index))


def test_the_readme_is_at_most_200_lines_long() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


def test_the_places_that_the_page_on_architecture_names_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.name for path in (ROOT / "cvimake").iterdir() if (path / "__init__.py").exists()}
    figure = text.split("```")[1]
    assert rooms == {word for word in re.findall(r"│ (\w+) {2,}", figure) if word != "dodo"}
    places = re.findall(rf"`((?:{'|'.join(rooms)})/[\w./]*|docker/|tests/unit/|cvimake/dodo\.py)`", text)
    assert len(places) > len(rooms)
    for place in places:
        assert (ROOT / "cvimake" / place).exists() or (ROOT / place).exists(), place
