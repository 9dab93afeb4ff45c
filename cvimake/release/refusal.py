"""Why a release is not made; all reasons at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cvimake.core import git
from cvimake.core.git import Tree
from cvimake.pipeline.cvimodel_info import Info, over_budget
from cvimake.project.model import Budget

ALLOW_DIRTY, ALLOW_LOCAL, ALLOW_UNVALIDATED = "--allow-dirty", "--allow-local", "--allow-unvalidated"
REQUIRE_RECOGNISED = "--require-recognised"
SWITCHES = frozenset({ALLOW_DIRTY, ALLOW_LOCAL, ALLOW_UNVALIDATED, REQUIRE_RECOGNISED})
# What the tool calls the outputs of the finished file, run on the simulator, when it compares them.
_FINISHED = "_model_outputs.npz"


@dataclass(frozen=True, kw_only=True)
class Built:
    """What became of one cvimodel.

    Attributes:
        name: `MODEL:VARIANT`.
        info: what is in it; None where it was not built.
        budget: what was declared of it.
        unfinished: those of its stages that did not succeed.
    """

    name: str
    info: Info | None
    budget: Budget
    unfinished: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How a release was to be made.

    Attributes:
        waiting: why models wait, and for what.
        local: whether steps ran without containers.
        unfinished: stages that did not succeed and belong to no cvimodel.
        ignored: stages that the user has builds leave out.
        untraced: for each stage whose files do not follow from what ran, why.
        allowed: the options that let something pass, and those that ask for more.
    """

    tree: Tree
    waiting: Sequence[str]
    local: bool
    unfinished: Sequence[str]
    ignored: Sequence[str]
    untraced: Mapping[str, str]
    allowed: frozenset[str]


def reasons(conditions: Conditions, cvimodels: Sequence[Built]) -> list[str]:
    """All that stops a release; empty where nothing does."""
    found = list(_of_the_tree(conditions))
    found += (f"{text}, or name the models to release" for text in conditions.waiting)
    if conditions.local and ALLOW_LOCAL not in conditions.allowed:
        found.append(
            f"the steps ran without containers, which hold less still; use a Docker engine, or {ALLOW_LOCAL}"
        )
    found += (f"{stage} did not succeed" for stage in conditions.unfinished)
    found += (
        f"{stage} is left out of builds (`./doit ignore`); `./doit forget {stage}` ends that"
        for stage in conditions.ignored
    )
    found += (
        f"{stage} does not follow from what ran: {why}; `./doit forget {stage}` has it built anew"
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
        yield f"there is no commit to make it of ({' '.join(tree.reason.split())}); commit, or {ALLOW_DIRTY}"
    elif tree.changes:
        yield (
            f"the tree holds what commit {tree.commit[:12]} does not: {git.shortened(tree.changes)}; "
            f"commit, or {ALLOW_DIRTY}"
        )


def _of_one(built: Built, allowed: frozenset[str]) -> Iterator[str]:
    excesses = over_budget(built.info, built.budget) if built.info else []
    yield from (f"{built.name} is over its budget: {excess}" for excess in excesses)
    for stage in built.unfinished:
        # Its own failure is the excess.
        if not (excesses and stage.endswith("_info")):
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
