"""The task graph: for every model in `models/` a transform, and a cvimodel for each of its variants.

./doit                    everything that is stale
./doit list --all         what there is
./doit MODEL[:VARIANT]    one model, or one of its variants and what it needs
"""  # fmt: skip

from collections.abc import Iterator

from cvimake import pipeline
from cvimake.tasks import DOIT_CONFIG, Task, open_project

__all__ = ["DOIT_CONFIG"]

project = open_project(__file__)


def task_toolchain() -> Task:
    """The image that every step runs in."""
    return project.toolchain_task()


def task_models() -> Iterator[Task]:
    """One task for each stage of each model."""
    for model in project.models:
        yield {"basename": model.name, "name": None, "doc": model.model.description}
        yield project.task(pipeline.transform(model))
        for name, variant in model.model.variant.items():
            yield project.task(pipeline.deploy(model, name, variant))
