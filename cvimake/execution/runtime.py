"""The engine and the image that stages run in."""

from __future__ import annotations

import platform
import textwrap
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvimake.core import announce, digest
from cvimake.core.capacity import Capacity
from cvimake.core.content import Contents
from cvimake.core.errors import CvimakeError, EngineError, ImageError
from cvimake.core.paths import EXPORT, FRAMEWORKS, TOOLCHAIN
from cvimake.core.system import WITHOUT_AVX2, has_avx2
from cvimake.execution.engine import Engine, connection
from cvimake.execution.engine.choice import DOCKER, ENGINE_VARIABLE, LOCAL, chosen
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.engine.local import LocalEngine
from cvimake.execution.image import fingerprint, local, making
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.image.recipe import ExportRecipe, FrameworksRecipe, Recipe
from cvimake.execution.sandbox import Sandbox
from cvimake.toolchain.commands import SIMULATOR_VARIABLES

# How often a cancelled build is noticed while an image is made, in seconds.
_LOOK_EVERY = 0.2


@dataclass(frozen=True)
class Runtime:
    """An engine with an image."""

    image: ToolchainImage
    sandbox: Sandbox

    def capacity(self) -> Capacity:
        """Return how many cores and how much memory its machine has for stages."""
        return self.sandbox.engine.capacity()

    def cancel(self) -> None:
        """End every running stage, and let no other begin."""
        self.sandbox.engine.cancel()

    def check(self, recorded: Mapping[str, Any], record: Path = TOOLCHAIN) -> None:
        """Check that the image is the one that the build was planned with.

        Args:
            recorded: the fingerprint that the build was planned with.
            record: the file that holds it, named like the task that wrote it.

        Raises:
            ImageError: somebody has replaced the image in the meantime.
        """
        if digest.of_value(recorded) != self.image.fingerprint:
            raise ImageError(
                f"the {record.stem} image is not the one that {record} describes",
                f"Run `./doit forget {record.stem}` and start again; what needs it is then built anew.",
            )


