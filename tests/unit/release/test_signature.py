from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cvimake.core.errors import CvimakeError
from cvimake.release import signature

pytestmark = pytest.mark.skipif(
    not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed: apt-get install openssh-client"
)
SUMS = b"00  file\n"


def new_key(folder: Path, name: str) -> Path:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return new_key(tmp_path, "key")


@pytest.fixture
def signed(key: Path, tmp_path: Path) -> Path:
    path = tmp_path / "x-1.sig"
    path.write_bytes(signature.sign(SUMS, key, os.environ))
    return path


def signers(key: Path) -> Path:
    path = key.with_name(f"{key.name}.signers")
    path.write_text(f"me@example.org {key.with_suffix('.pub').read_text(encoding='utf-8')}", encoding="utf-8")
    return path


def test_a_signature_says_who_signed(signed: Path, key: Path) -> None:
    assert "me@example.org" in signature.check(SUMS, signed, signers(key), os.environ)
    assert "SHA256:" in signature.check(SUMS, signed, None, os.environ)


def test_a_signature_of_other_sums_or_by_another_person_is_refused(
    signed: Path, key: Path, tmp_path: Path
) -> None:
    with pytest.raises(CvimakeError, match=r"x-1\.sig: not a signature of these files"):
        signature.check(SUMS + b"x", signed, None, os.environ)
    with pytest.raises(CvimakeError, match="not a signature of these files"):
        signature.check(SUMS + b"x", signed, signers(key), os.environ)
    with pytest.raises(CvimakeError, match="by anybody in"):
        signature.check(SUMS, signed, signers(new_key(tmp_path, "other")), os.environ)


def test_a_key_on_several_lines_counts_under_each_name_that_may_sign(signed: Path, key: Path) -> None:
    public = key.with_suffix(".pub").read_text(encoding="utf-8")
    known = signers(key)
    known.write_text(
        f'first@example.org namespaces="git" {public}second@example.org,third@example.org {public}',
        encoding="utf-8",
    )
    said = signature.check(SUMS, signed, known, os.environ)
    assert "second@example.org" in said
    assert "third@example.org" in said
    assert "first@example.org" not in said
    known.write_text(f'first@example.org namespaces="git" {public}', encoding="utf-8")
    with pytest.raises(CvimakeError, match="by anybody in"):
        signature.check(SUMS, signed, known, os.environ)


def test_a_signature_for_another_purpose_is_refused(key: Path, tmp_path: Path) -> None:
    (tmp_path / "sums").write_bytes(SUMS)
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", "file", tmp_path / "sums"],
        check=True,
        capture_output=True,
    )
    with pytest.raises(CvimakeError, match="not a signature of these files"):
        signature.check(SUMS, tmp_path / "sums.sig", signers(key), os.environ)


@pytest.mark.parametrize("bit", [0x01, 0x20])
def test_any_flipped_byte_is_found(signed: Path, bit: int) -> None:
    good = signed.read_bytes()
    for position in (0, 5, 29, 30, 31, 45, 100, 101, 150, 200, len(good) - 31, len(good) - 28, len(good) - 1):
        signed.write_bytes(good[:position] + bytes([good[position] ^ bit]) + good[position + 1 :])
        with pytest.raises(CvimakeError, match=r"x-1\.sig"):
            signature.check(SUMS, signed, None, os.environ)


def test_a_key_that_cannot_sign_is_told(tmp_path: Path) -> None:
    (tmp_path / "no-key").write_text("x", encoding="utf-8")
    with pytest.raises(CvimakeError, match="ssh-keygen -Y sign failed"):
        signature.sign(SUMS, tmp_path / "no-key", os.environ)


def test_without_ssh_keygen_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CvimakeError, match="ssh-keygen is not installed"):
        signature.sign(SUMS, tmp_path / "key", os.environ)
