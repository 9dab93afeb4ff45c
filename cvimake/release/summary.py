"""Tells in a few sentences which cvimodels of a model have changed from one release to another, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cvimake.core import listing, units
from cvimake.pipeline.accuracy import Figure, Measured
from cvimake.release import causes
from cvimake.release.difference import Contents

_ENDING = ".cvimodel"
_MOST_CAUSES = 3
# Smaller changes are shown as 0.000, and as 0.0 %.
_LEAST_FIGURE, _LEAST_PART = 0.0005, 0.0005


@dataclass(frozen=True)
class _Words:
    """The word for a property, and those for more and for less of it."""

    name: str
    more: str
    less: str


_SIZE = _Words("it", "larger", "smaller")
_TIME = _Words("the estimate of its time", "longer", "shorter")


def of_model(model: str, old: Contents, new: Contents) -> tuple[str, ...]:
    """Return the sentences; the last one names the variants that have not changed.

    Args:
        model: its name.
        old: the contents of the earlier release.
        new: those of the later one.
    """
    found: list[str] = []
    # The variants that are the same files, by the changes that have not changed them.
    although: dict[tuple[str, ...], list[str]] = {}
    names = {**_variants(model, old), **_variants(model, new)}
    for file, name in names.items():
        if file not in old.infos:
            found.append(f"{name} is new: {_facts(file, new)}.")
        elif file not in new.infos:
            found.append(f"{name} is gone.")
        else:
            why = causes.of(file, old.provenance, new.provenance)
            if old.provenance.subjects.get(file) != new.provenance.subjects.get(file):
                found.append(_rebuilt(name, why, list(_effects(file, old, new))))
            else:
                # Another version of cvimake mostly makes the same files.
                although.setdefault(tuple(cause for cause in why if cause != causes.OWN), []).append(name)
                found += _measured_anew(name, _of_accuracy(file, old, new))
    same = although.pop((), [])
    for why, several in although.items():
        are = "are the same files" if len(several) > 1 else "is the same file"
        found.append(f"{_and(several)} {are} as before, although {_listed(why)}.")
    if same:
        is_all = len(same) == len(names) and not found
        verb = "have" if len(same) > 1 else "has"
        found.append("No cvimodel has changed." if is_all else f"{_and(same)} {verb} not changed.")
    return tuple(found)


def _variants(model: str, contents: Contents) -> Mapping[str, str]:
    """Return the name of each variant by its cvimodel, `MODEL/FILE`."""
    return {
        f"{model}/{file}": action["name"].partition(":")[2]
        for action in contents.provenance.actions.get(model, {}).values()
        for file in action["outputs"]
        if file.endswith(_ENDING)
    }


def _rebuilt(name: str, why: tuple[str, ...], effects: list[str]) -> str:
    reason = f", because {_listed(why)}" if why else ""
    effect = _and(effects) if effects else "its size, accuracy and time have stayed the same"
    return f"{name} was rebuilt{reason}. Now {effect}."


def _measured_anew(name: str, effects: list[str]) -> list[str]:
    return [f"{name} is the same file, but {_and(effects)}: it was measured anew."] if effects else []


def _facts(file: str, contents: Contents) -> str:
    info, figure = contents.infos[file], _figure(contents.seen.get(file.removesuffix(_ENDING)))
    found = [units.size(info.size)]
    if figure and figure.value is not None:
        found.append(f"{figure.metric} {figure.number}")
    if info.time:
        found.append(str(info.time))
    return ", ".join(found)


def _effects(file: str, old: Contents, new: Contents) -> Iterator[str]:
    """Yield what has become of the size, the accuracy and the time, as parts of a sentence."""
    before, now = old.infos[file], new.infos[file]
    yield from _grown(_SIZE, before.size, now.size, f"{units.size(before.size)}, now {units.size(now.size)}")
    yield from _of_accuracy(file, old, new) or _same_accuracy(file, new)
    if before.time and now.time:
        times = f"{before.time}, now {now.time}"
        yield from _grown(_TIME, before.time.milliseconds, now.time.milliseconds, times)
    if before.recognition.in_words != now.recognition.in_words:
        yield f"on the camera it {now.recognition.in_words}; before, it {before.recognition.in_words}"


def _grown(words: _Words, old: float | None, new: float | None, shown: str) -> Iterator[str]:
    if not old or new is None or abs(new - old) < _LEAST_PART * old:
        return
    yield f"{words.name} is {abs(new - old) / old:.1%} {words.more if new > old else words.less} ({shown})"


def _of_accuracy(file: str, old: Contents, new: Contents) -> list[str]:
    """Return what has become of the accuracy; nothing if it is as before, or is not known."""
    before, now = (_figure(found.seen.get(file.removesuffix(_ENDING))) for found in (old, new))
    if not now or now.value is None:
        return []
    if not before or before.value is None or before.metric != now.metric:
        return [f"its {now.metric} is {now.number}, and was not measured before"]
    grown = now.value - before.value
    if abs(grown) < _LEAST_FIGURE:
        return []
    word = "higher" if grown > 0 else "lower"
    error = now.standard_error
    small = ", which is less than the standard error" if error and abs(grown) <= error else ""
    return [f"its {now.metric} is {abs(grown):.3f} {word} ({before.number}, now {now.number}{small})"]


def _same_accuracy(file: str, contents: Contents) -> list[str]:
    figure = _figure(contents.seen.get(file.removesuffix(_ENDING)))
    return [f"its {figure.metric} is still {figure.number}"] if figure and figure.value is not None else []


def _figure(measured: Measured | None) -> Figure | None:
    return (measured.figure or measured.agreement) if measured else None


def _listed(parts: tuple[str, ...]) -> str:
    if len(parts) <= _MOST_CAUSES:
        return _and(list(parts))
    return listing.line(parts, _MOST_CAUSES)


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
