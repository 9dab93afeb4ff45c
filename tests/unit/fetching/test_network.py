from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.core.errors import CvimakeError
from cvimake.fetching.network import Network, server


def network(tmp_path: Path, **variables: str) -> Network:
    return Network.from_environment({"HOME": str(tmp_path), **variables})


@pytest.mark.parametrize(
    ("mirror", "url", "expected"),
    [
        ("", "https://a.org/b%20c?d=1", "https://a.org/b%20c?d=1"),
        ("http://mirror/x/", "https://a.org:8443/b%20c?d=1", "http://mirror/x/a.org:8443/b%20c?d=1"),
        ("http://mirror", "s3://bucket/key", "http://mirror/bucket/key"),
        ("file:///mnt/files", "https://a.org/b%20c", "file:///mnt/files/a.org/b c"),
    ],
)
def test_a_mirror_has_files_by_host_and_path(tmp_path: Path, mirror: str, url: str, expected: str) -> None:
    assert network(tmp_path, CVIMAKE_MIRROR=mirror).mirrored(url) == expected


def test_a_mirror_that_is_no_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CvimakeError, match="CVIMAKE_MIRROR is '/mnt/files', which is not a URL"):
        network(tmp_path, CVIMAKE_MIRROR="/mnt/files")


def test_the_proxy_is_that_of_the_variables(tmp_path: Path) -> None:
    found = network(
        tmp_path, https_proxy="proxy:3128", HTTP_PROXY="http://other:1", no_proxy="localhost,.inner.org"
    )
    assert found.proxy("https://a.org/x") == "http://proxy:3128"
    assert found.proxy("http://a.org/x") == "http://other:1"
    for url in ("http://localhost:80/x", "https://a.inner.org/x"):
        assert found.proxy(url) == ""
    assert network(tmp_path).proxy("https://a.org") == ""
    assert network(tmp_path, ALL_PROXY="p:1").proxy("https://a.org") == "http://p:1"


def test_a_password_of_netrc_is_for_its_host_alone_and_never_sent_openly(tmp_path: Path) -> None:
    text = "machine a.org login me password secret\ndefault login any password other\n"
    (tmp_path / ".netrc").write_text(text, encoding="utf-8")
    found = network(tmp_path)
    assert found.password("https://a.org/x") == "me:secret"
    for url in ("http://a.org/x", "https://b.org/x", "https://a.org.evil.org/x"):
        assert found.password(url) == ""
    assert network(tmp_path / "none").password("https://a.org") == ""


def test_a_netrc_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine", encoding="utf-8")
    with pytest.raises(CvimakeError, match=r"\.netrc cannot be read"):
        network(tmp_path).password("https://a.org/x")


def test_a_server_is_named_without_its_password() -> None:
    assert server("http://me:secret@mirror:81/x?token=1") == "http://mirror:81"
