from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from releases import LABEL, Shop

FOLDER = f"release/{LABEL}"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shop:
    (tmp_path / "project").mkdir()
    shop = Shop(tmp_path / "project", monkeypatch)
    shop.released()
    capsys.readouterr()
    return shop


def test_a_good_one_is_said_to_be(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (FOLDER, f"{FOLDER}.tar", str(shop.root / FOLDER)):
        assert shop.doit("release:verify", path) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"{LABEL}: 13 files, all as listed; the provenance holds together",
        "no signature beside it",
    ]


def test_a_path_is_meant_from_where_the_user_is(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVIMAKE_INVOKED_FROM", str(shop.root / "release"))
    assert shop.doit("release:verify", LABEL) == 0


def test_faults_exit_with_1_and_are_printed_without_control_characters(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop.root / FOLDER / "README.md").write_text("x", encoding="utf-8")
    (shop.root / FOLDER / "\x1b[2J").touch()
    assert shop.doit("release:verify", FOLDER) == 1
    told = capsys.readouterr().out
    assert "README.md: holds other bytes than SHA256SUMS says" in told
    assert "\x1b" not in told


@pytest.mark.skipif(
    not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed: apt-get install openssh-client"
)
def test_a_signature_is_made_and_checked(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    key = shop.root.parent / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    signers = shop.root.parent / "signers"
    signers.write_text(f"me {key.with_suffix('.pub').read_text(encoding='utf-8')}", encoding="utf-8")
    assert shop.doit("release:verify", FOLDER, "--signers", str(signers)) == 1
    assert f"{LABEL}.sig: missing; --signers asks for a signature" in capsys.readouterr().out
    before = {path: path.read_bytes() for path in (shop.root / FOLDER).rglob("*") if path.is_file()}
    shop.released("--sign", str(key))
    assert {path: path.read_bytes() for path in before} == before
    capsys.readouterr()
    assert shop.doit("release:verify", FOLDER, f"--signers={signers}") == 0
    assert shop.doit("release:verify", f"{FOLDER}.tar", "--signers", str(signers)) == 0
    assert "signature for me with ED25519 key" in capsys.readouterr().out
    signature = shop.root / f"{FOLDER}.sig"
    signature.write_bytes(signature.read_bytes().replace(b"A", b"B", 1))
    assert shop.doit("release:verify", FOLDER) == 1
    assert f"{LABEL}.sig: not a signature" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "takes one release"),
        ((FOLDER, FOLDER), "takes one release"),
        (("nowhere",), "no release "),
        ((FOLDER, "--signers", "nobody"), "--signers: no file "),
    ],
)
def test_a_release_that_cannot_be_checked_is_an_error(
    shop: Shop, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    assert shop.doit("release:verify", *arguments) == 2
    assert told in capsys.readouterr().err


def test_an_option_that_there_is_not_is_refused(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.doit("release:verify", FOLDER, "--rebuilt") == 3
    assert "--rebuilt" in capsys.readouterr().err
