"""The reasons why a release is refused, all at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cvimake.core import git
from cvimake.core.git import Tree
from cvimake.pipeline import accuracy
from cvimake.pipeline.accuracy import Measured
from cvimake.pipeline.cvimodel_info import Info, over_budget
from cvimake.project.model import Budget

ALLOW_DIRTY, ALLOW_LOCAL, ALLOW_UNVALIDATED = "--allow-dirty", "--allow-local", "--allow-unvalidated"
REQUIRE_RECOGNISED = "--require-recognised"
SWITCHES = frozenset({ALLOW_DIRTY, ALLOW_LOCAL, ALLOW_UNVALIDATED, REQUIRE_RECOGNISED})
# The ends of the names of the stages that fail if a cvimodel is over its budget.
INFO, ACCURACY = "_info", "_accuracy"
# The end of the name under which the tool compares the outputs of the finished cvimodel on the simulator.
_FINISHED = "_model_outputs.npz"


@dataclass(frozen=True, kw_only=True)
class Built:
    """The outcome of one cvimodel, or of a float network that was measured.

    Attributes:
        name: `MODEL:VARIANT`, or `MODEL:float`.
        info: its info; None if it was not built, and of a float network.
        measured: its accuracy; None if it was not measured.
        of_float: the accuracy of the float network; None for this network itself.
        unfinished: the names of its stages that did not succeed.
    """

    name: str
    info: Info | None
    budget: Budget
    measured: Measured | None = None
    of_float: Measured | None = None
    unfinished: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The conditions under which a release is made.

    Attributes:
        waiting: for each model that cannot be built yet, what it waits for.
        local: whether stages ran without containers.
        unfinished: stages that did not succeed and belong to no single cvimodel.
        ignored: stages that builds leave out (`./doit ignore`).
        untraced: the stages whose files were not made by their last recorded run, each with the reason.
        allowed: the given options, which allow or require something.
    """

    tree: Tree
    waiting: Sequence[str]
    local: bool
    unfinished: Sequence[str]
    ignored: Sequence[str]
    untraced: Mapping[str, str]
    allowed: frozenset[str]


def reasons(conditions: Conditions, cvimodels: Sequence[Built]) -> list[str]:
    """Return everything that stops a release; empty if nothing does."""
    found = list(_of_the_tree(conditions))
    found += conditions.waiting
    if conditions.local and ALLOW_LOCAL not in conditions.allowed:
        found.append(
            f"the stages ran without containers, and others may get other bytes; use Docker, or {ALLOW_LOCAL}"
        )
    found += (f"{stage} did not succeed" for stage in conditions.unfinished)
    found += (
        f"{stage} is left out of builds (`./doit ignore`); `./doit forget {stage}` ends that"
        for stage in conditions.ignored
    )
    found += (
        f"{stage} has files that no recorded run made: {why}; `./doit forget {stage}`, then build it again"
        for stage, why in conditions.untraced.items()
    )
    for built in cvimodels:
        found += _of_one(built, conditions.allowed)
    if not cvimodels and not found:
        found.append("there is nothing to release: no model is declared")
    return found


def _of_the_tree(conditions: Conditions) -> Iterator[str]:
    tree = conditions.tree
    if ALLOW_DIRTY in conditions.allowed:
        return
    if not tree.commit:
        yield f"there is no commit ({' '.join(tree.reason.split())}); make one, or use {ALLOW_DIRTY}"
    elif tree.changes:
        yield (
            f"there are changes that are not in commit {tree.commit[:12]}: {git.shortened(tree.changes)}; "
            f"commit them, or use {ALLOW_DIRTY}"
        )


def _of_one(built: Built, allowed: frozenset[str]) -> Iterator[str]:
    excesses = {
        INFO: over_budget(built.info, built.budget) if built.info else [],
        ACCURACY: list(accuracy.over_budget(built.measured, built.of_float, built.budget))
        if built.measured
        else [],
    }
    for found in excesses.values():
        yield from (f"{built.name} is over its budget: {excess}" for excess in found)
    for stage in built.unfinished:
        # Such a stage failed because the budget was exceeded, which is said already.
        if not any(found and stage.endswith(ending) for ending, found in excesses.items()):
            yield f"{stage} did not succeed"
    if built.info is None:
        return
    finished = [found for found in built.info.similarity if found.target.endswith(_FINISHED)]
    if not finished and ALLOW_UNVALIDATED not in allowed:
        yield (
            f"{built.name} was not validated on the simulator (test_input = [] or skip_validation); "
            f"validate it, or {ALLOW_UNVALIDATED}"
        )
    trouble = built.info.recognition.trouble
    if REQUIRE_RECOGNISED in allowed and trouble and not built.budget.works_on_camera:
        yield f"{built.name}: {trouble}"
