"""Finds why a cvimodel of one release differs from that of another: the first changes on the way to it."""

from __future__ import annotations

from collections.abc import Iterator

from cvimake.builder import differences
from cvimake.release.provenance import OWN_PROGRAMS, Provenance

_LONGEST_VALUE = 40
# The cause that a user has not made.
OWN = "cvimake's own programs were changed"


def of(cvimodel: str, old: Provenance, new: Provenance) -> tuple[str, ...]:
    """Return the causes in words, each once: changed options, sources, programs of cvimake, and toolchains.

    Args:
        cvimodel: its name, `MODEL/FILE`.
        old: the provenance of the earlier release.
        new: that of the later one.
    """
    model, _, file = cvimodel.partition("/")
    pair = _Releases(model, old, new)
    return tuple(dict.fromkeys(pair.causes_of(pair.maker_of(file))))


class _Releases:
    """The actions of a model in two releases.

    Args:
        model: its name.
        old: the provenance of the earlier release.
        new: that of the later one.
    """

    def __init__(self, model: str, old: Provenance, new: Provenance) -> None:
        self._old, self._new = (found.actions.get(model, {}) for found in (old, new))
        self._images = old.images, new.images
        self._names = old.names, new.names
        # A stage can read a file under another name than it was made under.
        self._made_by = {
            sha256: name for name, action in self._new.items() for sha256 in action["outputs"].values()
        }
        self._seen: set[str] = set()

    def maker_of(self, file: str) -> str:
        """Return the action that makes a file in the later release; empty if there is none."""
        return next((name for name, action in self._new.items() if file in action["outputs"]), "")

    def causes_of(self, name: str) -> Iterator[str]:
        """Yield the causes in an action, and in those before it."""
        if not name or name in self._seen:
            return
        self._seen.add(name)
        before, now = self._old.get(name), self._new[name]
        if before is None:
            yield f"{name.partition(':')[2]} is a new stage"
            return
        for change in differences.definition_changes([before["definition"]], [now["definition"]]):
            yield _of_option(change.name, change.old, change.new)
        image = now["image"]
        if self._images[0].get(image) != self._images[1].get(image):
            yield "the toolchain was changed"
        for folder, members in now["folders"].items():
            earlier = before["folders"].get(folder, {})
            changed = (
                file for file in sorted({*earlier, *members}) if earlier.get(file) != members.get(file)
            )
            yield from (self._of_member(members.get(file) or earlier[file]) for file in changed)
        for file, sha256 in now["inputs"].items():
            if before["inputs"].get(file) != sha256:
                # A stage can leave its input as it is: then it is no file of another stage.
                maker = self._made_by.get(sha256, name)
                yield from self.causes_of(maker) if maker != name else [self._of_source(sha256)]
        yield from (f"it is made without {file}" for file in sorted(before["inputs"].keys() - now["inputs"]))

    def _of_member(self, sha256: str) -> str:
        """Return the words for a changed file of a dataset: one image of many is not worth a name."""
        folder = self._source(sha256).rpartition("/")[0]
        return f"images in {folder} were changed" if folder else "images were changed"

    def _source(self, sha256: str) -> str:
        return next((names[sha256] for names in self._names[::-1] if sha256 in names), "")

    def _of_source(self, sha256: str) -> str:
        source = self._source(sha256) or "a file that it reads"
        is_own = source.startswith(OWN_PROGRAMS)
        return OWN if is_own else f"{source} was changed"


def _of_option(name: str, old: str | None, new: str | None) -> str:
    told = name.removeprefix("option ").removeprefix("--")
    before, now = (value if value is None else _shortened(value) for value in (old, new))
    if before is None:
        return f"{told} is now {now}"
    if now is None:
        return f"{told} is no longer given"
    return f"{told} was changed from {before} to {now}"


def _shortened(value: str) -> str:
    return value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"
