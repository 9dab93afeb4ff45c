"""Reads an Ultralytics `data.yaml`: the names of the classes, and the shape of the keypoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from cvimake.project.labels.findings import Findings, shown

_MOST_CLASSES = 100_000
_KEYPOINT_SIZES = {2, 3}


@dataclass(frozen=True, kw_only=True)
class DataYaml:
    """The parts of a `data.yaml` that labels need.

    Attributes:
        names: of the classes, by index.
        keypoints: the number of keypoints of an object; 0 if there are none.
        keypoint_size: the numbers of a keypoint: x and y, or x, y and visibility.
        keypoint_place: file and line of the keypoints' shape.
        root: the folder that its other paths are relative to; empty for its own.
        validation: the folder of the validation images; empty if there is none, or several.
    """

    names: tuple[str, ...]
    keypoints: int = 0
    keypoint_size: int = 0
    keypoint_place: str = ""
    root: str = ""
    validation: str = ""


class _Loader(yaml.BaseLoader):
    """Reads only lists, tables and texts. It makes no Python objects, whatever a tag asks for."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases: a few lines of them can stand for billions of values."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*) are not read", event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def read(path: Path, text: str, findings: Findings) -> DataYaml:
    """Return the values of a `data.yaml`; its mistakes go to `findings`.

    The paths in it (`path`, `val`) are not followed: the images are those of `dataset.toml`.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        findings.mistake(f"{path}:{mark.line + 1}" if mark else path, f"not YAML: {error.problem}")
        return DataYaml(names=())
    except (yaml.YAMLError, ValueError) as error:
        findings.mistake(path, f"not YAML: {str(error).splitlines()[0]}")
        return DataYaml(names=())
    except RecursionError:
        findings.mistake(path, "nested too deeply")
        return DataYaml(names=())
    return _Reader(path, findings).values(root)


class _Reader:
    def __init__(self, path: Path, findings: Findings) -> None:
        self._path, self._findings = path, findings

    def values(self, root: yaml.Node | None) -> DataYaml:
        if not isinstance(root, yaml.MappingNode):
            self._findings.mistake(self._path, "a data.yaml is a table: names: [cat, dog]")
            return DataYaml(names=())
        keys = {key.value: value for key, value in root.value if isinstance(key, yaml.ScalarNode)}
        if "names" not in keys:
            self._findings.mistake(self._path, "has no names: the names of the classes")
            return DataYaml(names=())
        names = self._names(keys["names"])
        if "nc" in keys and _whole(keys["nc"]) != len(names):
            self._mistake(keys["nc"], f"nc is {shown(keys['nc'].value)}, but names has {len(names)} classes")
        folder, validation = _text(keys.get("path")), _text(keys.get("val"))
        if "kpt_shape" not in keys:
            return DataYaml(names=names, root=folder, validation=validation)
        count, size = self._keypoints(keys["kpt_shape"])
        return DataYaml(
            names=names,
            keypoints=count,
            keypoint_size=size,
            keypoint_place=self._place(keys["kpt_shape"]),
            root=folder,
            validation=validation,
        )

    def _place(self, node: yaml.Node) -> str:
        return f"{self._path}:{node.start_mark.line + 1}"

    def _mistake(self, node: yaml.Node, what: str) -> None:
        self._findings.mistake(self._place(node), what)

    def _names(self, node: yaml.Node) -> tuple[str, ...]:
        """Return the names of a list, or of a table from indices to names."""
        found: dict[int, str] = {}
        seen: set[str] = set()
        for number, name in self._numbered(node):
            if not isinstance(name, yaml.ScalarNode) or not name.value:
                self._mistake(name, "a class's name is a text")
            elif not 0 <= number < _MOST_CLASSES:
                self._mistake(name, "a class's index is a whole number from 0")
            elif number in found or name.value in seen:
                self._mistake(name, f"the class {number}: {shown(name.value)} is there twice")
            else:
                found[number] = name.value
                seen.add(name.value)
        if sorted(found) != list(range(len(found))):
            self._mistake(node, "the indices of names are not 0, 1, 2, ...")
            return ()
        return tuple(found[number] for number in range(len(found)))

    def _numbered(self, node: yaml.Node) -> Iterator[tuple[int, yaml.Node]]:
        if isinstance(node, yaml.SequenceNode):
            yield from enumerate(node.value)
        elif isinstance(node, yaml.MappingNode):
            yield from ((_whole(key), value) for key, value in node.value)
        else:
            self._mistake(node, "names is a list of names, or a table: 0: cat")

    def _keypoints(self, node: yaml.Node) -> tuple[int, int]:
        values = [_whole(item) for item in node.value] if isinstance(node, yaml.SequenceNode) else []
        if len(values) != 2 or values[0] < 1 or values[1] not in _KEYPOINT_SIZES:  # noqa: PLR2004 - a pair
            self._mistake(node, "kpt_shape is [number of keypoints, 2 or 3]")
            return 0, 0
        return values[0], values[1]


def _whole(node: yaml.Node) -> int:
    """Return a node's whole number, or -1 if it is none."""
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1  # noqa: PLR2004 - far more than any such number


def _text(node: yaml.Node | None) -> str:
    """Return a node's text; empty if it is none, or holds what no path can."""
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    return str(text) if text.isprintable() else ""
