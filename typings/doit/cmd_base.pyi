from collections.abc import Mapping
from types import ModuleType
from typing import Any, ClassVar, TextIO

from doit.cmdparse import CmdParse
from doit.dependency import Dependency
from doit.task import Task

class Command:
    name: Any
    bin_name: str
    config: dict[str, Any]
    doc_purpose: ClassVar[str]
    doc_usage: ClassVar[str]
    doc_description: ClassVar[str | None]
    @classmethod
    def get_name(cls) -> str: ...
    cmd_options: ClassVar[tuple[dict[str, Any], ...]]
    def __init__(
        self,
        config: dict[str, Any] | None = None,
        bin_name: str = "doit",
        opt_vals: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None: ...
    @property
    def cmdparser(self) -> CmdParse: ...
    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int | None: ...
    def parse_execute(self, in_args: list[str]) -> int | None: ...
    def help(self) -> str: ...

class TaskLoader2:
    cmd_options: ClassVar[tuple[dict[str, Any], ...]]
    def setup(self, opt_values: Mapping[str, Any]) -> None: ...

class NamespaceTaskLoader(TaskLoader2):
    namespace: Mapping[str, Any] | None
    def load_doit_config(self) -> dict[str, Any]: ...
    def load_tasks(self, cmd: DoitCmdBase, pos_args: list[str]) -> list[Task]: ...

class DodoTaskLoader(NamespaceTaskLoader): ...

class ModuleTaskLoader(NamespaceTaskLoader):
    def __init__(self, mod_dict: Mapping[str, Any] | ModuleType) -> None: ...

class DoitCmdBase(Command):
    sel_tasks: list[str] | None
    sel_default_tasks: bool
    dep_manager: Dependency
    outstream: TextIO
    loader: NamespaceTaskLoader
    task_list: list[Task]
    def __init__(
        self, task_loader: NamespaceTaskLoader, cmds: dict[str, Any] | None = None, **kwargs: Any
    ) -> None: ...
    def get_backends(self) -> dict[str, type]: ...
