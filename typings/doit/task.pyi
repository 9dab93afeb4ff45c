from collections.abc import Callable, Iterable
from typing import Any

from doit.exceptions import BaseFail

class Stream:
    verbosity: int
    def __init__(self, verbosity: int | None, force_global: bool = False) -> None: ...

class Task:
    name: str
    doc: str
    actions: list[Any]
    file_dep: set[str]
    task_dep: list[str]
    targets: list[str]
    # The check itself, its arguments, and its named arguments.
    uptodate: list[tuple[Any, Any, Any]]
    subtask_of: str | None
    has_subtask: bool
    meta: dict[str, Any] | None
    values: dict[str, Any]
    result: Any
    executed: bool
    verbosity: int
    def __init__(
        self,
        name: str,
        actions: Iterable[Any] | None,
        file_dep: Iterable[str] = (),
        targets: Iterable[str] = (),
        task_dep: Iterable[str] = (),
        uptodate: Iterable[Any] = (),
        calc_dep: Iterable[str] = (),
        setup: Iterable[str] = (),
        clean: bool | Iterable[Callable[..., object]] = (),
        teardown: Iterable[Any] = (),
        subtask_of: str | None = None,
        has_subtask: bool = False,
        doc: str | None = None,
        *,
        verbosity: int | None = None,
        io: dict[str, Any] | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None: ...
    def execute(self, stream: Stream) -> BaseFail | None: ...
    def save_extra_values(self) -> None: ...
    def title(self) -> str: ...
