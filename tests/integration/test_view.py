"""`view` in a real browser. Without Netron, which nothing else needs, and Chromium it is skipped."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from lab import HANGS_AFTER, ROOT, environment

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or ""
NETRON = find_spec("netron")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
# What Netron calls its page when all is drawn is `default`.
SEEN = """JSON.stringify({
    drawn: (document.body?.className ?? "").split(" ").includes("default"),
    title: document.title,
    edges: [...document.querySelectorAll(".edge-label")].map(label => label.id),
    elsewhere: performance.getEntriesByType("resource").map(entry => entry.name)
        .filter(name => !name.startsWith(location.origin) && !name.startsWith("blob:")),
})"""


class Page:
    """A page in a browser that is told what to do through a pipe (Chrome DevTools Protocol)."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests, self._answers = requests, answers
        self._read, self._number = b"", 0
        self._session = ""
        pages = self.call("Target.getTargets")["targetInfos"]
        (page,) = [target["targetId"] for target in pages if target["type"] == "page"]
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]

    def call(self, method: str, **parameters: object) -> Any:  # noqa: ANN401 - any JSON value
        """What the browser answers."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._requests, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._read:
                self._read += os.read(self._answers, 65536)
            told, _, self._read = self._read.partition(b"\0")
            answer = json.loads(told)
            if answer.get("id") == self._number:
                return answer["result"]

    def seen(self) -> dict[str, Any]:
        """What stands on the page."""
        value = self.call("Runtime.evaluate", expression=SEEN, returnByValue=True)["result"]["value"]
        found: dict[str, Any] = json.loads(value)
        return found


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A browser that has opened no page yet."""
    (taken, requests), (answers, given) = os.pipe(), os.pipe()
    arguments = [BROWSER, *OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
    ends = [(os.POSIX_SPAWN_DUP2, taken, 3), (os.POSIX_SPAWN_DUP2, given, 4)]
    process = os.posix_spawn(BROWSER, arguments, os.environ, file_actions=ends)
    os.close(taken)
    os.close(given)
    try:
        yield Page(requests, answers)
    finally:
        os.kill(process, 15)
        os.waitpid(process, 0)
        os.close(requests)
        os.close(answers)


@pytest.mark.skipif(not BROWSER, reason="Chromium is not installed: apt-get install chromium")
@pytest.mark.skipif(
    NETRON is None, reason="Netron is not in this environment: pip install -r requirements/test.txt"
)
def test_the_graph_is_drawn_to_its_outputs_and_nobody_else_is_asked(tmp_path: Path) -> None:
    assert NETRON is not None
    assert NETRON.origin is not None
    variables = environment(PYTHONPATH=f"{ROOT}:{Path(NETRON.origin).parents[1]}")
    command = [sys.executable, "-m", "cvimake.cli", "view", "shapes"]
    with subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            said = next(line for line in iter(server.stdout.readline, "") if "until Ctrl-C" in line)
            with browser(tmp_path) as page:
                page.call("Page.navigate", url=said.split()[3])
                end = time.monotonic() + HANGS_AFTER
                while not (seen := page.seen())["drawn"] and time.monotonic() < end:
                    time.sleep(0.2)
        finally:
            server.terminate()
    assert seen["drawn"]
    assert seen["title"] == "shapes.onnx"
    outputs = ("box_8", "class_8", "box_16", "class_16", "box_32", "class_32")
    assert {f"edge-label-edge-{name}" for name in ("images", *outputs)} <= set(seen["edges"])
    assert seen["elsewhere"] == []
