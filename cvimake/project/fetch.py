"""`[fetch]` in a `dataset.toml` or `model.toml`: where files come from, and the sha256 of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import AfterValidator, Field

from cvimake.project.declared import Declared, Positive, Text, example, unusable_file
from cvimake.project.lines import Key

_SHA256 = re.compile(r"[0-9a-f]{64}")
_EXAMPLE_SUM = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
WEB = frozenset({"http", "https"})
# The drivers of fsspec that read from another machine. The others read files of this machine, or follow
# another URL: with them, a declaration by a stranger could copy any file of the user's into the project.
_DRIVERS = frozenset({
    "abfs", "abfss", "adl", "arrow_hdfs", "az", "box", "dbfs", "dropbox", "ftp", "gcs", "gdrive", "gs",
    "hdfs", "hf", "lakefs", "oci", "ocilake", "oss", "s3", "s3a", "sftp", "smb", "ssh", "tos", "tosfs",
    "webdav", "webhdfs",
})  # fmt: skip
# The parameters of URLs that give their reader access.
_SECRETS = frozenset({
    "access_token", "api_key", "apikey", "auth", "password", "sig", "signature", "token", "x-amz-signature",
    "x-goog-signature",
})  # fmt: skip
_DECLARATIONS = frozenset({"dataset.toml", "model.toml"})


def _sha256(text: str) -> str:
    if not _SHA256.fullmatch(text.lower()):
        raise ValueError(
            "is no sha256: write 64 digits from 0 to 9 and a to f, as `sha256sum FILE` prints them"
        )
    return text.lower()


def _url(text: str) -> str:
    """Refuse a URL with a password, and one that does not lead to another machine."""
    try:
        parts = urlsplit(text)
        password, user = parts.password, parts.username
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"cannot be read as a URL: {error}") from error
    if parts.scheme and (parts.scheme not in WEB | _DRIVERS or "::" in text):
        raise ValueError(
            f"nothing is fetched from {parts.scheme}://. A URL begins with http://, https://, or one of "
            "fsspec's drivers for other machines, such as s3://, gs://, az:// or sftp://"
        )
    if not parts.scheme or not parts.netloc:
        raise ValueError("is not a URL; for example: https://example.org/cat.jpg")
    # A mirror in a folder would lead out of it.
    if ".." in unquote(parts.path).split("/"):
        raise ValueError("cannot be used: its path has '..'")
    # A token is often written as a user's name. The Azure drivers have a container's name in this place.
    names = {name.lower() for name, _ in parse_qsl(parts.query)}
    if password is not None or (user is not None and parts.scheme in WEB) or names & _SECRETS:
        raise ValueError(
            "holds a user name, a password or a token, which all readers of this file could use. "
            "Write it into ~/.netrc, for https://, or into the settings of the driver"
        )
    return text


Sha256 = Annotated[str, AfterValidator(_sha256), example(_EXAMPLE_SUM)]
Url = Annotated[Text, AfterValidator(_url)]


class Download(Declared):
    """Something with a sum."""

    sha256: Sha256
    """The sha256 of the file, as `sha256sum` prints it."""
    size: Annotated[Positive | None, example(4000000)] = None
    """Bytes of the file. A download that has more or fewer is refused."""


class Archive(Download):
    """An archive with files: zip, or tar, also compressed with gzip, bzip2 or xz."""

    url: Annotated[Url, example("https://example.org/photos.zip")]
    """Where the archive is."""


class FetchedFile(Download):
    """One file."""

    url: Annotated[Url | None, example("https://example.org/photos/cat.jpg")] = None
    """Where the file is. Without it, at its own path below `base_url`."""
    archive: Annotated[Text | None, example("photos")] = None
    """The name of the archive that holds the file, instead of a URL."""
    member: Annotated[Text | None, example("photos/cat.jpg")] = None
    """The path of the file in the archive. Without it, the file's own path."""


class Fetch(Declared):
    """Where files come from. `./doit fetch` downloads those that are missing."""

    base_url: Annotated[Url | None, example("https://example.org/photos")] = None
    """The folder of the files that declare no URL of their own."""
    files: Annotated[dict[str, FetchedFile], Field(min_length=1)]
    """The files, by their paths relative to the folder of this declaration."""
    archives: Annotated[dict[str, Archive], Field(default_factory=dict)]
    """Archives that hold some of the files, by name."""

    def url_of(self, name: str) -> str:
        """Return the URL of a file that no archive holds."""
        return self.files[name].url or f"{(self.base_url or '').rstrip('/')}/{quote(name)}"


def missing(fetch: Fetch, folder: Path) -> tuple[str, ...]:
    """Return the declared files that are not in a folder."""
    return tuple(name for name in fetch.files if not _is_file(folder / name))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # A path that is too long. It is a mistake, which is told with the other ones.
        return False


def faults(fetch: Fetch) -> Iterator[tuple[Key, str]]:
    """Yield the faults of `[fetch]`: the key and the fault."""
    if fetch.base_url and urlsplit(fetch.base_url).query:
        yield ("base_url",), "is the URL of a folder, which has no '?'. Give each file a url of its own"
    folders = {str(parent) for name in fetch.files for parent in PurePosixPath(name).parents}
    for name, file in fetch.files.items():
        key = ("files", name)
        if what := _unusable(name):
            yield key, what
        elif name in folders:
            yield key, "is the folder of another file"
        for inner, what in _origin_faults(fetch, file):
            yield (*key, *inner), what


def _unusable(name: str) -> str:
    """Say why a file cannot be fetched to a path; return an empty text if it can."""
    if reason := unusable_file(name):
        return reason
    if str(PurePosixPath(name)) != name or name.startswith("/") or ".." in name.split("/"):
        return "must be a relative path without '..', inside of the folder of this declaration"
    if any(part.startswith(".") for part in name.split("/")):
        return (
            "a file or folder whose name begins with '.' cannot be fetched: programs read such files unasked"
        )
    return "is a declaration, which cannot be fetched" if Path(name).name in _DECLARATIONS else ""


def _origin_faults(fetch: Fetch, file: FetchedFile) -> Iterator[tuple[Key, str]]:
    if file.archive is None:
        if file.member is not None:
            yield ("member",), "has no effect without archive"
        if file.url is None and fetch.base_url is None:
            yield (), "has no origin: declare a url or an archive for it, or a base_url for all files"
        return
    if file.url is not None:
        yield ("url",), "url and archive exclude each other"
    if file.archive not in fetch.archives:
        known = f"; there are: {', '.join(fetch.archives)}" if fetch.archives else ""
        yield ("archive",), f"no archive {file.archive!r}{known}. Declare [fetch.archives.{file.archive}]"
