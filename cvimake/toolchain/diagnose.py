"""Finds the known failure that fits the log and the end of a failed stage."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cvimake.core.action import GIBIBYTE, Ending, Limits
from cvimake.toolchain.known_failures import KNOWN, Known

_KILLED = 137
# The exit code of a process that the kernel ended because it made a file larger than the limit.
_FILE_TOO_LARGE = 128 + signal.SIGXFSZ
# The number of layers that are shown, of those that missed a tolerance.
_WORST = 5
_LAYER = re.compile(
    r"\[(?P<layer>[^\[\]\s]+) *\] +\w+ \[FAILED\]\n"
    r".*\n *cosine_similarity += (?P<cosine>\S+)\n *euclidean_similarity += (?P<euclidean>\S+)"
)
# The lines of a Python traceback and of LLVM's.
_FRAME = re.compile(
    r"Traceback \(most recent call last\):| *File \".*\", line \d+, in |Stack dump|PLEASE submit a bug report"
    r"|\d+\.\s+Program arguments:| *#?\d+ +\S+ +0x[0-9a-f]+|During handling of the above exception"
)
_COMPARISON = "[Running]: npz_tool.py compare"
# A layer of a search with its similarity, as printed during the search and in the list at its end.
_RANKED = re.compile(
    r"^(?:No\.\d+ *: )?[Ll]ayer:? +(?P<layer>\S+)\s+[Cc]os(?:ine)?:? (?P<cosine>-?\d\S*)$", re.MULTILINE
)
_TOLERANCE = re.compile(r"--tolerance (?P<cosine>[^\s,]+),(?P<euclidean>\S+)")
_COUNT = re.compile(r"^(?P<count>\d+) compared$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """A known failure, filled in from a log.

    Attributes:
        id: the id of the known failure, which is its heading in `docs/errors.md`.
        link: a page that explains the cause in full; empty if there is none.
    """

    id: str
    cause: str
    remedy: str
    link: str


@dataclass(frozen=True)
class Layer:
    """A layer that a comparison found too different."""

    name: str
    cosine: float
    euclidean: float


def diagnose(ending: Ending, log: str, limits: Limits) -> Diagnosis | None:
    """Return the first known failure that fits; None if none does.

    Args:
        ending: the end of the command.
        log: the output of the command, or the end of a long one.
        limits: the limits of the command.
    """
    for known in KNOWN:
        if isinstance(known.sign, str):
            if known.sign == _limit(ending):
                return _with_ranking(_diagnosis(known, {}, limits), log)
        elif match := known.sign.search(log):
            found = _diagnosis(known, {name: text or "" for name, text in match.groupdict().items()}, limits)
            if "npz compare FAILED" in match.group():
                return _with_layers(found, log)
            return _with_ranking(found, log)
    return None


def telling(lines: Sequence[str]) -> list[str]:
    """Return the lines of a log without those of tracebacks and stack dumps."""
    told = []
    inside = False
    for line in lines:
        if _FRAME.match(line):
            # The next line is the line of the source.
            inside = line.lstrip().startswith("File ")
            continue
        if not (inside and line.startswith("    ")):
            told.append(line)
        inside = False
    return told


def missed_layers(comparison: str) -> list[Layer]:
    """Return the layers that a comparison found too different, the least similar first."""
    layers = [
        Layer(match["layer"], float(match["cosine"]), float(match["euclidean"]))
        for match in _LAYER.finditer(comparison)
    ]
    return sorted(layers, key=lambda layer: (layer.cosine, layer.euclidean))


def _with_layers(found: Diagnosis, log: str) -> Diagnosis:
    """Add to a missed tolerance the layers that missed it, with their similarities."""
    comparison = log.rpartition("npz compare FAILED")[0].rpartition(_COMPARISON)[2]
    layers, tolerance = missed_layers(comparison), _TOLERANCE.search(comparison)
    count = _COUNT.search(comparison)
    if not (layers and tolerance and count):
        return found
    width = max(len(layer.name) for layer in layers[:_WORST])
    head = (
        f"{len(layers)} of {count['count']} compared layers are less similar than "
        f"{tolerance['cosine']} (cosine), {tolerance['euclidean']} (Euclidean); the least similar:"
    )
    rows = [f"  {layer.name:{width}}  {layer.cosine:.6f}  {layer.euclidean:.6f}" for layer in layers[:_WORST]]
    return replace(found, remedy="\n".join([head, *rows, found.remedy]))


def _with_ranking(found: Diagnosis, log: str) -> Diagnosis:
    """Add to a failed search the layers that a qtable should keep float first."""
    cosines = {match["layer"]: float(match["cosine"]) for match in _RANKED.finditer(log)}
    if not cosines:
        return found
    worst = sorted(cosines, key=cosines.__getitem__)[:_WORST]
    width = max(map(len, worst))
    rows = [f"  {layer:{width}}  {cosines[layer]:.6f}" for layer in worst]
    head = f"{len(cosines)} layers were compared (the log has all of them); the least similar in INT8:"
    return replace(found, remedy="\n".join([head, *rows, found.remedy]))


def _limit(ending: Ending) -> str:
    if ending.timed_out:
        return "time"
    if ending.out_of_memory:
        return "memory"
    if ending.overfull or ending.exit_code == _FILE_TOO_LARGE:
        return "workspace"
    return "killed" if ending.exit_code == _KILLED else ""


def _diagnosis(known: Known, found: dict[str, str], limits: Limits) -> Diagnosis:
    values = {
        **found,
        "memory": limits.memory / GIBIBYTE,
        "seconds": limits.seconds,
        "processes": limits.processes,
        "workspace": limits.workspace / GIBIBYTE,
        "files": limits.files,
    }
    return Diagnosis(
        id=known.id, cause=known.cause.format(**values), remedy=known.remedy.format(**values), link=known.link
    )
