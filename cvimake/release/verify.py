"""Checks a release: every file is there with the listed bytes, and there are no other files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import BinaryIO, cast

from cvimake.core import digest
from cvimake.core.errors import CvimakeError
from cvimake.release import archive, opened, provenance, sums
from cvimake.release.contents import PROVENANCE, SUMS
from cvimake.release.opened import ARCHIVE_SUFFIX, ArchiveRelease, Opened
from cvimake.release.provenance import Provenance


class _Hash:
    """A file for writing that only keeps the sha256 of the bytes."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def write(self, block: bytes) -> int:
        self.sha256.update(block)
        return len(block)


def faults(release: Opened) -> list[str]:
    """Return everything that is wrong with a release, each with the file's name; empty for a good one."""
    found = list(release.faults)
    listed, known = _listed(release, found)
    found += _bytes(release, listed, known)
    if known is not None:
        found += _subjects(release, listed, known)
        found += (f"{PROVENANCE}: {fault}" for fault in _about(release, known))
        found += _sidecars(release)
        found += _archive(release, known)
    return found


def read_provenance(release: Opened) -> Provenance:
    """Return the provenance of a release.

    Raises:
        CvimakeError: it is missing or cannot be read.
    """
    try:
        return provenance.read(opened.read(release, PROVENANCE))
    except ValueError as error:
        raise CvimakeError(f"{PROVENANCE}: {error}") from error


def _listed(release: Opened, found: list[str]) -> tuple[dict[str, str], Provenance | None]:
    """Read the sums and the provenance, and add the faults of both to `found`."""
    listed: dict[str, str] = {}
    try:
        listed, wrong = sums.read(opened.read(release, SUMS).decode())
        found += (f"{SUMS}: {fault}" for fault in wrong)
    except UnicodeDecodeError:
        found.append(f"{SUMS}: not a text")
    except CvimakeError as error:
        found.append(str(error))
    try:
        return listed, read_provenance(release)
    except CvimakeError as error:
        found.append(str(error))
        return listed, None


def _bytes(release: Opened, listed: dict[str, str], known: Provenance | None) -> Iterator[str]:
    """Yield the files that are not listed, are missing, or hold other bytes than listed."""
    there = set(release.sizes) - {SUMS}
    subjects = known.subjects if known else {}
    for name in sorted(there - listed.keys()):
        yield f"{name}: not listed in {SUMS}"
    for name in sorted(listed.keys() - there):
        yield f"{name}: missing; {SUMS} lists it"
    for name in sorted(there & listed.keys()):
        if (now := opened.sha256(release, name)) != listed[name]:
            yield _other_bytes(name, is_as_made=subjects.get(name) == now)


def _other_bytes(name: str, *, is_as_made: bool) -> str:
    """Return the fault of a file whose sha256 is not the listed one."""
    if is_as_made:
        return f"{SUMS}: its sha256 of {name} is wrong; the provenance has the right one"
    if name == PROVENANCE:
        return f"{name}: holds other bytes than {SUMS} says (or that line of {SUMS} was changed)"
    return f"{name}: holds other bytes than {SUMS} says"


def _subjects(release: Opened, listed: dict[str, str], known: Provenance) -> Iterator[str]:
    """Yield the files that differ from the provenance: somebody could have changed the sums to fit."""
    there = set(release.sizes) - {SUMS, PROVENANCE}
    for name in sorted(there):
        if name not in known.subjects:
            yield f"{name}: the provenance does not list it"
        elif name in listed and known.subjects[name] != listed[name]:
            yield f"{name}: {SUMS} and the provenance have different digests of it"
    for name in sorted(known.subjects.keys() - there):
        yield f"{name}: missing; the provenance lists it"


def _about(release: Opened, known: Provenance) -> Iterator[str]:
    """Yield the faults in the provenance itself."""
    if f"{known.external['name']}-{known.external['version']}" != release.label:
        yield (
            f"it is of {known.external['name']}-{known.external['version']}, "
            f"and this is called {release.label}"
        )
    yield from provenance.inconsistencies(known)


def _sidecars(release: Opened) -> Iterator[str]:
    """Yield the cvimodels whose sidecar is that of another file."""
    for name in sorted(release.sizes):
        if not name.endswith(".cvimodel"):
            continue
        sidecar = f"{name.removesuffix('.cvimodel')}.json"
        try:
            checksum = json.loads(opened.read(release, sidecar))["checksum"]
        except CvimakeError as error:
            yield str(error)
        except (ValueError, TypeError, KeyError):
            yield f"{sidecar}: not a description of a model for the camera"
        else:
            with release.open(name) as file:
                md5 = _md5(file)
            if checksum != md5:
                yield f"{sidecar}: its checksum is not the md5 of {name}"


def _md5(file: BinaryIO) -> str:
    hashed = hashlib.md5(usedforsecurity=False)
    while block := file.read(1 << 20):
        hashed.update(block)
    return hashed.hexdigest()


def _archive(release: Opened, known: Provenance) -> Iterator[str]:
    """Yield a fault if there is an archive that does not hold exactly these files."""
    path = release.path if isinstance(release, ArchiveRelease) else opened.beside(release, ARCHIVE_SUFFIX)
    if path is None:
        return
    rebuilt = _Hash()
    try:
        archive.write(
            cast("BinaryIO", rebuilt),
            release.label,
            release.sizes,
            release.open,
            known.external["sourceDateEpoch"],
        )
    except (CvimakeError, ValueError) as error:
        yield f"{path.name}: {error}"
        return
    if digest.of_file(path) != rebuilt.sha256.hexdigest():
        yield f"{path.name}: not the archive of these files as cvimake writes it"
