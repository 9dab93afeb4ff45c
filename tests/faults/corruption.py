"""Damage to what was built and to what is recorded of it, of every kind; none may go unnoticed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
from tests.faults.cases import Case
from tests.faults.site import Site, Undisturbed, died, differences, faults_after, last_lines

Damage = Callable[[Path, random.Random], None]


def _flip_a_bit(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def _flip_a_bit_and_keep_the_time(path: Path, chance: random.Random) -> None:
    before = path.stat()
    _flip_a_bit(path, chance)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _zero_a_block(path: Path, chance: random.Random) -> None:
    """As a disk that lost a sector."""
    content = bytearray(path.read_bytes())
    start = chance.randrange(len(content)) // 512 * 512
    content[start : start + 512] = bytes(len(content[start : start + 512]))
    # A block that was zero before is no damage.
    path.write_bytes(content + b"\0")


def _cut_off(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.truncate(chance.randrange(path.stat().st_size))


def _empty(path: Path, _chance: random.Random) -> None:
    path.write_bytes(b"")


def _remove(path: Path, _chance: random.Random) -> None:
    path.unlink()


def _append(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(chance.randbytes(100))


def _exchange(path: Path, chance: random.Random) -> None:
    """With the content of another result; each file is whole, and in the wrong place."""
    others = sorted(other for other in path.parent.iterdir() if other.read_bytes() != path.read_bytes())
    shutil.copyfile(chance.choice(others), path)


def _replace_by_a_link(path: Path, _chance: random.Random) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _noise(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.randbytes(5000))


def _cut_a_record_off(path: Path, chance: random.Random) -> None:
    """Of one task, in a database that is whole."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        table, key, column = _COLUMNS[path.name]
        name, value = chance.choice(database.execute(f"select {key}, {column} from {table}").fetchall())
        text = value.decode() if isinstance(value, bytes) else value
        cut = text[: chance.randrange(len(text))]
        database.execute(f"update {table} set {column} = ? where {key} = ?", (cut, name))


def _remove_a_record(path: Path, chance: random.Random) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        table, key, _ = _COLUMNS[path.name]
        name = chance.choice(database.execute(f"select {key} from {table}").fetchall())
        database.execute(f"delete from {table} where {key} = ?", name)


# Table, key, and the column with JSON in it.
_COLUMNS = {"doit.sqlite": ("doit", "task_id", "task_data"), "history.sqlite": ("runs", "task", "definition")}

TO_RESULTS: dict[str, Damage] = {
    "a bit flipped": _flip_a_bit,
    "a bit flipped, time kept": _flip_a_bit_and_keep_the_time,
    "a block zeroed": _zero_a_block,
    "cut off": _cut_off,
    "emptied": _empty,
    "removed": _remove,
    "appended to": _append,
    "exchanged": _exchange,
    "replaced by a link": _replace_by_a_link,
}
TO_DATABASES: dict[str, Damage] = {
    "noise": _noise,
    "a block zeroed": _zero_a_block,
    "cut off": _cut_off,
    "emptied": _empty,
    "removed": _remove,
    "a record cut off": _cut_a_record_off,
    "a record removed": _remove_a_record,
}


def _exchange_blob(path: Path, chance: random.Random) -> None:
    """With another file of the store; each is whole, and under the wrong name."""
    store = path.parents[2]
    others = sorted(other for other in store.glob("*/*/*") if other.read_bytes() != path.read_bytes())
    shutil.copyfile(chance.choice(others), path)


# To a file of the store, from which everything is then taken.
TO_STORE: dict[str, Damage] = {
    **{kind: damage for kind, damage in TO_RESULTS.items() if damage is not _exchange},
    "exchanged": _exchange_blob,
    "noise": _noise,
}


