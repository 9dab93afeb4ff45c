"""The provenance of a release: an in-toto Statement v1 with SLSA v1 provenance.

Source: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md and
https://slsa.dev/spec/v1.0/provenance. It has everything that decides the bytes, but no time, place or user.
"""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvimake import __version__
from cvimake.core import digest, resources
from cvimake.core.action import Action
from cvimake.core.key import action_key
from cvimake.core.paths import EXPORT, FRAMEWORKS, TOOLCHAIN
from cvimake.pipeline.stage import Stage
from cvimake.release import statement as shape

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:cvimake:release:v1"
BUILDER = "urn:cvimake:doit"
# The name of the one dependency that is not a file or an image.
COMMIT = "commit"
# Names of files that cvimake itself reads, in whatever folder they are.
_DECLARATIONS = frozenset({"dataset.toml", "dodo.py", "model.toml", "pyproject.toml"})
# The folders of cvimake with container programs. Their names are the same wherever cvimake is installed.
OWN_PROGRAMS = ("cvimake/camera/", "cvimake/toolchain/container/")
# The second image is made from the first.
IMAGES = (TOOLCHAIN.stem, FRAMEWORKS.stem, EXPORT.stem)

Sha256 = Callable[[Path], str]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The sources and conditions that a release is made from.

    Attributes:
        commit: the git commit; empty if there is none.
        epoch: the time that all files get, in seconds since 1970.
        allowed: options that let something pass which would have stopped the release.
        not_held: reasons why another machine may make other bytes.
        identities: the contents of each image that stages ran in, by the image's name; see
            `toolchain/container/toolchain_identity.py`.
        declared: the declaration of each model, as JSON values.
        declarations: the paths of the declarations' files, relative to the project.
        labels: the paths of the files with the labels of measured images.
    """

    name: str
    version: str
    models: Sequence[str]
    commit: str
    dirty: bool
    epoch: int
    allowed: Sequence[str]
    not_held: Sequence[str]
    identities: Mapping[str, Mapping[str, Any]]
    declared: Mapping[str, Any]
    declarations: Sequence[Path]
    labels: Sequence[Path] = ()

    @property
    def fingerprints(self) -> dict[str, str]:
        """Return the fingerprint of each image, by its name."""
        return {name: digest.of_value(identity) for name, identity in sorted(self.identities.items())}


def statement(
    origin: Origin, stages: Sequence[Stage], sha256: Sha256, files: Mapping[str, str]
) -> dict[str, Any]:
    """Return the statement, as a JSON value.

    Args:
        origin: the sources and conditions of the release.
        stages: all stages that it needs.
        sha256: returns the sha256 of a file that they read or wrote.
        files: the sha256 of each file of the release, by name, except the sums and the provenance.
    """
    fingerprints = origin.fingerprints
    read = *origin.declarations, *origin.labels
    dependencies: list[dict[str, Any]] = [
        {"name": name, "digest": {"sha256": fingerprint}} for name, fingerprint in fingerprints.items()
    ]
    if origin.commit:
        dependencies.append({"name": COMMIT, "digest": {"gitCommit": origin.commit}})
    dependencies += [
        {"name": name, "digest": {"sha256": sha256(path)}}
        for name, path in sorted(sources([stage.action for stage in stages], read).items())
    ]
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": files[name]}} for name in sorted(files)],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "name": origin.name,
                    "version": origin.version,
                    "models": list(origin.models),
                    "sourceDateEpoch": origin.epoch,
                    "allowed": list(origin.allowed),
                },
                "internalParameters": {
                    "dirty": origin.dirty,
                    "notHeld": list(origin.not_held),
                    "images": {name: dict(identity) for name, identity in origin.identities.items()},
                    "declared": dict(origin.declared),
                    "labels": sorted(map(_portable, origin.labels)),
                    "actions": [_action(stage, fingerprints, sha256) for stage in stages],
                },
                "resolvedDependencies": dependencies,
            },
            "runDetails": {"builder": {"id": BUILDER, "version": {"cvimake": __version__}}},
        },
    }


def _action(stage: Stage, fingerprints: Mapping[str, str], sha256: Sha256) -> dict[str, Any]:
    action, image = stage.action, stage.toolchain.stem
    return {
        "name": action.name,
        "image": image,
        "key": action_key(action, fingerprints[image], sha256),
        "definition": action.definition(),
        "inputs": {file.name: sha256(file.path) for file in action.inputs},
        "folders": {
            folder.target: {name: sha256(path) for name, path in folder.files.items()}
            for folder in action.folders
        },
        "outputs": {file.name: sha256(file.path) for file in action.outputs},
    }


def sources(actions: Iterable[Action], declarations: Iterable[Path]) -> dict[str, Path]:
    """Return the files that no action makes, by names that are the same in every project folder."""
    actions = list(actions)
    made = {file.path for action in actions for file in action.outputs}
    paths = {path for action in actions for path in action.paths()} - made
    return {_portable(path): path for path in (*paths, *declarations)}


def _portable(path: Path) -> str:
    """Return a name for a path that is the same in every project folder."""
    package = resources.container_program("").parents[2]
    if path.is_relative_to(package):
        name = f"cvimake/{path.relative_to(package).as_posix()}"
        if name.startswith(OWN_PROGRAMS):
            return name
    return Path(os.path.relpath(path) if path.is_absolute() else os.path.normpath(path)).as_posix()


# Reading


@dataclass(frozen=True)
class Provenance:
    """A statement that was read. It has the shape that `statement` returns."""

    value: dict[str, Any]

    @property
    def definition(self) -> dict[str, Any]:
        """Return SLSA's buildDefinition."""
        found: dict[str, Any] = self.value["predicate"]["buildDefinition"]
        return found

    @property
    def external(self) -> dict[str, Any]:
        """Return what the user asked for."""
        found: dict[str, Any] = self.definition["externalParameters"]
        return found

    @property
    def internal(self) -> dict[str, Any]:
        """Return everything else that decides the bytes."""
        found: dict[str, Any] = self.definition["internalParameters"]
        return found

    @functools.cached_property
    def subjects(self) -> dict[str, str]:
        """Return the sha256 of each file of the release, by its name."""
        return {subject["name"]: subject["digest"]["sha256"] for subject in self.value["subject"]}

    @functools.cached_property
    def sources(self) -> dict[str, str]:
        """Return the digest of each source by its name, including the commit and the images."""
        return {
            item["name"]: next(iter(item["digest"].values()))
            for item in self.definition["resolvedDependencies"]
        }

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """Return the name of each source by its digest."""
        return {sha256: name for name, sha256 in self.sources.items()}

    @functools.cached_property
    def actions(self) -> dict[str, dict[str, Any]]:
        """Return the actions of each model by their names, by the model's name."""
        found: dict[str, dict[str, Any]] = {}
        for action in self.internal["actions"]:
            found.setdefault(action["name"].partition(":")[0], {})[action["name"]] = action
        return found

    @property
    def images(self) -> dict[str, dict[str, Any]]:
        """Return the contents of each image that stages ran in, by the image's name."""
        found: dict[str, dict[str, Any]] = self.internal["images"]
        return found

    @property
    def cvimake(self) -> str:
        """Return the version of the cvimake that made the release."""
        return str(self.value["predicate"]["runDetails"]["builder"]["version"]["cvimake"])


