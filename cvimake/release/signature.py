"""Signatures of `SHA256SUMS` with SSH keys, made by `ssh-keygen -Y`.

A signature lies beside its release and not in it, so signing a release does not change it.
"""

from __future__ import annotations

import base64
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from cvimake.core.errors import CvimakeError

# The purpose of a signature: the signature of a mail or a commit must not be valid for a release.
NAMESPACE = "cvimake-release"
_LARGEST = 64 * 1024
_BEGIN, _END, _LINE = b"-----BEGIN SSH SIGNATURE-----\n", b"-----END SSH SIGNATURE-----\n", 70


def sign(sums: bytes, key: Path, environment: Mapping[str, str]) -> bytes:
    """Return a signature.

    Args:
        sums: the bytes to sign.
        key: a private key, or a public one whose private half is in the SSH agent.
        environment: the variables that cvimake was started with; they name the SSH agent.

    Raises:
        CvimakeError: the key cannot sign.
    """
    with tempfile.TemporaryDirectory(prefix="cvimake-") as folder:
        message = Path(folder) / "SHA256SUMS"
        message.write_bytes(sums)
        _keygen(environment, "sign", "-f", str(key), "-n", NAMESPACE, str(message))
        return message.with_name("SHA256SUMS.sig").read_bytes()


def check(sums: bytes, path: Path, signers: Path | None, environment: Mapping[str, str]) -> str:
    """Check that a signature is one of these sums.

    Args:
        sums: the signed bytes.
        path: the signature.
        signers: a file with the people who may sign, as ssh-keygen's ALLOWED SIGNERS; None for anybody.
        environment: the variables that cvimake was started with.

    Returns:
        The signers, as text for people.

    Raises:
        CvimakeError: it is no signature of these sums, or one by somebody else.
    """
    if path.stat().st_size > _LARGEST:
        raise CvimakeError(f"{path.name}: larger than any signature")
    # ssh-keygen skips bytes that it does not know. Here every byte must be right.
    text = path.read_bytes()
    if not _is_as_written(text):
        raise CvimakeError(f"{path.name}: not a signature as ssh-keygen writes it")
    common = ("-n", NAMESPACE, "-s", str(path))
    try:
        if signers is None:
            return _keygen(environment, "check-novalidate", *common, given=sums).strip()
        return _signed_by(sums, path, signers, environment)
    except CvimakeError as error:
        who = "of these files" if signers is None else f"of these files by anybody in {signers}"
        raise CvimakeError(f"{path.name}: not a signature {who}", str(error)) from error


def _signed_by(sums: bytes, path: Path, signers: Path, environment: Mapping[str, str]) -> str:
    """Return the signers that a signature is from, one on each line.

    ssh-keygen only looks at the first line that has the key, so each line is checked by itself.

    Raises:
        CvimakeError: it is from none of them. The error is that of the last check.
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
                accepted |= dict.fromkeys(_signed_by_line(sums, path, one, environment))
            except CvimakeError as error:
                refusals.append(error)
    if not accepted:
        raise refusals[-1]
    return "\n".join(accepted)


def _signed_by_line(sums: bytes, path: Path, signer: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Check a signature against one line of the signers, and yield a line for each name in it."""
    known = ("-f", str(signer), "-s", str(path))
    for names in _keygen(environment, "find-principals", *known).splitlines():
        for name in names.split(","):
            yield _keygen(environment, "verify", *known, "-I", name, "-n", NAMESPACE, given=sums).strip()


def _is_as_written(text: bytes) -> bool:
    """Tell whether an armoured signature has exactly the form that ssh-keygen gives it."""
    body = text.removeprefix(_BEGIN).removesuffix(_END)
    try:
        encoded = base64.b64encode(base64.b64decode(body.replace(b"\n", b""), validate=True))
    except ValueError:
        return False
    lines = [encoded[start : start + _LINE] for start in range(0, len(encoded), _LINE)]
    return text == _BEGIN + b"".join(line + b"\n" for line in lines) + _END


def _keygen(environment: Mapping[str, str], action: str, *arguments: str, given: bytes = b"") -> str:
    try:
        result = subprocess.run(
            ["ssh-keygen", "-Y", action, *arguments],
            env=environment, input=given, capture_output=True, check=False,
        )  # fmt: skip
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
