"""Fetches the files of some models and datasets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from cvimake.core import listing, units
from cvimake.core.errors import CvimakeError
from cvimake.fetching.faults import FetchError
from cvimake.fetching.jobs import Job, differing, jobs
from cvimake.fetching.network import Network
from cvimake.fetching.shown import shown
from cvimake.fetching.tally import Tally
from cvimake.fetching.work import Failed, Work, parts_folder, sweep
from cvimake.project.awaiting import Owner, counted


def fetch(  # noqa: PLR0913 - two of them by keyword
    root: Path,
    owners: Sequence[Owner],
    declared: Sequence[Owner],
    environment: Mapping[str, str],
    *,
    tell: Callable[[str], None],
    force: bool = False,
) -> list[CvimakeError]:
    """Download the files that are missing, and check those that are there.

    Args:
        root: the project's folder.
        owners: whose files.
        declared: all owners of the project.
        environment: the variables that cvimake was started with.
        tell: is told in a line what was done.
        force: replace files that are there and are not the declared ones.

    Returns:
        An error for each kind of failure, with the files that it concerns.

    Raises:
        CvimakeError: nothing can be fetched.
        OSError: a file cannot be read, or the folder of the parts cannot be written.
    """
    network = Network.from_environment(environment)
    what = f"is fetching files of {', '.join(owner.name for owner in owners)} in this project"
    with parts_folder(root, what) as folder:
        sweep(folder, set(_sums(declared)))
        errors: list[CvimakeError] = []
        wanted: list[tuple[Owner, list[str]]] = []
        for owner in owners:
            changed = differing(owner)
            names = [
                name for name in owner.fetch.files if name in {*owner.missing, *(changed if force else ())}
            ]
            wanted.append((owner, names))
            if not force:
                errors += _told(_differ(owner, changed))
            if not names and not changed:
                tell(f"{owner.name}: all {len(owner.fetch.files)} files are there")
        todo = jobs(wanted)
        if not todo:
            return errors
        return [*errors, *_do(folder, network, todo, wanted, tell)]


def _do(
    folder: Path,
    network: Network,
    todo: Sequence[Job],
    wanted: Sequence[tuple[Owner, Sequence[str]]],
    tell: Callable[[str], None],
) -> Iterator[CvimakeError]:
    parts = (counted(len(names), owner.name, owner.size(names)) for owner, names in wanted if names)
    tell(f"fetching {', '.join(parts)}")
    tally = Tally(todo)
    with shown(tally):
        failed = Work(folder, network, tally).do(todo)
    seconds = time.monotonic() - tally.started
    if tally.files_done:
        speed = units.size(round(tally.received / max(seconds, 0.001)))
        files = "1 file" if tally.files_done == 1 else f"{tally.files_done} files"
        tell(
            f"{files} in place; {units.size(tally.received)} received in {units.duration(seconds)}, {speed}/s"
        )
    yield from _told(failed)


def _sums(owners: Sequence[Owner]) -> Iterator[str]:
    for owner in owners:
        yield from (file.sha256 for file in owner.fetch.files.values())
        yield from (archive.sha256 for archive in owner.fetch.archives.values())


def _differ(owner: Owner, changed: Mapping[str, str]) -> Iterator[Failed]:
    for job in jobs([(owner, changed)]):
        for place in job.places:
            found, wanted = changed[place.name], owner.fetch.files[place.name].sha256
            yield Failed(error=FetchError("fetch-differs", found=found, wanted=wanted), places=[place])


def _told(failed: Sequence[Failed] | Iterator[Failed]) -> Iterator[CvimakeError]:
    """Yield one error for all downloads that failed for the same reason."""
    alike: dict[tuple[str, str], list[Failed]] = {}
    for each in failed:
        alike.setdefault((each.error.id, each.error.cause), []).append(each)
    for _, group in sorted(alike.items()):
        labels = sorted(place.label for each in group for place in each.places)
        error = group[0].error
        told = CvimakeError(f"{listing.line(labels, 1)}: {error.cause}", error.remedy)
        told.id = error.id
        yield told
