"""Everything that can go wrong with a download: a table of ids, causes and remedies."""

from __future__ import annotations

from dataclasses import dataclass

from cvimake.core.errors import CvimakeError


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A kind of failure.

    Attributes:
        id: names it for programs and in docs/errors.md.
        cause: what happened to the file; words in braces are filled in.
        remedy: what to do.
        passes: it may pass by itself, so the download is tried again.
        spoils: what was downloaded is of no use.
    """

    id: str
    cause: str
    remedy: str
    passes: bool = False
    spoils: bool = False


FAULTS = (
    Fault(
        id="fetch-network",
        cause="{server} cannot be reached: {why}",
        remedy="Check the network and the proxy (https_proxy, http_proxy, no_proxy), or name a mirror in "
        "CVIMAKE_MIRROR.",
    ),
    Fault(
        id="fetch-certificate",
        cause="the certificate of {server} is not trusted: {why}",
        remedy="If a proxy of your company signs certificates, name the file with its own in SSL_CERT_FILE.",
    ),
    Fault(
        id="fetch-status",
        cause="{server} answers {status}",
        remedy="Check the URL in the declaration. If the server wants a password, write it into ~/.netrc.",
    ),
    Fault(
        id="fetch-busy",
        cause="{server} answers {status}, several times",
        remedy="Try again later.",
        passes=True,
    ),
    Fault(
        id="fetch-no-answer",
        cause="{server} ended the connection without an answer, several times",
        remedy="Try again later.",
        passes=True,
    ),
    Fault(
        id="fetch-redirect",
        cause="{server} redirects {what}",
        remedy="Declare the URL at which the file really is.",
    ),
    Fault(
        id="fetch-stalled",
        cause="{server} has sent nothing, or next to nothing, for {seconds:g} s",
        remedy="Try again later; the download goes on from where it stopped.",
        passes=True,
    ),
    Fault(
        id="fetch-truncated",
        cause="{server} ended the transfer after {got} of {whole} bytes",
        remedy="Try again later; the download goes on from where it stopped.",
        passes=True,
    ),
    Fault(
        id="fetch-size",
        cause="{server} has a file of {found} bytes, but {wanted} are declared",
        remedy="The file has changed, or the declared size is wrong. Compare both; nothing was kept.",
        spoils=True,
    ),
    Fault(
        id="fetch-too-large",
        cause="{server} sends more than {most}, and no size is declared",
        remedy="Declare the size of the file.",
        spoils=True,
    ),
    Fault(
        id="fetch-sum",
        cause="{server} sends a file with the sha256 {found}, but {wanted} is declared",
        remedy="The file has changed, or the declared sha256 is wrong. Compare both; nothing was kept.",
        spoils=True,
    ),
    Fault(
        id="fetch-archive",
        cause="the archive from {server} {what}",
        remedy="Correct the archive or its members in the declaration.",
    ),
    Fault(
        id="fetch-driver",
        cause="there is no driver for {server}: {why}",
        remedy="Install the package into the environment of cvimake (.venv/bin/pip install PACKAGE).",
    ),
    Fault(
        id="fetch-driver-failed",
        cause="the driver for {server} failed: {why}",
        remedy="Check the URL, and the settings of the driver.",
    ),
    Fault(
        id="fetch-differs",
        cause="the file there is not the declared one: its sha256 is {found}, but {wanted} is declared",
        remedy="If you have changed it on purpose, declare its sha256. --force replaces it.",
    ),
    Fault(
        id="fetch-place",
        cause="a link leads out of the folder of the declaration",
        remedy="Remove the link: files are only fetched into the folder of their declaration.",
    ),
)
_BY_ID = {fault.id: fault for fault in FAULTS}


class FetchError(CvimakeError):
    """A file cannot be fetched.

    Args:
        fault: the id of the kind of failure.
        facts: the words that the cause needs.
    """

    def __init__(self, fault: str, **facts: object) -> None:
        kind = _BY_ID[fault]
        super().__init__(kind.cause.format(**facts), kind.remedy)
        self.id = fault
        self.passes, self.spoils = kind.passes, kind.spoils
