"""Compares two releases, cvimodel by cvimodel, for a person who has to decide whether to ship the new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cvimake.builder import differences
from cvimake.camera.device_time import Estimate
from cvimake.core import listing, units
from cvimake.core.errors import CvimakeError
from cvimake.pipeline.cvimodel_info import Info
from cvimake.release import opened, seen
from cvimake.release.opened import Opened
from cvimake.release.provenance import COMMIT, IMAGES, Provenance
from cvimake.release.refusal import ACCURACY
from cvimake.release.seen import Seen
from cvimake.release.verify import read_provenance

# The subject of changes that concern all cvimodels.
EVERYTHING = ""
# If more files of one folder have changed, they are counted and not named.
_MOST_OF_A_FOLDER = 5
# At most this many layers are named.
_MOST_LAYERS = 12


@dataclass(frozen=True)
class Change:
    """One difference between two releases.

    Attributes:
        subject: the cvimodel, `MODEL/FILE`; EVERYTHING for all of them.
        old: its old value as text, one line for each of several values; empty if there was none.
        new: its new value.
    """

    subject: str
    what: str
    old: str
    new: str


@dataclass(frozen=True)
class Contents:
    """The contents of a release that are compared.

    Attributes:
        infos: the info of each cvimodel, by its name.
        seen: what was measured of the networks.
        float_layers: for each cvimodel, the layers that its qtable keeps float; None if it has no qtable.
    """

    provenance: Provenance
    infos: Mapping[str, Info]
    seen: Seen
    float_layers: Mapping[str, Sequence[str] | None]


def read(release: Opened) -> Contents:
    """Read the contents of a release that are compared.

    Raises:
        CvimakeError: its provenance, an info or an accuracy cannot be read.
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
    return Contents(found, infos, seen.read(release), layers)


def changes(old: Contents, new: Contents) -> list[Change]:
    """Return all differences between two releases."""
    found = list(_shared(old.provenance, new.provenance))
    for model, *sight in seen.of_float(old.seen, new.seen):
        found.append(Change(EVERYTHING, f"accuracy of {model} in float", *sight))
    for name in sorted({*old.infos, *new.infos}):
        if name not in new.infos:
            found.append(Change(name, "cvimodel", "there", "gone"))
        elif name not in old.infos:
            found.append(Change(name, "cvimodel", "", "new"))
        else:
            found += _of_one(name, old, new)
    return found


def _of_one(name: str, old: Contents, new: Contents) -> Iterator[Change]:
    """Yield the differences of a cvimodel; the sha256 comes even if nothing else differs."""
    before, after = (
        _facts(of.infos[name]) | {what: _Fact(text) for what, text in seen.of_cvimodel(name, of.seen).items()}
        for of in (old, new)
    )
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
    """A property of a cvimodel.

    Attributes:
        amount: its value as a number, to tell how much it has grown; None if that says nothing.
    """

    text: str
    amount: float | None = None


def _facts(info: Info) -> dict[str, _Fact]:
    """Return the properties of a cvimodel, by their names."""
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
    """Return the estimated time. Its amount is that at the slowest clock."""
    if estimate is None or estimate.milliseconds is None:
        return _Fact("no estimate")
    return _Fact(f"{estimate} ({estimate.milliseconds:.3f})", estimate.milliseconds)


def _similarity(value: float | None) -> _Fact:
    return _Fact("-" if value is None else f"{value:.6f}")


def _growth(old: float | None, new: float | None) -> str:
    """Return how much a property has grown, as text to add to its value."""
    return f", {(new - old) / old:+.1%}" if old and new is not None else ""


def _tensors(tensors: Any) -> _Fact:  # noqa: ANN401 - a tuple of cvimodel.Tensor
    return _Fact("\n".join(f"{tensor.name} {list(tensor.shape)} {tensor.type}" for tensor in tensors))


def _layers(name: str, old: Sequence[str] | None, new: Sequence[str] | None) -> Iterator[Change]:
    """Yield the layers that are float now, and those that are no longer float."""
    if (old is None) != (new is None) or len(old or ()) != len(new or ()):
        counts = ("no qtable" if layers is None else str(len(layers)) for layers in (old, new))
        yield Change(name, "float layers", *counts)
    before, after = old or (), new or ()
    if came := [layer for layer in after if layer not in before]:
        yield Change(name, "now float", "", "\n".join(listing.lines(came, _MOST_LAYERS)))
    if went := [layer for layer in before if layer not in after]:
        yield Change(name, "no longer float", "\n".join(listing.lines(went, _MOST_LAYERS)), "")


def _float_layers(release: Opened, name: str, found: Provenance) -> tuple[str, ...] | None:
    """Return the layers that a cvimodel's qtable lists; None if it has no qtable."""
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
    """Return the definition of the action that made a cvimodel; empty if there is none."""
    model, _, file = name.partition("/")
    for action in found.actions.get(model, {}).values():
        if file in action["outputs"]:
            definition: dict[str, Any] = action["definition"]
            return definition
    return {}


def _options(subject: str, prefix: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    """Yield the changed options of one stage."""
    for change in differences.definition_changes([old], [new]):
        yield Change(
            subject, prefix + change.name.removeprefix("option "), change.old or "", change.new or ""
        )


def _shared(old: Provenance, new: Provenance) -> Iterator[Change]:
    """Yield the differences that concern all cvimodels: version, commit, toolchain, sources."""
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
    told = set()
    for stage in sorted(stages[0].keys() & stages[1].keys()):
        # The stages that measure the networks of a model mostly have the same options.
        model = stage.partition(":")[0]
        prefix = f"{model} accuracy " if stage.endswith(ACCURACY) else f"{stage} "
        for change in _options(EVERYTHING, prefix, stages[0][stage], stages[1][stage]):
            if change not in told:
                told.add(change)
                yield change
    yield from _sources(old.sources, new.sources)


def _images(old: Provenance, new: Provenance) -> Iterator[Change]:
    """Yield the differences of the images that stages ran in, each once."""
    told = set()
    for name in (name for name in IMAGES if name in old.images or name in new.images):
        if name not in old.images or name not in new.images:
            yield Change(
                EVERYTHING, f"{name} image", *(_fingerprint(found.sources.get(name)) for found in (old, new))
            )
            continue
        for reason in differences.identity_changes(old.images[name], new.images[name]):
            if reason not in told:
                told.add(reason)
                yield Change(EVERYTHING, f"{name}: {reason.part}", reason.old or "", reason.new or "")


def _fingerprint(sha256: str | None) -> str:
    return f"fingerprint {sha256[:12]}" if sha256 else ""


def _sources(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    """Yield the changed sources. Many files of one folder, such as a dataset's, become one line."""
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
            kind = COMMIT if source == COMMIT else "sha256"
            values = (f"{kind} {found[source][:12]}" if source in found else "" for found in (old, new))
            yield Change(EVERYTHING, what, *values)
