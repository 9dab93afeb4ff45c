"""Signatures with the SSH keys that people have: `ssh-keygen -Y`, over `SHA256SUMS`.

A signature lies beside its release, not in it: who signs changes nothing of what is signed.
"""

from __future__ import annotations

import base64
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cvimake.core.errors import CvimakeError

# What a signature is for, so that one of a mail or a commit cannot be passed off as one of a release.
NAMESPACE = "cvimake-release"
_LARGEST = 64 * 1024
_BEGIN, _END, _LINE = b"-----BEGIN SSH SIGNATURE-----\n", b"-----END SSH SIGNATURE-----\n", 70


def sign(sums: bytes, key: Path) -> bytes:
    """A signature.

    Args:
        sums: what is signed.
        key: a private key, or a public one whose private half is in the SSH agent.

    Raises:
        CvimakeError: the key cannot sign.
    """
    with tempfile.TemporaryDirectory(prefix="cvimake-") as folder:
        message = Path(folder) / "SHA256SUMS"
        message.write_bytes(sums)
        _keygen("sign", "-f", str(key), "-n", NAMESPACE, str(message))
        return message.with_name("SHA256SUMS.sig").read_bytes()


def check(sums: bytes, path: Path, signers: Path | None) -> str:
    """Whether a signature is one of these sums.

    Args:
        sums: what was signed.
        path: the signature.
        signers: who may sign, in the form of ssh-keygen's ALLOWED SIGNERS; None for anybody.

    Returns:
        Who has signed, for people.

    Raises:
        CvimakeError: it is not, or somebody else's.
    """
    if path.stat().st_size > _LARGEST:
        raise CvimakeError(f"{path.name}: larger than any signature")
    # ssh-keygen reads past what it does not know; every byte counts here.
    text = path.read_bytes()
    if not _is_as_written(text):
        raise CvimakeError(f"{path.name}: not a signature as ssh-keygen writes it")
    common = ("-n", NAMESPACE, "-s", str(path))
    try:
        if signers is None:
            return _keygen("check-novalidate", *common, given=sums).strip()
        return _signed_by(sums, path, signers)
    except CvimakeError as error:
        who = "of these files" if signers is None else f"of these files by anybody in {signers}"
        raise CvimakeError(f"{path.name}: not a signature {who}", str(error)) from error


def _signed_by(sums: bytes, path: Path, signers: Path) -> str:
    """Say by which signers a signature is, one on each line.

    ssh-keygen goes by the first line alone that a key stands on, so each line is asked by itself.

    Raises:
        CvimakeError: it is by none of them; the last refusal.
    """
    refusals = [CvimakeError("no signer has its key")]
    accepted: dict[str, None] = {}
    with tempfile.TemporaryDirectory(prefix="cvimake-") as folder:
        one = Path(folder) / "signer"
        for line in signers.read_bytes().splitlines():
            if not line.strip() or line.lstrip().startswith(b"#"):
                continue
            one.write_bytes(line + b"\n")
            try:
                accepted |= dict.fromkeys(_signed_by_line(sums, path, one))
            except CvimakeError as error:
                refusals.append(error)
    if not accepted:
        raise refusals[-1]
    return "\n".join(accepted)


def _signed_by_line(sums: bytes, path: Path, signer: Path) -> Iterator[str]:
    """Check a signature against one line of the signers; yields a line for each name that it stands for."""
    known = ("-f", str(signer), "-s", str(path))
    for names in _keygen("find-principals", *known).splitlines():
        for name in names.split(","):
            yield _keygen("verify", *known, "-I", name, "-n", NAMESPACE, given=sums).strip()


def _is_as_written(text: bytes) -> bool:
    """Whether an armoured signature has exactly the form that ssh-keygen gives it."""
    body = text.removeprefix(_BEGIN).removesuffix(_END)
    try:
        encoded = base64.b64encode(base64.b64decode(body.replace(b"\n", b""), validate=True))
    except ValueError:
        return False
    lines = [encoded[start : start + _LINE] for start in range(0, len(encoded), _LINE)]
    return text == _BEGIN + b"".join(line + b"\n" for line in lines) + _END


def _keygen(action: str, *arguments: str, given: bytes = b"") -> str:
    try:
        result = subprocess.run(
            ["ssh-keygen", "-Y", action, *arguments], input=given, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise CvimakeError(
            "ssh-keygen is not installed", "Debian, Ubuntu: apt-get install openssh-client"
        ) from None
    if result.returncode != 0:
        raise CvimakeError(
            f"ssh-keygen -Y {action} failed",
            (result.stderr or result.stdout).decode(errors="replace").strip(),
        )
    return result.stdout.decode(errors="replace")