class Runtimes:
    """The runtimes of one build. Each is found or made when it is asked for first; several threads may ask.

    Args:
        root: the project's folder.
        environment: the variables that cvimake was started with.
        contents: what the build knows of files.
    """

    def __init__(self, root: Path, environment: Mapping[str, str], contents: Contents | None = None) -> None:
        self._root, self._environment, self._contents = root, environment, contents or Contents()
        self._plain: Runtime | None = None
        self._with_frameworks: Runtime | None = None
        self._for_export: Runtime | None = None
        # One for each: while one image is made, the other is used.
        self._finding_plain, self._finding_frameworks = threading.Lock(), threading.Lock()
        self._finding_export = threading.Lock()

    def plain(self) -> Runtime:
        """Return the engine with the toolchain image.

        Raises:
            CvimakeError: no engine answers, or the image cannot be built.
        """
        with self._finding_plain:
            if self._plain is None:
                engine, found = _engine_and_toolchain(self._root, self._environment)
                self._plain = self._checked(engine, found)
            return self._plain

    def with_frameworks(self) -> Runtime:
        """Return the same engine with the image that has PyTorch and TensorFlow.

        Raises:
            CvimakeError: no engine answers, or the image cannot be built. Without containers it never can.
        """
        plain = self.plain()
        engine = plain.sandbox.engine
        if not isinstance(engine, DockerEngine):
            raise ImageError(
                "networks of Caffe, PyTorch and TFLite are read in an image of their own, but stages run "
                "without containers here",
                "Use a Docker engine, or export the network to ONNX.",
            )
        with self._finding_frameworks:
            if self._with_frameworks is None:
                chosen_by_user = Recipe.from_environment(self._environment)
                recipe = FrameworksRecipe(
                    base=chosen_by_user.base, wheel=chosen_by_user.wheel, toolchain=plain.image.fingerprint
                )
                self._with_frameworks = self._made(engine, recipe)
            return self._with_frameworks

    def for_export(self) -> Runtime:
        """Return the same engine with the image that has Ultralytics' exporter.

        Raises:
            CvimakeError: no engine answers, or the image cannot be built. Without containers it never can.
        """
        # Without containers, the toolchain would be installed for nothing.
        engine = None if chosen(self._environment) == LOCAL else self.plain().sandbox.engine
        if not isinstance(engine, DockerEngine):
            raise ImageError(
                "a checkpoint is only opened in a container, since it is a stranger's program, but stages "
                "run without containers here",
                "Use a Docker engine, or export the network to ONNX where it was trained.",
            )
        with self._finding_export:
            if self._for_export is None:
                recipe = ExportRecipe(base=Recipe.from_environment(self._environment).base)
                self._for_export = self._made(engine, recipe)
            return self._for_export

    def recorded_in(self, record: Path) -> Runtime:
        """Return the runtime of the stages whose image is described in this record.

        Raises:
            CvimakeError: no engine answers, or the image cannot be built.
        """
        if record == EXPORT:
            return self.for_export()
        return self.with_frameworks() if record == FRAMEWORKS else self.plain()

    def existing(self, record: Path = TOOLCHAIN) -> Runtime:
        """Return the same runtime in containers, and make nothing: no image, no engine.

        Raises:
            CvimakeError: no engine answers, the image is not there, or stages run without containers.
        """
        if chosen(self._environment) == LOCAL:
            raise EngineError(
                f"{ENGINE_VARIABLE} is {LOCAL}: without containers there is no sandbox to work in",
                f"Unset {ENGINE_VARIABLE}, and use a Docker engine.",
            )
        try:
            client = connection.find(self._environment)
        except EngineError as error:
            raise EngineError(error.cause, error.remedy or connection.by_hand(self._environment)) from error
        engine = DockerEngine(client, self._environment)
        recipe = Recipe.from_environment(self._environment)
        if record == EXPORT:
            exporting = ExportRecipe(base=recipe.base)
            found = making.find(client, exporting)
            if found is None:
                raise ImageError("the export image is not there", "./doit image --export builds it.")
            return self._checked(engine, found, exporting.environment())
        found = making.find(client, recipe)
        if found is None:
            remedy = f"./doit image builds it ({recipe.duration})."
            raise ImageError("the toolchain image is not there", remedy)
        if record == FRAMEWORKS:
            frameworks = FrameworksRecipe(base=recipe.base, wheel=recipe.wheel, toolchain=found.fingerprint)
            found = making.find(client, frameworks)
        if found is None:
            raise ImageError(
                "the image with PyTorch and TensorFlow is not there", "./doit image --frameworks builds it."
            )
        return self._checked(engine, found)

    def _made(self, engine: DockerEngine, recipe: Recipe) -> Runtime:
        """Return the engine with the image of a recipe, which is made if it is not there."""
        found = _unless_cancelled(
            engine, lambda: making.ensure(engine, recipe, self._root, self._environment)
        )
        return self._checked(engine, found, recipe.environment())

    def _checked(
        self, engine: Engine, found: ToolchainImage, environment: Mapping[str, str] | None = None
    ) -> Runtime:
        """Return a runtime, after comparing its image with the fingerprint of it."""
        sandbox = Sandbox(
            root=self._root,
            engine=engine,
            image=found.id,
            contents=self._contents,
            variables={name: value for name in SIMULATOR_VARIABLES if (value := self._environment.get(name))},
        )
        fingerprint.check(sandbox, found.identity, found.records, environment)
        return Runtime(found, sandbox)


def _unless_cancelled(engine: DockerEngine, make: Callable[[], ToolchainImage]) -> ToolchainImage:
    """Make an image; in the thread of a stage, give up when the build is cancelled.

    The library for Docker can only wait until an image is built. So another thread waits, which ends with the
    process, and the engine gives up an image that nobody waits for.
    """
    if threading.current_thread() is threading.main_thread():
        return make()
    made: Future[ToolchainImage] = Future()

    def work() -> None:
        try:
            made.set_result(make())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
            made.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    while not wait([made], timeout=_LOOK_EVERY).done:
        if engine.is_cancelled:
            raise ImageError("making the image was cancelled")
    return made.result()


def _engine_and_toolchain(root: Path, environment: Mapping[str, str]) -> tuple[Engine, ToolchainImage]:
    recipe, wanted = Recipe.from_environment(environment), chosen(environment)
    reason = f"{ENGINE_VARIABLE}={LOCAL}"
    if wanted != LOCAL:
        try:
            client = connection.ensure(environment)
        except CvimakeError as error:
            # If the user names an engine, no other one takes its place.
            if wanted == DOCKER or not connection.is_this_machines(environment):
                raise
            reason = str(error)
        else:
            docker_engine = DockerEngine(client, environment)
            if connection.sees_our_files(environment):
                _warn_without_avx2()
            return docker_engine, making.ensure(docker_engine, recipe, root, environment)
    _warn_without_avx2()
    found = local.ensure(recipe, root, environment)
    engine = LocalEngine(Path(found.id), environment)
    announce.note(f"warning: {engine.shortcomings()}\n{textwrap.indent(reason, '  ')}")
    return engine, found


def _warn_without_avx2() -> None:
    """Warn that results that are built on this machine differ from those of other machines."""
    # On another kind of processor the stages are emulated, with AVX2.
    if platform.machine() == "x86_64" and not has_avx2():
        announce.note(f"warning: {WITHOUT_AVX2}")
