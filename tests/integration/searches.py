"""The toolchain's own search for a qtable against ours, on the same network, in the same container."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab import PROBES, Lab

from cvimake.core.action import Limits
from cvimake.core.resources import container_program
from cvimake.pipeline.stages import qtable
from cvimake.toolchain import commands

_LIMITS = Limits(seconds=1800.0)


@dataclass(frozen=True, kw_only=True)
class Searched:
    """A network and how it is searched.

    Attributes:
        transform: arguments of model_transform.
        samples: of calibration and search: files, those of several inputs joined by commas.
        searches: arguments of run_qtable, by a name of each search.
        processes: how many are tried.
    """

    transform: Sequence[str]
    samples: Sequence[str]
    searches: Mapping[str, Sequence[str]]
    processes: Sequence[int] = (1, 2, 3)


def compare(lab: Lab, searched: Searched) -> dict[str, Any]:
    """What the toolchain's own tool says of each search; ours has to say the same and write the same tables.

    Args:
        lab: holds the files of the network and the samples.
        searched: what is compared.
    """
    for name in ("run_tool", *qtable.PROGRAMS):
        shutil.copy(container_program(name), lab.root / "in" / f"{name}.py")
    lab.add_input("samples.txt", "".join(f"../{name.replace(',', ',../')}\n" for name in searched.samples))
    lab.add_input("calibration.txt", "".join(f"{name}\n" for name in searched.samples))
    wanted = {
        "transform": list(searched.transform),
        "calibration": ["--data_list=calibration.txt", "--tune_num=1"],
        "searches": {
            name: ["--data_list=../samples.txt", *arguments] for name, arguments in searched.searches.items()
        },
        "processes": list(searched.processes),
    }
    action = lab.action(PROBES / "compare_searches.py", "out.json", json.dumps(wanted), limits=_LIMITS)
    found = lab.run(dataclasses.replace(action, environment=commands.simulator_environment()))
    return {name: _same(name, ways) for name, ways in found.items()}


def _same(name: str, ways: dict[str, dict[str, Any]]) -> Any:  # noqa: ANN401 - a JSON value
    original = ways.pop("original")
    assert original["summary"], original["log"]
    # The tool itself does not tell the mixtures that it has tried. All numbers of processes tell the same.
    mixtures = [(ours["summary"] or {}).get("search", {}).pop("mixtures", None) for ours in ways.values()]
    assert all(one == mixtures[0] for one in mixtures), f"{name}: {mixtures}"
    for processes, ours in ways.items():
        assert "run_qtable itself runs" not in ours["log"]
        for what in ("code", "summary", "tables"):
            assert ours[what] == original[what], f"{name}, {processes} processes: {what}\n{ours['log']}"
    search = original["summary"]["search"]
    assert len(original["tables"]) == 2 or search["ending"] == "exception"
    return search
