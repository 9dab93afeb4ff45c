"""The downloads that are needed: each file once, however many places it has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cvimake.core import digest
from cvimake.fetching.faults import FetchError
from cvimake.project.awaiting import Owner


def check_inside(path: Path, folder: Path) -> None:
    """Check that no link on the way to a path leads out of a folder.

    Raises:
        FetchError: one does.
    """
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise FetchError("fetch-place")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place of a file.

    Attributes:
        label: the file for messages, `OWNER: PATH`.
        folder: the folder of the declaration.
    """

    label: str
    folder: Path
    name: str

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self.folder / self.name

    def check(self) -> None:
        """Check that no link leads out of the folder.

        Raises:
            FetchError: one does.
        """
        check_inside(self.path, self.folder)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A file with all its places.

    Attributes:
        member: its path in the archive; empty for a file of its own.
    """

    sha256: str
    size: int | None
    places: list[Place] = field(default_factory=list)
    member: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A download.

    Attributes:
        contents: the files that it gives: one, or the wanted members of an archive.
    """

    url: str
    sha256: str
    size: int | None
    contents: list[Contents]
    is_archive: bool = False

    @property
    def places(self) -> list[Place]:
        """The places of all its files."""
        return [place for each in self.contents for place in each.places]


def jobs(wanted: Iterable[tuple[Owner, Iterable[str]]]) -> list[Job]:
    """Return the downloads for some files of some owners."""
    found: dict[tuple[str, str], Job] = {}
    for owner, names in wanted:
        for name in names:
            file = owner.fetch.files[name]
            archive = owner.fetch.archives[file.archive] if file.archive else None
            url = archive.url if archive else owner.fetch.url_of(name)
            origin = archive or file
            job = found.setdefault(
                (origin.sha256, url if archive else ""),
                Job(url=url, sha256=origin.sha256, size=origin.size, contents=[], is_archive=bool(archive)),
            )
            member = (file.member or name) if archive else ""
            place = Place(label=f"{owner.name}: {name}", folder=owner.folder, name=name)
            for each in job.contents:
                if (each.member, each.sha256) == (member, file.sha256):
                    each.places.append(place)
                    break
            else:
                job.contents.append(
                    Contents(sha256=file.sha256, size=file.size, places=[place], member=member)
                )
    return list(found.values())


def differing(owner: Owner) -> dict[str, str]:
    """Return the files that are there and have another sum than declared, with their sha256.

    Raises:
        OSError: a file cannot be read.
    """
    missing = set(owner.missing)
    found = {name: digest.of_file(owner.folder / name) for name in owner.fetch.files if name not in missing}
    return {name: sha256 for name, sha256 in found.items() if sha256 != owner.fetch.files[name].sha256}
