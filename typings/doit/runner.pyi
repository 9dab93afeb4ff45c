from doit.control import ExecNode, TaskDispatcher
from doit.dependency import Dependency
from doit.exceptions import BaseFail
from doit.reporter import ConsoleReporter
from doit.task import Stream, Task

class Runner:
    dep_manager: Dependency
    reporter: ConsoleReporter
    continue_: bool
    always_execute: bool
    stream: Stream
    teardown_list: list[Task]
    final_result: int
    _stop_running: bool
    def __init__(
        self,
        dep_manager: Dependency,
        reporter: ConsoleReporter,
        continue_: bool = False,
        always_execute: bool = False,
        stream: Stream | None = None,
    ) -> None: ...
    def _handle_task_error(self, node: ExecNode, base_fail: BaseFail) -> None: ...
    def select_task(self, node: ExecNode, tasks_dict: dict[str, Task]) -> bool: ...
    def process_task_result(self, node: ExecNode, base_fail: BaseFail | None) -> None: ...
    def run_tasks(self, task_dispatcher: TaskDispatcher) -> None: ...
    def run_all(self, task_dispatcher: TaskDispatcher) -> int: ...
