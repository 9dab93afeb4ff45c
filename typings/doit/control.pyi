from collections.abc import Generator, Iterable, Sequence
from typing import Any

from doit.task import Task

class ExecNode:
    task: Task
    run_status: str | None
    bad_deps: list[ExecNode]

class TaskDispatcher:
    tasks: dict[str, Task]
    targets: dict[str, str]
    selected_tasks: list[str]
    # Yields an ExecNode, or "hold on" where it has to be told first how one has ended.
    generator: Generator[Any, ExecNode | None]

class TaskControl:
    tasks: dict[str, Task]
    # The names of the tasks that make them.
    targets: dict[str, str]
    selected_tasks: list[str]
    def __init__(self, task_list: Iterable[Task]) -> None: ...
    def process(self, task_selection: Sequence[str] | None) -> None: ...
    def task_dispatcher(self) -> TaskDispatcher: ...
