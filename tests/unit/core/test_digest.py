from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cvimake.core import digest

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@given(st.dictionaries(st.text(), VALUES))
def test_the_order_of_keys_does_not_matter(value: dict[str, object]) -> None:
    assert digest.of_value(dict(reversed(value.items()))) == digest.of_value(value)


@given(VALUES, VALUES)
def test_different_values_have_different_digests(one: object, other: object) -> None:
    assume(one != other)
    assert digest.of_value(one) != digest.of_value(other)


@pytest.mark.parametrize(
    ("one", "other"), [(1, "1"), (1, True), (None, "null"), ([], {}), (["a", "b"], ["ab"]), ([1, 2], [2, 1])]
)
def test_values_that_look_alike_have_different_digests(one: object, other: object) -> None:
    assert digest.of_value(one) != digest.of_value(other)


def test_the_digest_of_a_value_is_the_same_for_ever() -> None:
    # It stands in the databases and image labels of all machines.
    expected = hashlib.sha256(b'{"a":[1,2.5,null,true],"b":"\\u00e9"}').hexdigest()
    assert digest.of_value({"b": "é", "a": [1, 2.5, None, True]}) == expected


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 1024 * 1024 + 1])
def test_a_files_digest_is_the_sha256_of_all_its_bytes(tmp_path: Path, size: int) -> None:
    data = bytes(index % 251 for index in range(size))
    (tmp_path / "file").write_bytes(data)
    assert digest.of_file(tmp_path / "file") == hashlib.sha256(data).hexdigest()


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        digest.of_file(tmp_path / "missing")
