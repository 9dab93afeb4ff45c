"""Looks at pages in a real browser, as a phone and a desktop show them, in light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZES = {"phone": (360, 740), "tablet": (1130, 900), "desktop": (1280, 900)}
# Faults that keep somebody from reading a page.
SERIOUS = {"serious", "critical"}

# Texts that cover each other: in figures, and in the page's own elements that have no others inside.
_OVERLAPS = """() => {
  // On a phone, headings of tables are there for screen readers alone.
  const clipped = e => e && (getComputedStyle(e).clipPath.startsWith('inset') || clipped(e.parentElement));
  const visible = e => e.checkVisibility() && e.textContent.trim() && !clipped(e);
  const boxes = e => [...e.getClientRects()].map(r => [r.left + 1, r.top + 2, r.right - 1, r.bottom - 2]);
  const groups = [...document.querySelectorAll('svg')].map(s => [...s.querySelectorAll('text')]);
  groups.push([...document.querySelectorAll('th,td,h1,h2,h3,figcaption,summary,caption,pre,li')]
    .filter(e => !e.closest('svg')));
  const found = [];
  for (const group of groups) {
    const all = group.filter(visible);
    for (let i = 0; i < all.length; i++) for (let j = i + 1; j < all.length; j++) {
      const [a, b] = [all[i], all[j]];
      if (a.contains(b) || b.contains(a)) continue;
      for (const p of boxes(a)) for (const q of boxes(b))
        if (p[0] < q[2] && q[0] < p[2] && p[1] < q[3] && q[1] < p[3])
          found.push(a.textContent.trim().slice(0, 40) + ' / ' + b.textContent.trim().slice(0, 40));
    }
  }
  return found;
}"""
_WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
_LINKS = "[...document.querySelectorAll('a')].map(a => a.href)"
_IDS = "[...document.querySelectorAll('[id]')].map(e => e.id)"


@contextmanager
def browser() -> Iterator[object]:
    """A headless browser of this machine; without one, the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install -r requirements/test.txt")
    with playwright.sync_playwright() as driver:
        own = Path(driver.chromium.executable_path)
        found = str(own) if own.is_file() else next(filter(None, map(shutil.which, BROWSERS)), None)
        if found is None:
            pytest.skip(
                "no browser is installed: apt-get install chromium, "
                "or .venv/bin/playwright install --with-deps chromium"
            )
        # A container of root has no sandbox for the browser; the pages are our own.
        opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            opened.close()


def faults(opened: object, folder: Path) -> list[str]:
    """Open every page of a report in every size and colour, and return what is wrong."""
    pages = [folder / "index.html", *sorted((folder / "models").glob("*.html"))]
    found: list[str] = []
    for size, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            context = opened.new_context(  # type: ignore[attr-defined] # playwright is only there with a browser
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            for page in pages:
                found += (f"{page.name}, {size}, {scheme}: {fault}" for fault in _of_page(context, page))
            context.close()
    return found


def _of_page(context: object, path: Path) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - only there with a browser

    page = context.new_page()  # type: ignore[attr-defined] # as above
    found: list[str] = []
    page.on("console", lambda message: found.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on("request", lambda request: found.extend(_foreign(request.url)))
    page.goto(path.as_uri())
    if page.evaluate(_WIDER):
        found.append("wider than the screen")
    found += (f"overlap: {pair}" for pair in page.evaluate(_OVERLAPS))
    ids = set(page.evaluate(_IDS))
    for link in page.evaluate(_LINKS):
        parts = urlsplit(link)
        target = Path(unquote(parts.path))
        if (
            parts.scheme != "file"
            or not target.is_file()
            or (target == path and parts.fragment not in {"", *ids})
        ):
            found.append(f"a link leads nowhere: {link}")
    # All that can be opened is opened: it has to be readable too.
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    if page.evaluate(_WIDER):
        found.append("wider than the screen, with all details")
    found += (f"overlap in details: {pair}" for pair in page.evaluate(_OVERLAPS))
    for violation in Axe().run(page).response["violations"]:
        if violation["impact"] in SERIOUS:
            nodes = [node["html"][:100] for node in violation["nodes"][:3]]
            found.append(f"axe: {violation['id']}: {violation['help']}: {nodes}")
    page.close()
    return found


def _foreign(url: str) -> list[str]:
    return [] if url.startswith(("file:", "data:")) else [f"request: {url}"]
