from __future__ import annotations

import os
from pathlib import Path

import pytest

from cvimake.core import toml
from cvimake.core.errors import DeclarationError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.toml"


def test_the_values_are_read(file: Path) -> None:
    file.write_text('name = "\u00fc"\n[input]\nscale = [0.5]\n', encoding="utf-8")
    assert toml.read(file)[1] == {"name": "ü", "input": {"scale": [0.5]}}


def test_the_text_is_the_files(file: Path) -> None:
    file.write_text("# \u00fc\na = 1\n", encoding="utf-8")
    assert toml.read(file)[0] == "# ü\na = 1\n"


def test_windows_line_ends_are_read(file: Path) -> None:
    file.write_bytes(b"a = 1\r\nb = 2\r\n")
    assert toml.read(file)[1] == {"a": 1, "b": 2}


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(DeclarationError, match=r"model\.toml: cannot be read: No such file"):
        toml.read(file)


def test_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"cannot be read: Is a directory"):
        toml.read(tmp_path)


def test_a_syntax_error_has_its_line(file: Path) -> None:
    file.write_text("a = 1\nb =\n", encoding="utf-8")
    with pytest.raises(DeclarationError, match=r"model\.toml:2: not TOML: "):
        toml.read(file)


def test_a_duplicate_key_is_refused(file: Path) -> None:
    file.write_text("a = 1\na = 2\n", encoding="utf-8")
    with pytest.raises(DeclarationError, match="not TOML"):
        toml.read(file)


def test_text_that_is_not_utf8_has_its_line_and_byte(file: Path) -> None:
    file.write_bytes(b"a = 1\n\n# caf\xe9\n")
    with pytest.raises(DeclarationError, match=r"model\.toml:3: not UTF-8 text \(byte 0xe9\)"):
        toml.read(file)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a = " + "[" * 20000, "nested too deeply"),
        ("a" + ".a" * 20000 + " = 1", "nested too deeply"),
        ('["a"' + '."a"' * 40 + "]", "nested too deeply"),
        ("a = " + "9" * 10000, "not TOML"),
        ("#" * (1024 * 1024 + 1), "is too large: 1048577 bytes, 1048576 at most"),
    ],
)
def test_toml_that_takes_endless_time_or_memory_is_refused(text: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError, match=what):
        toml.read(path)


def test_a_pipe_a_device_and_a_folder_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("pipe", "device"):
        with pytest.raises(DeclarationError, match="is no plain file"):
            toml.read(tmp_path / name)
    with pytest.raises(DeclarationError, match="cannot be read: Is a directory"):
        toml.read(tmp_path)