def read(text: bytes) -> Provenance:
    """Read a statement.

    Raises:
        ValueError: it is not JSON, or not a statement of cvimake.
    """
    shape.check(text)
    found = Provenance(json.loads(text))
    if found.definition["buildType"] != BUILD_TYPE:
        raise ValueError(f"its buildType is not {BUILD_TYPE}")
    for listed in (found.value["subject"], found.definition["resolvedDependencies"]):
        name, count = Counter(item["name"] for item in listed).most_common(1)[0] if listed else ("", 0)
        if count > 1:
            raise ValueError(f"it names {name!r} {count} times")
    return found


def inconsistencies(found: Provenance) -> Iterator[str]:
    """Yield the contradictions in a statement: wrong keys, results that no action made."""
    fingerprints = {name: digest.of_value(identity) for name, identity in found.images.items()}
    for name in sorted({*fingerprints, *(found.sources.keys() & {*IMAGES})}):
        if found.sources.get(name) != fingerprints.get(name):
            yield f"the digest of the {name} image does not follow from its listed contents"
    made: dict[str, str] = {}
    for action in found.internal["actions"]:
        parts = {part: action[part] for part in ("definition", "inputs", "folders")}
        key = digest.of_value({**parts, "toolchain": fingerprints.get(action["image"])})
        if key != action["key"]:
            yield f"{action['name']}: its key does not follow from its definition, image and inputs"
        model = action["name"].partition(":")[0]
        for name, sha256 in action["inputs"].items():
            if made.get(f"{model}/{name}", sha256) != sha256:
                yield f"{action['name']}: it read another {name} than the one that was made"
        made |= {f"{model}/{name}": sha256 for name, sha256 in action["outputs"].items()}
    for name, sha256 in found.subjects.items():
        if name.endswith((".cvimodel", "_accuracy.json")) and made.get(name) != sha256:
            yield f"{name}: none of the actions made it"
    yield from _unread(found)


def _unread(found: Provenance) -> Iterator[str]:
    """Yield the sources that no action read, and the inputs that are neither a source nor made."""
    actions = found.internal["actions"]
    made = {sha256 for action in actions for sha256 in action["outputs"].values()}
    read = {sha256 for action in actions for sha256 in action["inputs"].values()}
    read |= {
        sha256 for action in actions for folder in action["folders"].values() for sha256 in folder.values()
    }
    sources = {name: sha256 for name, sha256 in found.sources.items() if name not in {COMMIT, *IMAGES}}
    for name, sha256 in sources.items():
        if sha256 not in read and not _is_declaration(name, found):
            yield f"resolvedDependencies: no action has read {name} with this digest"
    for action in actions:
        for name, sha256 in action["inputs"].items():
            if sha256 not in made and sha256 not in sources.values():
                yield f"{action['name']}: its input {name} is no source, and no action made it"


def _is_declaration(name: str, found: Provenance) -> bool:
    """Tell whether cvimake itself reads a source, and no action does. Only `--rebuild` can confirm those."""
    classes = {str(declared.get("classes")) for declared in found.internal["declared"].values()}
    if name in found.internal.get("labels", ()):
        return True
    return Path(name).name in _DECLARATIONS or any(name.endswith(f"/{file}") for file in classes)
