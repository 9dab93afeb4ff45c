"""The way to the servers: mirror, proxies, certificates and passwords, as the user's variables say."""

from __future__ import annotations

import netrc
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from cvimake.core.errors import CvimakeError
from cvimake.core.home import home
from cvimake.project.fetch import WEB

MIRROR = "CVIMAKE_MIRROR"
_LONGEST_HOST = 100
_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, kw_only=True)
class Patience:
    """The limits of waiting for a server.

    Attributes:
        connect: seconds until it has to accept a connection.
        stall: seconds in which it has to send at least `least` bytes.
        least: see `stall`.
        pauses: seconds before the second, third, ... attempt.
    """

    connect: float = 15.0
    stall: float = 30.0
    least: int = 1000
    pauses: tuple[float, ...] = (1.0, 4.0)


@dataclass(frozen=True, kw_only=True)
class Network:
    """The settings with which servers are reached.

    Attributes:
        mirror: a URL below which all files are, as HOST/PATH; empty for none.
        proxies: from `http`, `https` and `all` to a proxy's URL, and from `no` to the hosts without one.
        netrc: the file with the user's passwords; None for none.
        certificates: a file of certificates to trust beside the system's; None for none.
    """

    mirror: str = ""
    proxies: Mapping[str, str] = field(default_factory=dict)
    netrc: Path | None = None
    certificates: Path | None = None
    patience: Patience = Patience()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Network:
        """Return what the variables say that cvimake was started with.

        Raises:
            CvimakeError: the mirror is no URL.
        """
        mirror = environment.get(MIRROR, "").rstrip("/")
        if mirror and "://" not in mirror:
            raise CvimakeError(
                f"{MIRROR} is {mirror!r}, which is not a URL", "For example: https://mirror.example.org/files"
            )
        proxies = {}
        for name in ("http", "https", "all", "no"):
            variable = f"{name}_proxy"
            if value := environment.get(variable) or environment.get(variable.upper()):
                proxies[name] = value
        certificates = next((value for name in _CERTIFICATES if (value := environment.get(name))), "")
        passwords = Path(environment.get("NETRC") or home(environment) / ".netrc")
        return cls(
            mirror=mirror,
            proxies=proxies,
            netrc=passwords if passwords.is_file() else None,
            certificates=Path(certificates) if certificates else None,
        )

    def mirrored(self, url: str) -> str:
        """Return the URL at which the mirror has a file, or the file's own if there is no mirror."""
        if not self.mirror:
            return url
        below = url.partition("://")[2]
        if self.mirror.partition("://")[0] not in WEB:
            below = unquote(below)
        return f"{self.mirror}/{below}"

    def proxy(self, url: str) -> str:
        """Return the proxy for a URL; empty for none."""
        parts = urlsplit(url)
        if proxy_bypass_environment(parts.netloc.rpartition("@")[2], {"no": self.proxies.get("no", "")}):
            return ""
        proxy = self.proxies.get(parts.scheme) or self.proxies.get("all") or ""
        return proxy if not proxy or "://" in proxy else f"http://{proxy}"

    def password(self, url: str) -> str:
        """Return `USER:PASSWORD` of ~/.netrc for a URL; empty if there is none, or it would not be encrypted.

        Raises:
            CvimakeError: the file cannot be read.
        """
        parts = urlsplit(url)
        if self.netrc is None or parts.scheme != "https":
            return ""
        try:
            hosts = netrc.netrc(self.netrc).hosts
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError) as error:
            raise CvimakeError(f"{self.netrc} cannot be read: {error}") from error
        # The entry `default` is for any host, also for one that a stranger has declared.
        user, _, password = hosts.get(parts.hostname or "", ("", "", ""))
        return f"{user}:{password}" if user else ""


def server(url: str) -> str:
    """Return a URL's scheme and host for a message, without passwords."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2][:_LONGEST_HOST]}"
