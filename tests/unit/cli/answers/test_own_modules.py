from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.cli.answers.own_modules import only_chooses_stages, question
from cvimake.cli.new import DODO

CHECKOUT = Path(__file__).parents[4]


def asked(tmp_path: Path, source: str) -> str:
    path = tmp_path / "dodo.py"
    path.write_text(source, encoding="utf-8")
    return question(path, {"helper"})


@pytest.mark.parametrize(
    "source",
    [
        DODO, (CHECKOUT / "dodo.py").read_text(encoding="utf-8"), "import os, json\nos.environ['X']\n",
        "from helper import x\nimport helper.inner\n", "from . import anything\n", "def time(): pass\n",
        "from pathlib import Path\nPath('x').read_text()\n",
    ],
)  # fmt: skip
def test_a_module_that_only_reads_files_is_visible(tmp_path: Path, source: str) -> None:
    assert asked(tmp_path, source) == ""


@pytest.mark.parametrize(
    "source",
    [
        "import time\n", "from datetime import date\n", "def f():\n    import random\n",
        "from doit.tools import timeout\n", "from doit import tools\ntools.timeout(3)\n",
        "import os\nos.urandom(1)\n",
        "from os import getloadavg as load\n", "__import__('x')\n", "exec('x')\n", "import os.path, uuid\n",
        "import sys\nsys.modules['time']\n", "from helpers import x\n", "(", "\0",
    ],
)  # fmt: skip
def test_a_module_that_may_ask_for_more_is_not(tmp_path: Path, source: str) -> None:
    assert asked(tmp_path, source).startswith(str(tmp_path / "dodo.py"))


def test_the_line_is_told(tmp_path: Path) -> None:
    assert asked(tmp_path, "import os\nimport time\n") == f"{tmp_path / 'dodo.py'}:2: time"


@pytest.mark.parametrize(
    ("source", "chooses"),
    [
        (DODO, True),
        ((CHECKOUT / "dodo.py").read_text(encoding="utf-8"), True),
        (f"{DODO}\ndef task_mine():\n    return {{}}\n", False),
        (f"{DODO}\nDOIT_CONFIG['default_tasks'] = ['one']\n", False),
        (f"from helper import stages\n{DODO}", False),
        (f"import helper\n{DODO}", False),
        ("from cvimake.dodo import graph\nx = graph(__file__, [lambda model: ()])\n", False),
        ("from cvimake.dodo import graph\nx = graph(__file__, stages=mine)\n", False),
        ("from . import graph\n", False),
    ],
)
def test_a_dodo_py_with_more_than_stages_of_cvimake_is_told(
    tmp_path: Path, source: str, *, chooses: bool
) -> None:
    path = tmp_path / "dodo.py"
    path.write_text(source, encoding="utf-8")
    assert only_chooses_stages(path) == chooses
