"""Workers that have made different files of one action: which of them is damaged, and how this is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cvimake.cluster import wire
from cvimake.core import listing
from cvimake.core.errors import StageFailedError

# So many names of stages are written out in an error, and so many characters of a sha256.
_MOST_NAMES, _SHORT = 20, 12


@dataclass(frozen=True)
class Verdict:
    """The workers that have run an action, and those of them that are taken to be damaged.

    Attributes:
        runs: the replies, by the names of the workers.
        named: the workers that do not agree with most; all if there is no majority, none if all agree.
        reply: that of the majority; None if there is none.
    """

    runs: Mapping[str, wire.Done | wire.ToolFailed]
    named: tuple[str, ...]
    reply: wire.Done | wire.ToolFailed | None


def judged(runs: Mapping[str, wire.Done | wire.ToolFailed]) -> Verdict:
    """Return which workers are taken to be damaged.

    Args:
        runs: the replies of at least one worker to one action, by the names of the workers.
    """
    made = {worker: _made(reply) for worker, reply in runs.items()}
    for worker, reply in runs.items():
        others = [each for each in runs if made[each] != made[worker]]
        if 2 * len(others) < len(runs):
            return Verdict(runs, tuple(others), reply)
    return Verdict(runs, tuple(runs), None)


class DamagedWorkerError(StageFailedError):
    """Workers have made different files of one action.

    Args:
        name: of the action.
        verdict: what each has made, and which are taken to be damaged.
        suspect: the names of the stages of this build whose results only these workers have made.
        fault: why the store could not be put right; empty if it was.
    """

    id = "damaged-worker"

    def __init__(self, name: str, verdict: Verdict, suspect: Sequence[str], fault: str = "") -> None:
        named = listing.every(verdict.named)
        others = listing.every(worker for worker in verdict.runs if worker not in verdict.named)
        if others:
            cause = f"{name}: {named} has not made the same as {others}, and is taken to be damaged"
        else:
            cause = f"{name}: {named} have not made the same, so at least one of them is damaged"
        remedy = _differences(verdict)
        if not others and len(verdict.runs) == 2:  # noqa: PLR2004 - a third worker decides
            remedy.append("With a third worker, the build finds out which one it is.")
        remedy += [
            f"No further stage of this build runs on {named}.",
            "Look at memory, processor and disk of the machine before it takes stages again.",
        ]
        if isinstance(verdict.reply, wire.Done):
            remedy.append(f"The result of {others} is in the store: the next ./doit takes it.")
        if suspect:
            remedy += [
                f"Not compared, and made by {named} in this build: {listing.line(suspect, _MOST_NAMES)}.",
                "They are no longer in the store, but still in build/. This makes them anew, elsewhere:",
                f"./doit --always-execute{_selected(suspect)}",
            ]
        if fault:
            remedy.append(f"The store could not be put right, and may hold wrong results: {fault}")
        super().__init__(cause, "\n".join(remedy))


def _made(reply: wire.Done | wire.ToolFailed) -> Mapping[str, str] | None:
    """Return the sha256 of each file that a worker has made, by its name; None if its tool failed."""
    if isinstance(reply, wire.ToolFailed):
        return None
    return {name: blob.sha256 for name, blob in reply.entry.outputs.items()}


def _differences(verdict: Verdict) -> list[str]:
    """Return a line for each tool that failed, and for each file that differs."""
    made = {worker: _made(reply) for worker, reply in verdict.runs.items()}
    lines = [
        f"The tool failed on {worker}: {reply.cause}"
        for worker, reply in verdict.runs.items()
        if isinstance(reply, wire.ToolFailed)
    ]
    files = sorted({name for each in made.values() for name in each or ()})
    for file in files:
        sums = {worker: each.get(file, "none") for worker, each in made.items() if each is not None}
        if len(set(sums.values())) > 1:
            shown = ", ".join(f"{sha256[:_SHORT]} on {worker}" for worker, sha256 in sums.items())
            lines.append(f"{file}: sha256 {shown}")
    return lines


def _selected(names: Sequence[str]) -> str:
    """Return the arguments that select stages; none, for all of them, if they are many."""
    return f" --single {' '.join(names)}" if len(names) <= _MOST_NAMES else ""
