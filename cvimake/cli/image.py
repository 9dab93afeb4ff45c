"""`image`: make the toolchain image, or the image with PyTorch and TensorFlow."""

from __future__ import annotations

from typing import Any

from cvimake.cli import surroundings
from cvimake.cli.base import PlainCommand
from cvimake.cli.options import option
from cvimake.core import terminal
from cvimake.execution.engine import connection
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import making
from cvimake.execution.image.recipe import ExportRecipe, FrameworksRecipe, Recipe


class Image(PlainCommand):
    """Make the toolchain image, or tell that it is there."""

    doc_purpose = "build the toolchain image alone"
    doc_usage = ""
    doc_description = (
        "CVIMAKE_BASE names another base image; CVIMAKE_TPU_MLIR_WHEEL a local wheel of tpu_mlir to install "
        "instead of the locked one."
    )
    cmd_options = (
        option("rebuild", bool, "build the image again, even if it is there"),
        option(
            "frameworks", bool, "also build the image in which networks of Caffe, PyTorch and TFLite are read"
        ),
        option("export", bool, "build only the image in which checkpoints of Ultralytics are exported"),
    )

    def perform(self, options: dict[str, Any], _arguments: list[str]) -> int:
        """Make the image and print what it is."""
        variables, folder = surroundings.variables(), surroundings.folder()
        engine = DockerEngine(connection.ensure(variables), variables)
        recipe = Recipe.from_environment(variables)
        make = making.build if options["rebuild"] else making.ensure
        if options["frameworks"]:
            toolchain = making.ensure(engine, recipe, folder, variables)
            recipe = FrameworksRecipe(base=recipe.base, wheel=recipe.wheel, toolchain=toolchain.fingerprint)
        if options["export"]:
            recipe = ExportRecipe(base=recipe.base)
        made = make(engine, recipe, folder, variables)
        packages = made.identity["packages"]
        terminal.line(f"image        {made.id}")
        terminal.line(f"base         {made.base}")
        version = packages[recipe.package]["version"]
        name = recipe.package.replace("-", "_")
        terminal.line(f"{name:12} {version}, Python {made.identity['python']}")
        terminal.line(f"fingerprint  {made.fingerprint}")
        return 0
