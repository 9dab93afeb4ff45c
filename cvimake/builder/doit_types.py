"""Names for the objects of doit, which has no type information: they say more than `Any`."""

from __future__ import annotations

from typing import Any

Task = Any  # doit.task.Task
Node = Any  # doit.control.ExecNode
Dispatcher = Any  # doit.control.TaskDispatcher
Records = Any  # doit.dependency.Dependency
Value = Any  # of any of its options
