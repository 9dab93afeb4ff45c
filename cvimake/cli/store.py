"""`store`, `store:gc`, `store:verify`: show what the store keeps, make room in it, and check it."""

from __future__ import annotations

import json
from abc import abstractmethod
from pathlib import Path
from typing import Any

from cvimake.builder.store import Store, eviction, inventory, statistics, verification
from cvimake.builder.store.current import Choice, choose, database, open_store
from cvimake.builder.store.folder import FolderPlace
from cvimake.builder.store.place import StoreError
from cvimake.cli import extra_packages, surroundings
from cvimake.cli.base import OPTION_JSON, PlainCommand
from cvimake.cli.options import option
from cvimake.core import announce, terminal, units
from cvimake.core.errors import EXIT_STAGE_FAILED, CvimakeError
from cvimake.project.reader import read_settings

_GIBIBYTE = 1024**3


class _StoreCommand(PlainCommand):
    """A command about the store of the current project."""

    def perform(self, options: dict[str, Any], _arguments: list[str]) -> int:
        """Find the store and do the work."""
        settings = read_settings(Path()).store
        choice = choose(
            surroundings.folder(),
            surroundings.variables(),
            settings.url,
            read_only=settings.read_only,
            limit=settings.limit,
        )
        if not choice.url:
            terminal.write("no results are kept: the store is `none`\n")
            return 0
        extra_packages.ensure_for_store(choice.url)
        try:
            return self.attend(open_store(choice), choice, options)
        except (OSError, StoreError) as error:
            raise CvimakeError(f"the store {choice.url}: {error}") from error

    @abstractmethod
    def attend(self, store: Store, choice: Choice, options: dict[str, Any]) -> int:
        """Do the work and return the exit code.

        Raises:
            OSError, StoreError: the store cannot be used.
        """


class StoreShow(_StoreCommand):
    """Show what is in the store."""

    name = "store"
    doc_purpose = "show where results are kept, how many, and the time that they saved"
    doc_usage = ""
    doc_description = "The saved time is that of builds on this machine."
    cmd_options = (OPTION_JSON,)

    def attend(self, store: Store, choice: Choice, options: dict[str, Any]) -> int:
        """Print how much the store holds."""
        held = inventory.contents(store.place)
        uses = statistics.of_store(database(surroundings.variables()), choice.url)
        facts = {
            "store": choice.url,
            "read_only": choice.read_only,
            "size": held.size,
            "limit": choice.limit,
            "results": len(held.actions),
            "files": len(held.blobs),
            "hits": uses.hits,
            "misses": uses.misses,
            "kept": uses.kept,
            "seconds_saved": uses.seconds_saved,
        }
        if options["json"]:
            terminal.write(json.dumps(facts, indent=1) + "\n")
            return 0
        asked = uses.hits + uses.misses
        share = f" ({100 * uses.hits / asked:.0f} %)" if asked else ""
        terminal.write(
            f"store    {choice.url}{', read only' if choice.read_only else ''}\n"
            f"holds    {len(held.actions)} results in {len(held.blobs)} files, "
            f"{units.size(held.size)} of at most {units.size(choice.limit)}\n"
            f"hits     {uses.hits} of {asked} stages{share}\n"
            f"kept     {uses.kept}\n"
            f"saved    {units.duration(uses.seconds_saved)}\n"
        )
        return 0


class StoreCollect(_StoreCommand):
    """Remove the entries that were not used for longest."""

    name = "store:gc"
    doc_purpose = "remove from the store what was not wanted for the longest time, down to its limit"
    doc_usage = ""
    doc_description = "With --limit 0 the store is emptied."
    cmd_options = (
        option("limit", float, "GiB that the store may hold [default: the setting]", default=None),
    )

    def attend(self, store: Store, choice: Choice, options: dict[str, Any]) -> int:
        """Remove entries, and tell how much room that makes."""
        if choice.read_only:
            raise CvimakeError(f"the store {choice.url} is used read only here; nothing is removed from it")
        limit = choice.limit if options["limit"] is None else int(options["limit"] * _GIBIBYTE)
        if isinstance(store.place, FolderPlace):
            store.place.sweep()
        gone = eviction.evict(store.place, limit)
        terminal.write(
            f"{len(gone.actions)} results and {len(gone.blobs)} files removed, "
            f"{units.size(gone.bytes)} made free\n"
        )
        return 0


class StoreVerify(_StoreCommand):
    """Look for damaged entries."""

    name = "store:verify"
    doc_purpose = "read everything in the store, and remove what is damaged"
    doc_usage = ""
    doc_description = "Exit code 1 if something was damaged. From a read-only store nothing is removed."

    def attend(self, store: Store, choice: Choice, _options: dict[str, Any]) -> int:
        """Read every entry, tell which ones are damaged, and remove those."""
        with announce.step(f"reading the store {choice.url}") as show:
            held, faults = verification.verify(
                store.place, lambda done, whole: show(f"{units.size(done)} of {units.size(whole)}")
            )
        for name in faults.damaged:
            terminal.write(f"{name} is damaged\n")
        for name in faults.incomplete:
            terminal.write(f"{name} has an output that is missing or damaged\n")
        broken = [*faults.incomplete, *faults.damaged]
        removed = ""
        if broken and not choice.read_only:
            for name in broken:
                store.place.remove(name)
            removed = ", removed; what they stood for is built anew when it is wanted"
        terminal.write(
            f"{len(held.actions)} results and {len(held.blobs)} files read, "
            f"{len(broken)} not sound{removed}\n"
        )
        return EXIT_STAGE_FAILED if broken else 0
