from __future__ import annotations

import hashlib
import io
import tarfile

from cvimake.release import archive

FILES = {"b": b"second", "a/c": b"first", "a/" + "d" * 90: b""}


def written(names: list[str]) -> bytes:
    out = io.BytesIO()
    archive.write(out, "x-1", names, lambda name: io.BytesIO(FILES[name]), 1704067200)
    return out.getvalue()


def test_an_archive_holds_its_files_and_nothing_of_whoever_wrote_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(written(list(FILES)))) as made:
        members = made.getmembers()
        assert [member.name for member in members] == [f"x-1/{name}" for name in sorted(FILES)]
        for member in members:
            assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
            assert (member.mode, member.mtime) == (0o644, 1704067200)


def test_the_order_in_which_files_are_found_does_not_matter() -> None:
    assert written(list(FILES)) == written(list(reversed(FILES)))


def test_these_bytes_are_the_same_with_every_python() -> None:
    # Seen with 3.10, 3.11, 3.12 and 3.13; a Python that writes others must not go unnoticed.
    assert hashlib.sha256(written(list(FILES))).hexdigest() == EXPECTED


EXPECTED = "5a94c6a47729fdb528881bcf90af65de2ab9f260327777afcaa2f9ef5acbe715"
