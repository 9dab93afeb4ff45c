"""Times of the stages of a model, from a recorded build, and the least time of a build of many models."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench import breakdown, project
from bench.breakdown import Ran
from cvimake.core import graph

# The build of the conversion guide's two networks, on this repository's page of figures.
RECORD = project.CHECKOUT / "docs" / "performance-build.json"


@dataclass(frozen=True)
class Recorded:
    """The seconds on one slot of each stage, for each network of a recorded build.

    Models are like these networks in turns. A stage that only one of the networks has takes as long for all.

    Attributes:
        networks: for each network, the seconds of each stage by its name.
    """

    networks: Sequence[Mapping[str, float]]

    @classmethod
    def load(cls) -> Recorded:
        """Return the times of the recorded build.

        Raises:
            OSError: it cannot be read.
            ValueError: it is no breakdown of a build.
        """
        return cls.of(breakdown.load(RECORD).stages)

    @classmethod
    def of(cls, stages: Iterable[Ran]) -> Recorded:
        """Return the times of stages that ran."""
        networks: dict[str, dict[str, float]] = {}
        for ran in stages:
            network, _, stage = ran.stage.partition(":")
            networks.setdefault(network, {})[stage] = ran.core_seconds
        everything = {stage: taken for network in networks.values() for stage, taken in network.items()}
        return cls([{**everything, **network} for _, network in sorted(networks.items())])

    def seconds(self, model: str, stage: str) -> float:
        """Return how long a stage takes on one slot.

        Args:
            model: its name, which ends with its number.
            stage: without the model's name.
        """
        number = int("".join(itertools.takewhile(str.isdigit, reversed(model)))[::-1])
        return self.networks[number % len(self.networks)][stage]


@dataclass(frozen=True)
class Work:
    """The work of a build.

    Attributes:
        total: seconds of all stages.
        critical: seconds of the longest chain of stages that wait for each other.
        stages: the number of stages.
    """

    total: float
    critical: float
    stages: int

    @classmethod
    def of(cls, recorded: Recorded, models: Sequence[str], needs: Mapping[str, Sequence[str]]) -> Work:
        """Return the work of models that have the same stages.

        Args:
            recorded: how long these take.
            models: their names.
            needs: for each stage of a model, those that it needs; without the model's name.
        """
        total, critical = 0.0, 0.0
        order = list(graph.in_order(needs, needs.__getitem__))
        for model in models:
            taken = {stage: recorded.seconds(model, stage) for stage in needs}
            total += sum(taken.values())
            ends = graph.longest(order, needs.__getitem__, taken.__getitem__)
            critical = max([critical, *(seconds for seconds, _ in ends.values())])
        return cls(total, critical, len(needs) * len(models))

    def bound(self, slots: int) -> float:
        """Return the least seconds that the build can take on a number of slots."""
        return max(self.critical, self.total / slots)

    def idle(self, makespan: float, slots: int) -> float:
        """Return the seconds of a slot without a stage, for each stage.

        Args:
            makespan: seconds of the whole build.
            slots: of all workers together.
        """
        return (slots * makespan - self.total) / self.stages
