from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from releases import LABEL, Shop

from cvimake.core.errors import CvimakeError
from cvimake.release import archive, opened, sums, verify
from cvimake.release.contents import PROVENANCE, SUMS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release, its archive beside it."""
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as monkeypatch:
        return Shop(root, monkeypatch).released()


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The release, alone."""
    return Path(shutil.copytree(made, tmp_path / made.name))


def faults(path: Path) -> list[str]:
    return verify.faults(opened.open_release(path))


def damaged(path: Path) -> list[str]:
    """The faults of what may be no release at all."""
    try:
        return faults(path)
    except CvimakeError as error:
        return [str(error)]


def resum(folder: Path) -> None:
    """Makes the sums fit the files, as whoever changes a release would."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    listed = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names if name != SUMS
    }
    (folder / SUMS).write_text(sums.write(listed), encoding="utf-8")


def test_a_good_release_has_no_faults(made: Path) -> None:
    assert faults(made) == []
    assert faults(Path(f"{made}.tar")) == []


def positions(size: int) -> list[int]:
    return sorted({0, 1, size // 3, size // 2, 2 * size // 3, size - 2, size - 1} & set(range(size)))


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_any_flipped_byte_of_any_file_is_found_and_names_the_file(folder: Path, bit: int) -> None:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(paths) == 13
    for path in paths:
        good = path.read_bytes()
        for position in positions(len(good)):
            path.write_bytes(good[:position] + bytes([good[position] ^ bit]) + good[position + 1 :])
            found = faults(folder)
            name = path.relative_to(folder).as_posix()
            assert any(name in fault for fault in found), (name, position, found)
        path.write_bytes(good)
    assert faults(folder) == []


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_any_flipped_byte_of_the_sums_is_found(folder: Path, bit: int) -> None:
    good = (folder / SUMS).read_bytes()
    for position in range(bit % 7, len(good), 7):
        (folder / SUMS).write_bytes(good[:position] + bytes([good[position] ^ bit]) + good[position + 1 :])
        found = faults(folder)
        assert any(SUMS in fault for fault in found), (position, found)


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_any_flipped_byte_of_the_archive_is_found_and_names_it(made: Path, tmp_path: Path, bit: int) -> None:
    good = Path(f"{made}.tar").read_bytes()
    path = tmp_path / f"{LABEL}.tar"
    with tarfile.open(f"{made}.tar") as kept:
        headers = [member.offset for member in kept]
        contents = [(member.offset_data, member.name.partition("/")[2]) for member in kept]
    # Every byte of one header, the beginning of each, each file's first byte, the padding and the end.
    places = [
        (place, path.name) for place in (*range(bit % 5, 512, 5), *headers, len(good) - 1, headers[1] - 1)
    ]
    for position, name in [*places, *contents]:
        path.write_bytes(good[:position] + bytes([good[position] ^ bit]) + good[position + 1 :])
        found = damaged(path)
        assert any(name in fault or path.name in fault for fault in found), (position, found)


def test_a_folder_is_held_against_the_archive_beside_it(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / LABEL)
    (tmp_path / f"{LABEL}.tar").write_bytes(Path(f"{made}.tar").read_bytes() + b"\0")
    assert faults(tmp_path / LABEL) == [f"{LABEL}.tar: not the archive of these files as cvimake writes it"]


# Hostile ones


def test_a_changed_file_with_sums_that_fit_contradicts_the_provenance(folder: Path) -> None:
    (folder / "m0000" / "m0000_cv181x_int8.cvimodel").write_bytes(b"CviModel, another")
    resum(folder)
    found = faults(folder)
    assert (
        "m0000/m0000_cv181x_int8.cvimodel: SHA256SUMS and the provenance have different digests of it"
        in found
    )
    assert (
        "m0000/m0000_cv181x_int8.json: its checksum is not the md5 of m0000/m0000_cv181x_int8.cvimodel"
        in found
    )


def test_an_action_that_was_changed_no_longer_has_its_key(folder: Path) -> None:
    told = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    internal = told["predicate"]["buildDefinition"]["internalParameters"]
    internal["actions"][0]["definition"]["argv"].append("--more")
    internal["images"]["toolchain"]["python"] = "4"
    (folder / PROVENANCE).write_text(json.dumps(told), encoding="utf-8")
    resum(folder)
    found = faults(folder)
    assert f"{PROVENANCE}: m0000:mlir: its key does not follow from its definition, image and inputs" in found
    assert (
        f"{PROVENANCE}: the digest of the toolchain image does not follow from its listed contents" in found
    )


def test_a_release_under_another_name_says_so(folder: Path) -> None:
    renamed = folder.rename(folder.with_name("bench-2.0"))
    assert faults(renamed) == [f"{PROVENANCE}: it is of bench-1.0, and this is called bench-2.0"]


def add_file(folder: Path) -> None:
    (folder / "m0000" / "more").touch()


def add_listed_file(folder: Path) -> None:
    add_file(folder)
    resum(folder)


def add_link(folder: Path) -> None:
    (folder / "more").symlink_to("/etc/passwd")


def add_folder_link(folder: Path) -> None:
    (folder / "more").symlink_to("/etc")


def add_pipe(folder: Path) -> None:
    os.mkfifo(folder / "more")


def add_empty_folder(folder: Path) -> None:
    (folder / "more").mkdir()


def add_huge_file(folder: Path) -> None:
    with (folder / "more").open("wb") as file:
        file.truncate(1 << 40)


def replace_by_link(folder: Path) -> None:
    place = folder / "m0000" / "m0000_calibration_table"
    kept = Path(shutil.move(place, folder.parent / "kept"))
    place.symlink_to(kept)


def add_strange_name(folder: Path) -> None:
    (folder / "more\x1b[2J\n").touch()


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (add_file, "m0000/more: not listed"),
        (add_listed_file, "m0000/more: the provenance does not list it"),
        (add_link, "more: not a plain file"),
        (add_folder_link, "more: not a plain file"),
        (add_pipe, "more: not a plain file"),
        (add_empty_folder, "more/: an empty folder"),
        (add_huge_file, "more: larger than any file"),
        (replace_by_link, "m0000/m0000_calibration_table: not a plain file"),
        (add_strange_name, "more\\x1b[2J\\n"),
    ],
)
def test_files_that_do_not_belong_in_a_release_are_named(
    folder: Path, act: Callable[[Path], None], name: str
) -> None:
    act(folder)
    assert any(name in fault for fault in faults(folder)), faults(folder)


@pytest.mark.parametrize(
    "name", ["../kept", "/etc/passwd", "a/../b", "a//b", "./README.md", "a\x1bb", "a\\b"]
)
def test_sums_cannot_lead_out_of_the_release(folder: Path, name: str) -> None:
    line = f"{'0' * 64}  {name}\n"
    (folder / SUMS).write_text(line + (folder / SUMS).read_text(encoding="utf-8"), encoding="utf-8")
    assert any(fault.startswith(f"{SUMS}: line 1: ") for fault in faults(folder))


@pytest.mark.parametrize("name", ["README.md", SUMS, PROVENANCE, "m0000/m0000_cv181x_mix.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert any(fault.startswith(f"{name}: missing") for fault in faults(folder))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "nonsense", '{"predicate": 1}', "[" * 100_000, '{"_type": "x", "predicateType": "y"}'],
)
def test_a_provenance_of_any_other_shape_is_a_fault(folder: Path, text: str) -> None:
    (folder / PROVENANCE).write_text(text, encoding="utf-8")
    resum(folder)
    assert any(fault.startswith(f"{PROVENANCE}: ") for fault in faults(folder))


def test_every_field_of_the_provenance_may_be_missing(folder: Path) -> None:
    good = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))

    def places(value: object, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
        items = value.items() if isinstance(value, dict) else []
        return [place, *(inner for key, part in items for inner in places(part, (*place, key)))]

    for place in places({key: part for key, part in good.items() if key != "subject"})[1:]:
        if len(place) > 5:
            continue
        for wrong in (None, [1], "x", {"y": 1}):
            changed = json.loads(json.dumps(good))
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = wrong
            (folder / PROVENANCE).write_text(json.dumps(changed), encoding="utf-8")
            assert faults(folder), place


def hostile_archive(path: Path, name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
    with tarfile.open(path, "w") as made:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        made.addfile(member, io.BytesIO())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (f"{LABEL}/../x", tarfile.REGTYPE),
        ("/etc/passwd", tarfile.REGTYPE),
        ("elsewhere/x", tarfile.REGTYPE),
        (f"{LABEL}/x", tarfile.SYMTYPE),
        (f"{LABEL}/x", tarfile.LNKTYPE),
        (f"{LABEL}/x", tarfile.CHRTYPE),
        (f"{LABEL}/x", tarfile.DIRTYPE),
    ],
)
def test_an_archive_cannot_hold_anything_but_plain_files_of_its_folder(
    tmp_path: Path, name: str, kind: bytes
) -> None:
    hostile_archive(tmp_path / f"{LABEL}.tar", name, kind, "/etc/passwd")
    assert faults(tmp_path / f"{LABEL}.tar")[0].split(":")[0].strip("'") in {name, "x"}


@pytest.mark.parametrize("size", [1 << 62, -512])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_member_with_an_impossible_size_is_a_fault(tmp_path: Path, kind: bytes, size: int) -> None:
    member = tarfile.TarInfo(f"{LABEL}/x")
    member.type, member.size = kind, size
    path = tmp_path / f"{LABEL}.tar"
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(tarfile.RECORDSIZE))
    assert f"'{LABEL}/x': larger than the archive, or cut off" in faults(path)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_headers_about_headers_are_no_plain_files_however_many(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo(f"{LABEL}/x")
    member.type = kind
    path = tmp_path / f"{LABEL}.tar"
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) * 2000 + bytes(tarfile.RECORDSIZE))
    assert "x: not a plain file" in faults(path)


@pytest.mark.parametrize("content", [b"", b"x" * 2000, b"\x1f\x8b" + b"\0" * 600])
def test_a_file_that_is_not_an_archive_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"{LABEL}.tar"
    path.write_bytes(content)
    with pytest.raises(CvimakeError, match="not an archive of a release"):
        faults(path)


def test_an_archive_that_is_cut_off_is_a_fault(made: Path, tmp_path: Path) -> None:
    good = Path(f"{made}.tar").read_bytes()
    path = tmp_path / f"{LABEL}.tar"
    for length in (600, 1024, len(good) // 2, len(good) - 512):
        path.write_bytes(good[:length])
        assert damaged(path)


def test_a_long_name_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as out, pytest.raises(CvimakeError, match="name is too long"):
        archive.write(out, "x", ["y" * 101], lambda _name: io.BytesIO(), 0)
