"""`release:diff`: show what has changed between two releases, before the newer one is shipped."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from cvimake.cli.base import OPTION_JSON, PlainCommand
from cvimake.cli.surroundings import invoked_from
from cvimake.core import terminal
from cvimake.core.errors import CvimakeError


class ReleaseDiff(PlainCommand):
    """Show what has changed from one release to another."""

    name = "release:diff"
    doc_purpose = "show what has changed from one release to another, cvimodel by cvimodel"
    doc_usage = "OLD NEW"
    doc_description = (
        "OLD and NEW are folders of releases or their archives. They are not verified: see release:verify."
    )
    cmd_options = (OPTION_JSON,)
    takes_arguments = True

    def perform(self, options: dict[str, Any], arguments: list[str]) -> int:
        """Print the table."""
        from cvimake.release import difference, opened  # noqa: PLC0415 - slow to import, and only needed here

        if len(arguments) != 2:  # noqa: PLR2004 - the old one and the new one
            raise CvimakeError("release:diff takes two releases", "./doit release:diff OLD NEW")
        old, new = (difference.read(opened.open_release(invoked_from() / path)) for path in arguments)
        changes = difference.changes(old, new)
        if options["json"]:
            terminal.write(json.dumps([dataclasses.asdict(change) for change in changes], indent=1) + "\n")
        elif changes:
            _write_table(changes)
        if not options["json"]:
            names = {change.subject for change in changes}
            same = [name for name in new.infos if name not in names]
            terminal.line(f"{len(same)} of {len(new.infos)} cvimodels unchanged")
        return 0


def _write_table(changes: Any) -> None:  # noqa: ANN401 - of release.difference.Change
    from cvimake.builder import summary  # noqa: PLC0415 - the same

    table = summary.new_table()
    for heading in ("cvimodel", "what", "old", "new"):
        table.add_column(heading, overflow="fold")
    previous = None
    for change in changes:
        subject = change.subject or "all"
        cells = (subject if subject != previous else "", change.what, change.old or "-", change.new or "-")
        table.add_row(*(terminal.styled(cell) for cell in cells))
        previous = subject
    summary.show(table, terminal.output())
