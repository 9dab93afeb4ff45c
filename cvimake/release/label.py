"""The name and the version of a release."""

from __future__ import annotations

from dataclasses import dataclass

from cvimake.core import toml
from cvimake.core.errors import CvimakeError
from cvimake.core.git import Tree
from cvimake.project.names import NAME
from cvimake.release.making import PYPROJECT


@dataclass(frozen=True, kw_only=True)
class Label:
    """The name and the version of a release; together they name its folder."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"


def chosen(name: str, version: str, tree: Tree, *, allow_dirty: bool) -> Label:
    """Return the label of a release.

    Args:
        name: the name that the user gives; empty for the project's.
        version: the version that the user gives; empty for what `git describe` says.
        tree: the project's working tree.
        allow_dirty: uncommitted changes are allowed; the version then says that there are some.

    Raises:
        CvimakeError: there is no name or version, or no folder can have it.
    """
    name, version = name or project_name(), version or tree.described
    if not name:
        raise CvimakeError(
            "nothing names the release", "Give it a name (--name), or [project] name in pyproject.toml."
        )
    if not version:
        raise CvimakeError(
            "nothing gives the release a version: there is no commit", "Give it one: --version 1.0"
        )
    if tree.is_dirty and allow_dirty and not version.endswith("-dirty"):
        version += "-dirty"
    for what, text in (("name", name), ("version", version)):
        if not NAME.fullmatch(text) or len(text) > 100:  # noqa: PLR2004 - what an archive can hold
            raise CvimakeError(
                f"{text!r} cannot be a release's {what}",
                "It takes letters, digits, '_', '.' and '-', 100 at most, the first a letter or digit.",
            )
    return Label(name=name, version=version)


def project_name() -> str:
    """Return the project's name from `pyproject.toml`; empty if it has none."""
    if not PYPROJECT.is_file():
        return ""
    project = toml.read(PYPROJECT)[1].get("project", {})
    return str(project.get("name", "")) if isinstance(project, dict) else ""
