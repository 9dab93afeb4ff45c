"""What a person wants to read before shipping: where two releases differ, cvimodel by cvimodel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cvimake.builder import differences
from cvimake.camera.device_time import Estimate
from cvimake.core import units
from cvimake.core.errors import CvimakeError
from cvimake.pipeline.cvimodel_info import Info
from cvimake.release import opened
from cvimake.release.opened import Opened
from cvimake.release.provenance import COMMIT, IMAGES, Provenance
from cvimake.release.verify import read_provenance

# Of every cvimodel, whatever it is called on.
EVERYTHING = ""
# More changed files than that of one folder are counted, and not named.
_MOST_OF_A_FOLDER = 5
# More layers than that are not named.
_MOST_LAYERS = 12


@dataclass(frozen=True)
class Change:
    """One thing that is not what it was.

    Attributes:
        subject: the cvimodel, `MODEL/FILE`; EVERYTHING for what they share.
        what: has changed.
        old: as it was, for people; empty where it was not, of several things one a line.
        new: as it is.
    """

    subject: str
    what: str
    old: str
    new: str


@dataclass(frozen=True)
class Contents:
    """What a release tells of itself.

    Attributes:
        infos: what is in each cvimodel, by its name.
        float_layers: which layers of each stay float by its qtable; None where it was made without one.
    """

    provenance: Provenance
    infos: Mapping[str, Info]
    float_layers: Mapping[str, Sequence[str] | None]


def read(release: Opened) -> Contents:
    """Reads what a release tells of itself.

    Raises:
        CvimakeError: it is not one.
    """
    infos, layers = {}, {}
    found = read_provenance(release)
    for name in sorted(release.sizes):
        if not name.endswith(".cvimodel"):
            continue
        info_name = f"{name.removesuffix('.cvimodel')}_info.json"
        try:
            infos[name] = Info.model_validate_json(opened.read(release, info_name))
        except ValidationError as error:
            raise CvimakeError(
                f"{info_name}: not an info of a cvimodel: {error.errors()[0]['msg']}"
            ) from error
        layers[name] = _float_layers(release, name, found)
    return Contents(found, infos, layers)


def changes(old: Contents, new: Contents) -> list[Change]:
    """All that is not what it was."""
    found = list(_shared(old.provenance, new.provenance))
    for name in sorted({*old.infos, *new.infos}):
        if name not in new.infos:
            found.append(Change(name, "cvimodel", "there", "gone"))
        elif name not in old.infos:
            found.append(Change(name, "cvimodel", "", "new"))
        else:
            found += _of_one(name, old, new)
    return found


def _of_one(name: str, old: Contents, new: Contents) -> Iterator[Change]:
    """What has changed of a cvimodel; one whose bytes differ in no such thing is told all the same."""
    before, after = _facts(old.infos[name]), _facts(new.infos[name])
    for what, fact in before.items():
        if fact.text != after[what].text:
            yield Change(name, what, fact.text, after[what].text + _growth(fact.amount, after[what].amount))
    yield from _layers(name, old.float_layers[name], new.float_layers[name])
    sums = old.provenance.subjects.get(name, ""), new.provenance.subjects.get(name, "")
    if sums[0] != sums[1]:
        yield Change(name, "sha256", sums[0][:12], sums[1][:12])
    yield from _options(name, "", _deployment(name, old.provenance), _deployment(name, new.provenance))


@dataclass(frozen=True)
class _Fact:
    """What a person asks of a cvimodel.

    Attributes:
        text: as it is shown.
        amount: what can have grown; None where that says nothing.
    """

    text: str
    amount: float | None = None


def _facts(info: Info) -> dict[str, _Fact]:
    """All that a person asks of a cvimodel."""
    first = info.similarity[0] if info.similarity else None
    return {
        "size": _Fact(f"{units.size(info.size)} ({info.size})", info.size),
        "ION memory": _Fact(f"{info.ion_memory:.2f} MB", info.ion_memory),
        "TPU time": _time(info.time),
        "similarity": _similarity(first.cosine) if first else _Fact("not validated"),
        "euclidean similarity": _similarity(first.euclidean) if first else _Fact("not validated"),
        "recognised as": _Fact(info.recognised_as or "nothing"),
        "on the camera": _Fact(info.recognition.in_words),
        "inputs": _tensors(info.inputs),
        "outputs": _tensors(info.outputs),
        "compiler": _Fact(info.compiler),
    }


def _time(estimate: Estimate | None) -> _Fact:
    """The estimated time; it is compared at the slowest clock."""
    if estimate is None or estimate.milliseconds is None:
        return _Fact("no estimate")
    return _Fact(f"{estimate} ({estimate.milliseconds:.3f})", estimate.milliseconds)


def _similarity(value: float | None) -> _Fact:
    return _Fact("-" if value is None else f"{value:.6f}")


def _growth(old: float | None, new: float | None) -> str:
    """By how much something has grown, in words to be put behind it."""
    return f", {(new - old) / old:+.1%}" if old and new is not None else ""


def _tensors(tensors: Any) -> _Fact:  # noqa: ANN401 - a tuple of cvimodel.Tensor
    return _Fact("\n".join(f"{tensor.name} {list(tensor.shape)} {tensor.type}" for tensor in tensors))


def _layers(name: str, old: Sequence[str] | None, new: Sequence[str] | None) -> Iterator[Change]:
    """Which layers a qtable no longer quantises, and which it does now."""
    if (old is None) != (new is None) or len(old or ()) != len(new or ()):
        counts = ("by no qtable" if layers is None else str(len(layers)) for layers in (old, new))
        yield Change(name, "float layers", *counts)
    before, after = old or (), new or ()
    if came := [layer for layer in after if layer not in before]:
        yield Change(name, "now float", "", _named(came))
    if went := [layer for layer in before if layer not in after]:
        yield Change(name, "no longer float", _named(went), "")


def _named(layers: Sequence[str]) -> str:
    more = [f"and {len(layers) - _MOST_LAYERS} more"] if len(layers) > _MOST_LAYERS else []
    return "\n".join([*layers[:_MOST_LAYERS], *more])


def _float_layers(release: Opened, name: str, found: Provenance) -> tuple[str, ...] | None:
    """The layers that the qtable of a cvimodel lists; None where it was made without one."""
    table = _option(_deployment(name, found).get("argv", []), "quantize_table")
    if not table:
        return None
    model, _, file = name.partition("/")
    own = f"{model}/{file.removesuffix('.cvimodel')}_{table}"
    place = own if own in release.sizes else f"{model}/{table}"
    lines = opened.read(release, place).decode(errors="replace").splitlines()
    return tuple(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


def _option(argv: list[str], option: str) -> str:
    prefix = f"--{option}="
    return next((part[len(prefix) :] for part in argv if part.startswith(prefix)), "")


def _deployment(name: str, found: Provenance) -> dict[str, Any]:
    """The definition of the action that made a cvimodel; an empty one where none did."""
    model, _, file = name.partition("/")
    for action in found.internal["actions"]:
        if action["name"].startswith(f"{model}:") and file in action["outputs"]:
            definition: dict[str, Any] = action["definition"]
            return definition
    return {}


def _options(subject: str, prefix: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    """The options of one stage that are not what they were."""
    for change in differences.definition_changes([old], [new]):
        yield Change(
            subject, prefix + change.name.removeprefix("option "), change.old or "", change.new or ""
        )


def _shared(old: Provenance, new: Provenance) -> Iterator[Change]:
    """What is not of one cvimodel: version, commit, toolchain, sources."""
    for field in ("name", "version", "sourceDateEpoch"):
        if old.external[field] != new.external[field]:
            yield Change(EVERYTHING, field, str(old.external[field]), str(new.external[field]))
    if old.cvimake != new.cvimake:
        yield Change(EVERYTHING, "cvimake", old.cvimake, new.cvimake)
    yield from _images(old, new)
    stages = [
        {
            action["name"]: action["definition"]
            for action in found.internal["actions"]
            if not any(output.endswith(".cvimodel") for output in action["outputs"])
        }
        for found in (old, new)
    ]
    for stage in sorted(stages[0].keys() & stages[1].keys()):
        yield from _options(EVERYTHING, f"{stage} ", stages[0][stage], stages[1][stage])
    yield from _sources(old.sources, new.sources)


def _images(old: Provenance, new: Provenance) -> Iterator[Change]:
    """What is another in the images that steps ran in; what several have in common once."""
    told = set()
    for name in (name for name in IMAGES if name in old.images or name in new.images):
        if name not in old.images or name not in new.images:
            yield Change(
                EVERYTHING, f"{name} image", *(found.sources.get(name, "")[:12] for found in (old, new))
            )
            continue
        for reason in differences.identity_changes(old.images[name], new.images[name]):
            if reason not in told:
                told.add(reason)
                yield Change(EVERYTHING, f"{name}: {reason.part}", reason.old or "", reason.new or "")


def _sources(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    """The files that are not what they were; many of one folder on one line, as those of a dataset."""
    folders: dict[str, list[str]] = {}
    for source in sorted({*old, *new} - {*IMAGES}):
        if old.get(source) != new.get(source):
            folders.setdefault(source.rpartition("/")[0], []).append(source)
    for folder, changed in folders.items():
        if len(changed) > _MOST_OF_A_FOLDER:
            gone = sum(source not in new for source in changed)
            added = sum(source not in old for source in changed)
            others = len(changed) - gone - added
            yield Change(
                EVERYTHING, f"files in {folder}", f"{gone} gone", f"{added} new, {others} of other contents"
            )
            continue
        for source in changed:
            what = source if source == COMMIT else f"source {source}"
            yield Change(EVERYTHING, what, old.get(source, "")[:12], new.get(source, "")[:12])
