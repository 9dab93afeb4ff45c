"""Why a step failed: its log, and how it ended, held against the known failures."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cvimake.core.action import GIBIBYTE, Limits, Outcome
from cvimake.toolchain.known_failures import KNOWN, Known

_KILLED = 137
# The kernel ends a process so that makes a file larger than the limit.
_FILE_TOO_LARGE = 128 + signal.SIGXFSZ
# Of the layers that missed a tolerance, so many are shown.
_WORST = 5
_LAYER = re.compile(
    r"\[(?P<layer>[^\[\]\s]+) *\] +\w+ \[FAILED\]\n"
    r".*\n *cosine_similarity += (?P<cosine>\S+)\n *euclidean_similarity += (?P<euclidean>\S+)"
)
# Of a Python traceback and of LLVM's.
_FRAME = re.compile(
    r"Traceback \(most recent call last\):| *File \".*\", line \d+, in |Stack dump|PLEASE submit a bug report"
    r"|\d+\.\s+Program arguments:| *#?\d+ +\S+ +0x[0-9a-f]+|During handling of the above exception"
)
_COMPARISON = "[Running]: npz_tool.py compare"
# A layer of a search with its similarity, as it goes on and in the list at its end.
_RANKED = re.compile(
    r"^(?:No\.\d+ *: )?[Ll]ayer:? +(?P<layer>\S+)\s+[Cc]os(?:ine)?:? (?P<cosine>-?\d\S*)$", re.MULTILINE
)
_TOLERANCE = re.compile(r"--tolerance (?P<cosine>[^\s,]+),(?P<euclidean>\S+)")
_COUNT = re.compile(r"^(?P<count>\d+) compared$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """A known failure as it happened.

    Attributes:
        id: of the known failure; its heading in `docs/errors.md`.
        cause: what happened, in a sentence.
        remedy: what to do.
        link: where the cause is explained in full; empty if only in `docs/errors.md`.
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


def diagnose(outcome: Outcome, log: str, limits: Limits) -> Diagnosis | None:
    """The first known failure that fits; None where none does.

    Args:
        outcome: how the command ended.
        log: what it printed, the end of it if that is long.
        limits: what it had.
    """
    for known in KNOWN:
        if isinstance(known.sign, str):
            if known.sign == _limit(outcome):
                return _with_ranking(_diagnosis(known, {}, limits), log)
        elif match := known.sign.search(log):
            found = _diagnosis(known, {name: text or "" for name, text in match.groupdict().items()}, limits)
            if "npz compare FAILED" in match.group():
                return _with_layers(found, log)
            return _with_ranking(found, log)
    return None


def telling(lines: Sequence[str]) -> list[str]:
    """The lines of a log without those that say where in the tool something happened."""
    told = []
    inside = False
    for line in lines:
        if _FRAME.match(line):
            # What follows is the source's line.
            inside = line.lstrip().startswith("File ")
            continue
        if not (inside and line.startswith("    ")):
            told.append(line)
        inside = False
    return told


def missed_layers(comparison: str) -> list[Layer]:
    """The layers that a comparison found too different, the least similar first."""
    layers = [
        Layer(match["layer"], float(match["cosine"]), float(match["euclidean"]))
        for match in _LAYER.finditer(comparison)
    ]
    return sorted(layers, key=lambda layer: (layer.cosine, layer.euclidean))


def _with_layers(found: Diagnosis, log: str) -> Diagnosis:
    """A missed tolerance, with the layers that missed it and how far."""
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
    """A failure of a search, with the layers that a qtable should keep float first."""
    cosines = {match["layer"]: float(match["cosine"]) for match in _RANKED.finditer(log)}
    if not cosines:
        return found
    worst = sorted(cosines, key=cosines.__getitem__)[:_WORST]
    width = max(map(len, worst))
    rows = [f"  {layer:{width}}  {cosines[layer]:.6f}" for layer in worst]
    head = f"{len(cosines)} layers were compared (the log has all of them); the least similar in INT8:"
    return replace(found, remedy="\n".join([head, *rows, found.remedy]))


def _limit(outcome: Outcome) -> str:
    if outcome.timed_out:
        return "time"
    if outcome.out_of_memory:
        return "memory"
    if outcome.overfull or outcome.exit_code == _FILE_TOO_LARGE:
        return "workspace"
    return "killed" if outcome.exit_code == _KILLED else ""


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
