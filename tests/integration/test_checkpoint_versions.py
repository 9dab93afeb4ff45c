"""Checkpoints that released versions of Ultralytics have saved, from `init` to the camera's rules.

This takes five minutes on a quiet machine and downloads 200 MB, so it only runs with CVIMAKE_TEST_LONG=1.
docs/checkpoints.md has the table. The weights are random, so nothing is known of accuracy here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lab import ROOT
from long_tests import LONG
from projects import doit

from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import making
from cvimake.execution.image.recipe import ExportRecipe, Recipe

pytestmark = LONG
MAKE = Path(__file__).with_name("make_family_checkpoints.py")
OLDER = ("8.1.47", "8.2.103", "8.3.0")
NEWEST = "newest"
# What older versions import, and the export image does not have. It has its own numpy and torch.
IMPORTED = [
    "certifi",
    "charset-normalizer",
    "contourpy",
    "cycler",
    "filelock",
    "fonttools",
    "fsspec",
    "hub_sdk",
    "idna",
    "jinja2",
    "kiwisolver",
    "markupsafe",
    "matplotlib",
    "mpmath",
    "networkx",
    "packaging",
    "pandas",
    "psutil",
    "py-cpuinfo",
    "pyparsing",
    "python-dateutil",
    "pytz",
    "requests",
    "scipy",
    "seaborn",
    "setuptools<81",
    "six",
    "sympy==1.13.1",
    "thop",
    "tqdm",
    "tzdata",
    "ultralytics-thop",
    "urllib3",
]
# What the camera takes them for, by the end of the file's name; the detectors' kind is the family's.
KINDS = {"-seg": "YOLO11-seg", "-pose": "YOLO11-pose", "-cls": "classifier"}


def install(folder: Path, *requirements: str) -> None:
    """Install packages for the image's Python, without what they need themselves."""
    options = ["--target", str(folder), "--python-version", "3.10", "--only-binary", ":all:", "--no-deps"]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *options, *requirements], check=True)


def make(engine: DockerEngine, image: str, packages: Path, made: Path) -> None:
    """Make the checkpoints with the packages of a folder."""
    shutil.copy(MAKE, packages)
    variables = {"PYTHONPATH": "/packages", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp"}
    of_ultralytics = {"YOLO_CONFIG_DIR": "/tmp", "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
    engine.client.containers.run(
        image,
        ["/opt/export/bin/python3", f"/packages/{MAKE.name}", "/made"],
        volumes={str(packages): {"bind": "/packages", "mode": "ro"}, str(made): {"bind": "/made"}},
        environment={**variables, **of_ultralytics},
        working_dir="/tmp",
        network_mode="none",
        remove=True,
    )


@pytest.mark.parametrize("version", [*OLDER, NEWEST])
def test_every_family_is_exported_and_works_or_has_a_reason(
    engine: DockerEngine, tmp_path: Path, version: str
) -> None:
    image = making.ensure(
        engine, ExportRecipe(base=Recipe.from_environment(os.environ).base), tmp_path / "image", os.environ
    )
    packages, made = tmp_path / "packages", tmp_path / "made"
    packages.mkdir()
    made.mkdir()
    made.chmod(0o777)
    if version != NEWEST:
        install(packages, *IMPORTED, f"ultralytics=={version}")
    make(engine, image.id, packages, made)
    found = sorted(made.glob("*.pt"))
    assert {"yolov5n.pt", "yolov8n.pt", "yolov8n-seg.pt", "yolov8n-obb.pt"} <= {path.name for path in found}
    project = tmp_path / "project"
    shutil.copytree(ROOT / "datasets" / "shapes", project / "datasets" / "shapes")
    shutil.copy(ROOT / "dodo.py", project)
    shown = f"--test-image={project / 'datasets' / 'shapes' / 'test' / '0000.jpg'}"
    for path in found:
        result = doit(project, "init", str(path), shown)
        assert result.returncode == 0, f"{path.name}: {result.stderr}"
        _, _, task = path.stem.partition("-")
        if task == "obb":
            assert "obb: boxes with an angle" in result.stdout, path.name
            continue
        kind = KINDS.get(f"-{task}", "YOLO26" if path.stem == "yolo26n" else "YOLO11")
        assert f"the camera takes it for {kind}, and that works" in result.stdout, path.name
