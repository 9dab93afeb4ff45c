"""HTTPS: certificates, passwords and redirects. The rest of HTTP is in test_transfer.py."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import file_server
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from file_server import FileServer

from cvimake.fetching.faults import FetchError
from cvimake.fetching.network import Network
from cvimake.fetching.web import Web


def certificate(folder: Path) -> Path:
    """Write a certificate of 127.0.0.1 with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.timezone.utc)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


class Secure:
    """A server on loopback that speaks https."""

    def __init__(self, server: FileServer, folder: Path) -> None:
        self.certificate = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self.server, self.url = server, server.url.replace("http://", "https://")
        server.files["/a"] = b"x"

    def get(self, network: Network) -> bytes:
        with contextlib.closing(Web(network)) as web, web.ask(f"{self.url}/a", 0) as reply:
            return b"".join(reply.pieces)


@pytest.fixture
def secure(server: FileServer, tmp_path: Path) -> Secure:
    return Secure(server, tmp_path)


def test_only_a_trusted_certificate_is_taken(secure: Secure) -> None:
    assert secure.get(Network(certificates=secure.certificate)) == b"x"
    with pytest.raises(FetchError, match=r"certificate of https://127\.0\.0\.1:") as caught:
        secure.get(Network())
    assert caught.value.id == "fetch-certificate"
    assert "self-signed certificate" in caught.value.cause


def test_a_redirect_to_http_is_refused(secure: Secure) -> None:
    secure.server.ways["/a"] = file_server.redirect("http://127.0.0.1:1/a")
    with pytest.raises(FetchError, match="redirects from https:// to http://, which is not safe") as caught:
        secure.get(Network(certificates=secure.certificate))
    assert caught.value.id == "fetch-redirect"


def test_the_password_of_netrc_is_sent(secure: Secure, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n", encoding="utf-8")
    sent: list[str | None] = []

    def answer(handler: file_server.Handler) -> None:
        sent.append(handler.headers.get("Authorization"))
        file_server.serve(handler)

    secure.server.ways["/a"] = answer
    secure.get(Network(certificates=secure.certificate, netrc=netrc))
    secure.get(Network(certificates=secure.certificate))
    assert sent == ["Basic bWU6c2VjcmV0", None]


def test_a_file_of_certificates_that_is_not_there_is_told(secure: Secure, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="cannot be reached: "):
        secure.get(Network(certificates=tmp_path / "none"))
