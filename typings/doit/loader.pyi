from typing import Any

from doit.task import Task

def generate_tasks(func_name: str, gen_result: Any, gen_doc: str | None = None) -> list[Task]: ...
