"""`fetch`: downloads the files that declarations name in `[fetch]`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cvimake.cli import surroundings
from cvimake.cli.base import PlainCommand
from cvimake.cli.interruption import ends_cleanly
from cvimake.cli.options import option
from cvimake.core import terminal
from cvimake.core.errors import EXIT_NOT_POSSIBLE, CvimakeError, DeclarationError, DiskError
from cvimake.project import Declarations, read_declarations
from cvimake.project.awaiting import Awaiting, Owner, counted, owners
from cvimake.project.mistakes import did_you_mean


class Fetch(PlainCommand):
    """Download what is missing of some models and datasets, or of all."""

    doc_purpose = "download the files that declarations name in [fetch]"
    doc_usage = "[MODEL | DATASET ...]"
    doc_description = (
        "Without a name, the files of all models and datasets. A model also gets the files of its datasets. "
        "An interrupted download goes on where it stopped. CVIMAKE_MIRROR=URL names a server that has all "
        "files below URL/HOST/PATH."
    )
    takes_arguments = True
    cmd_options = (
        option("force", bool, "replace files that are there and are not the declared ones"),
        option("dry-run", bool, "only say what would be downloaded", name="dry_run"),
    )

    def perform(self, options: dict[str, Any], arguments: list[str]) -> int:
        """Fetch the files, and print every error."""
        root = surroundings.folder()
        declarations = read_declarations(Path())
        chosen = chosen_owners(declarations, arguments)
        # A wrong declaration does not keep the others from their files.
        for mistake in () if arguments else _mistakes(declarations):
            terminal.complain(mistake)
        code = EXIT_NOT_POSSIBLE if not arguments and _mistakes(declarations) else 0
        if options["dry_run"]:
            for owner in chosen:
                names = owner.missing
                missing = (
                    counted(len(names), owner.name, owner.size(names))
                    if names
                    else f"nothing of {owner.name}"
                )
                terminal.line(f"{missing} to be fetched")
            return code
        if not chosen:
            terminal.line("no declaration has [fetch]")
            return code
        with ends_cleanly("interrupted; the next ./doit fetch goes on from there"):
            errors = fetch_all(root, chosen, declarations, tell=terminal.line, force=options["force"])
        for error in errors:
            terminal.complain(error)
        return EXIT_NOT_POSSIBLE if errors else code


def fetch_all(
    root: Path,
    chosen: Sequence[Owner],
    declarations: Declarations,
    *,
    tell: Callable[[str], None],
    force: bool = False,
) -> list[CvimakeError]:
    """Fetch the files of some owners and return the errors.

    Raises:
        CvimakeError: nothing can be fetched.
    """
    from cvimake.fetching.fetch import fetch  # noqa: PLC0415 - slow to import

    try:
        return fetch(
            root, chosen, list(owners(declarations)), surroundings.variables(), tell=tell, force=force
        )
    except OSError as error:
        raise DiskError(str(error)) from error


def fetch_for_build(targets: Sequence[str], tell: Callable[[str], None]) -> list[CvimakeError]:
    """Fetch the files that a build needs and that are missing; return the errors.

    Args:
        targets: models, stages and files of the build; none for all models.
        tell: is told in a line what was done.

    Raises:
        CvimakeError: nothing can be fetched.
    """
    declarations = read_declarations(Path())
    names = {name.split("/")[1] if name.startswith("build/") else name.partition(":")[0] for name in targets}
    awaiting = Awaiting(declarations)
    needed = {
        owner.folder: owner
        for name, model in declarations.models.items()
        if name in names or not names
        for owner in awaiting.owners(model)
    }
    if not needed:
        return []
    return fetch_all(surroundings.folder(), list(needed.values()), declarations, tell=tell)


def chosen_owners(declarations: Declarations, names: Sequence[str]) -> list[Owner]:
    """Return the owners whose files are meant.

    Args:
        declarations: the project's.
        names: of models and datasets; none for all.

    Raises:
        CvimakeError: there is no model or dataset of a name, its declaration is wrong, or it has no [fetch].
    """
    every = list(owners(declarations))
    if not names:
        return every
    awaiting = Awaiting(declarations, also_fetched=True)
    found: dict[Path, Owner] = {}
    for name in names:
        mine = [owner for owner in every if owner.name == name]
        if model := declarations.models.get(name):
            mine += awaiting.owners(model)
        if not mine:
            raise _nothing(declarations, name)
        found |= {owner.folder: owner for owner in mine}
    return list(found.values())


def _nothing(declarations: Declarations, name: str) -> CvimakeError:
    """Return the error of a name that has nothing to fetch."""
    if unusable := declarations.unusable.get(name):
        return DeclarationError("\n".join([*unusable.mistakes, *unusable.choices]))
    known = {*declarations.models, *declarations.datasets}
    if name in known:
        return CvimakeError(
            f"{name} has nothing to fetch", "Its declaration has no [fetch]: docs/fetching.md"
        )
    of_dataset = [mistake for mistake in declarations.mistakes if f"/{name}/dataset.toml" in mistake]
    if of_dataset:
        return DeclarationError("\n".join(of_dataset))
    return CvimakeError(f"there is no model or dataset {name!r}{did_you_mean(name, sorted(known))}")


def _mistakes(declarations: Declarations) -> list[str]:
    found = [mistake for model in declarations.unusable.values() for mistake in model.mistakes]
    return list(dict.fromkeys([*declarations.mistakes, *found]))
