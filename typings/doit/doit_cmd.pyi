from collections.abc import Sequence
from typing import Any, ClassVar

from doit.cmd_base import Command, NamespaceTaskLoader
from doit.plugin import PluginDict

class DoitMain:
    BIN_NAME: str
    DOIT_CMDS: ClassVar[tuple[type[Command], ...]]
    config: dict[str, dict[str, Any]]
    def __init__(
        self,
        task_loader: NamespaceTaskLoader | None = None,
        config_filenames: Sequence[str] = ...,
        extra_config: dict[str, dict[str, Any]] | None = None,
    ) -> None: ...
    def get_cmds(self) -> PluginDict: ...
    def run(self, all_args: list[str]) -> int | None: ...