def run(scratch: Path, count: int, seed: int) -> Iterator[Case]:
    """Damages so many things, in turns of the kinds of damage.

    Damage to a database comes with damage to a result: that must be noticed with what is left of the records.
    """
    kinds = len(TO_RESULTS) + len(TO_DATABASES) + len(TO_STORE)
    to_store = round(count * len(TO_STORE) / kinds)
    yield from _to_builds(scratch, count - to_store, seed)
    yield from _to_stores(scratch, to_store, seed)


def _to_stores(scratch: Path, count: int, seed: int) -> Iterator[Case]:
    """Damages a file of the store at a time, and builds everything from what is left of it."""
    chance = random.Random(f"{seed} damages to stores")
    store, kept = scratch / "store", scratch / "kept store"
    variables = {"CVIMAKE_STORE": str(store), "XDG_CACHE_HOME": str(scratch / "cache")}
    site = Site.make(scratch / "with a store", "tiny", variables)
    undisturbed = site.undisturbed()
    shutil.copytree(store, kept)
    kinds = list(TO_STORE.items())
    with contextlib.closing(docker.from_env()) as client:
        for number in range(count):
            kind, damage = kinds[number % len(kinds)]
            site.clear()
            shutil.rmtree(store)
            shutil.copytree(kept, store)
            path = chance.choice(sorted(store.glob("*/*/*")))
            before = path.read_bytes()
            damage(path, chance)
            if path.is_file() and path.read_bytes() == before:
                yield Case(campaign="corruption", kind=kind, place="store", struck=False)
                continue
            faults = list(faults_after(site, undisturbed, client))
            code, output, _ = site.run("store:verify")
            if code != 0:
                faults.append(f"the store is not sound afterwards: {last_lines(output)}")
            yield Case(
                campaign="corruption",
                kind=kind,
                place="store",
                faults=tuple(faults),
                facts={"file": str(path.relative_to(store))},
            )


def _to_builds(scratch: Path, count: int, seed: int) -> Iterator[Case]:
    chance = random.Random(f"{seed} damages")
    site = Site.make(scratch / "damages", "tiny")
    undisturbed = site.undisturbed()
    kept = scratch / "kept"
    shutil.copytree(site.build, kept)
    kinds = [(site.results_folder, kind, damage) for kind, damage in TO_RESULTS.items()]
    kinds += [(site.build, kind, damage) for kind, damage in TO_DATABASES.items()]
    with contextlib.closing(docker.from_env()) as client:
        for number in range(count):
            folder, kind, damage = kinds[number % len(kinds)]
            site.restore(kept)
            site.answer()
            result = site.results_folder / chance.choice(sorted(undisturbed.results))
            if folder == site.build:
                path = folder / chance.choice(["doit.sqlite", "doit.sqlite", "history.sqlite"])
                TO_RESULTS[chance.choice(list(TO_RESULTS))](result, chance)
            else:
                path = result
            damage(path, chance)
            yield _case(site, undisturbed, client, kind, path, result)


def _case(  # noqa: PLR0913, PLR0917 - all that a case is made of
    site: Site, undisturbed: Undisturbed, client: docker.DockerClient, kind: str, path: Path, result: Path
) -> Case:
    if not any(differences(site, undisturbed)):
        # The damage gave the bytes that were there.
        return Case(campaign="corruption", kind=kind, place=path.name, struck=False)
    code, output, _ = site.run()
    faults = [f"it died: {last_lines(output)}"] if died(output) else []
    if code == 0:
        faults += [f"unnoticed: {fault}" for fault in differences(site, undisturbed)]
    elif path.name == "doit.sqlite" and str(path.relative_to(site.folder)) in output:
        # An error that says which file to remove is an answer too.
        path.unlink(missing_ok=True)
    else:
        faults.append(f"the next build ended with {code}: {last_lines(output)}")
    faults += faults_after(site, undisturbed, client)
    place = "results" if path == result else path.name
    return Case(
        campaign="corruption",
        kind=kind,
        place=place,
        faults=tuple(faults),
        facts={"file": path.name, "result": result.name, "exit_code": code},
    )
