"""Lists the files that a tool's process loads from the toolchain, and checks a sample of such a list.

    installed_files.py LIST DIGESTS.json RESULT.json

This command checks a sample. LIST has a line for each file: its sha256, two spaces, its name. A name begins
with the part of the toolchain that the file belongs to (see `roots`), so that equal contents have equal lists
wherever they are installed. DIGESTS has the sha256 of each part's lines. RESULT gets the names of the files
that differ.

Bytecode is not in the list. It is compiled from the listed files into a folder of its own
(PYTHONPYCACHEPREFIX), and a process loads no other bytecode. The check compares it with its source.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import marshal
import os
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
ZIP = f"lib/{VERSION.replace('.', '')}.zip"
# Folders inside the standard library with other packages, which the toolchain's environments do not see.
OTHER_PACKAGES = frozenset({"site-packages", "dist-packages"})
# The library that does the simulator's slowest work.
SIMULATOR = "libfastsimulator.so"
# Files that pip writes about an installation; they are no part of a package.
WRITTEN_BY_PIP = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
# The number of files in a sample, and the bytes after which no further file is read.
SAMPLE_FILES = 100
SAMPLE_BYTES = 64_000_000
# The offset of the code in a file of bytecode.
CODE = 16


def roots() -> dict[str, Path]:
    """Return the folders of the parts of the toolchain whose files are loaded, by the part's name.

    The interpreter is the base's own Python, without its standard library. The simulator is the library that
    docker/Dockerfile compiles; an installation without a compiler has none.
    """
    packages = Path("lib", VERSION, "site-packages")
    return {
        "interpreter": Path(sys.base_prefix),
        "standard_library": Path(os.__file__).parent,
        "packages": Path(sys.prefix) / packages,
        "onnx_packages": Path(sys.prefix) / "onnx" / packages,
        "simulator": Path(sys.prefix) / "lib",
    }


def lists(compiled: Iterable[str] = ()) -> dict[str, list[str]]:
    """Return the sorted lines of every part.

    Args:
        compiled: names of packages that were compiled on this machine, and count by their sources.
    """
    found = {}
    for part, root in roots().items():
        if part == "interpreter":
            files: Iterable[Path] = interpreter(root)
        elif part == "simulator":
            files = root.glob(SIMULATOR)
        else:
            files = below(root, frozenset(compiled))
        found[part] = sorted(f"{of_file(path)}  {part}/{path.relative_to(root)}" for path in files)
    return found


def digests(lines: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the sha256 of each part's lines."""
    return {
        part: hashlib.sha256("".join(f"{line}\n" for line in of_part).encode()).hexdigest()
        for part, of_part in lines.items()
    }


def interpreter(root: Path) -> list[Path]:
    """Return the interpreter's program and libraries."""
    libraries = [
        path for folder in ("lib", "lib/x86_64-linux-gnu") for path in (root / folder).glob("libpython3*")
    ]
    candidates = [root / "bin" / VERSION, root / ZIP, *libraries]
    return [path for path in candidates if path.is_file()]


def below(root: Path, compiled: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield the files of the standard library, or of a folder of packages."""
    for place, folders, names in os.walk(root):
        at_root = Path(place) == root
        folders[:] = [
            name
            for name in folders
            if name != "__pycache__"
            and not (
                at_root and (name in OTHER_PACKAGES or name.partition("-")[0].partition(".")[0] in compiled)
            )
        ]
        for name in names:
            path = Path(place, name)
            if path.is_file() and not (place.endswith(".dist-info") and name in WRITTEN_BY_PIP):
                yield path


def of_file(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def not_as_listed(text: str, expected: Mapping[str, str], chosen: random.Random) -> list[str]:
    """Return the parts whose list is not the expected one, else the files of a sample that differ from it.

    Args:
        text: the list.
        expected: the sha256 of each part's lines.
        chosen: chooses the sample.
    """
    places = roots()
    lines: dict[str, list[str]] = {part: [] for part in places}
    for line in text.splitlines():
        lines[line.partition("  ")[2].partition("/")[0]].append(line)
    found = digests(lines)
    if others := sorted(part for part in places if found[part] != expected.get(part)):
        return [f"the list of {part}" for part in others]
    every = [line for of_part in lines.values() for line in of_part]
    # The interpreter is always checked, since every process loads it. Of the other files a sample is.
    sample = lines["interpreter"] + chosen.sample(every, min(SAMPLE_FILES, len(every)))
    changed, read = [], 0
    for line in sample:
        if read > SAMPLE_BYTES:
            break
        sha256, _, name = line.partition("  ")
        part, _, inner = name.partition("/")
        path = places[part] / inner
        if not path.is_file() or of_file(path) != sha256 or not has_its_own_bytecode(path):
            changed.append(name)
        else:
            read += path.stat().st_size
    return changed


def has_its_own_bytecode(path: Path) -> bool:
    """Tell whether the bytecode of a source, if there is any, was compiled from that source."""
    if path.suffix != ".py":
        return True
    compiled = Path(importlib.util.cache_from_source(str(path)))
    if not compiled.is_file():
        return True
    code = marshal.loads(compiled.read_bytes()[CODE:])  # noqa: S302 - compared and not run
    return bool(code == compile(path.read_bytes(), str(path), "exec", dont_inherit=True))


def main(listing: str, expected: str, result: str) -> None:
    """Check a sample."""
    text = Path(listing).read_text(encoding="utf-8")
    changed = not_as_listed(
        text, json.loads(Path(expected).read_text(encoding="utf-8")), random.SystemRandom()
    )
    Path(result).write_text(json.dumps(changed), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
