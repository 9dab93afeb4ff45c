from __future__ import annotations

from cvimake.core.git import Tree
from cvimake.release.refusal import ALLOW_DIRTY, Conditions, reasons

CLEAN = Tree(commit="c0ffee", described="v1", changes=())


def conditions(
    tree: Tree = CLEAN, *, local: bool = False, allowed: frozenset[str] = frozenset()
) -> Conditions:
    return Conditions(
        tree=tree,
        waiting=(),
        local=local,
        unfinished=["net:mlir"],
        ignored=(),
        untraced={"net:f16": "no run of it is on record"},
        allowed=allowed,
    )


def test_all_reasons_for_a_refusal_are_told_at_once() -> None:
    changed = Tree(commit="c0ffee", described="v1", changes=("M models/net/model.toml",))
    tree, local, unfinished, untraced = reasons(conditions(changed, local=True), [])
    assert "models/net/model.toml" in tree
    assert "--allow-dirty" in tree
    assert "--allow-local" in local
    assert unfinished == "net:mlir did not succeed"
    assert untraced == (
        "net:f16 has files that no recorded run made: no run of it is on record; "
        "`./doit forget net:f16`, then build it again"
    )


def test_allowed_exceptions_do_not_stop_a_release() -> None:
    nowhere = Tree(commit="", described="", changes=(), reason="no repository")
    found = reasons(conditions(nowhere, local=True, allowed=frozenset({ALLOW_DIRTY, "--allow-local"})), [])
    assert [reason.split(" ")[0] for reason in found] == ["net:mlir", "net:f16"]


def test_a_release_of_nothing_is_none() -> None:
    nothing = Conditions(
        tree=CLEAN, waiting=(), local=False, unfinished=(), ignored=(), untraced={}, allowed=frozenset()
    )
    assert reasons(nothing, []) == ["there is nothing to release: no model is declared"]
