"""`release`: build models and write what is shipped, with all that is needed to check and rebuild it."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from doit.dependency import Dependency
from doit.reporter import ConsoleReporter
from doit.task import Task

from cvimake.builder import staleness, unbuildable
from cvimake.builder.build import Build
from cvimake.builder.content_checker import ContentChecker
from cvimake.builder.history import HISTORY, History
from cvimake.builder.records import UnwrittenRecords
from cvimake.builder.task_meta import meta_of
from cvimake.cli import release_report
from cvimake.cli.base import options_first
from cvimake.cli.options import option
from cvimake.cli.run import Run
from cvimake.cli.surroundings import as_path
from cvimake.core import git, terminal, units
from cvimake.core.errors import EXIT_NOT_POSSIBLE, EXIT_STAGE_FAILED, CvimakeError
from cvimake.core.git import Tree
from cvimake.core.paths import TOOLCHAIN
from cvimake.execution.engine.choice import was_local
from cvimake.pipeline.stage import Stage
from cvimake.project import DeclaredModel, read_declarations
from cvimake.release import label, machine, making, publish, record, signature
from cvimake.release.contents import SUMS
from cvimake.release.label import Label
from cvimake.release.opened import ARCHIVE_SUFFIX, SIGNATURE_SUFFIX
from cvimake.release.provenance import Origin
from cvimake.release.rebuild import RELEASES
from cvimake.release.refusal import (
    ALLOW_DIRTY,
    ALLOW_LOCAL,
    ALLOW_UNVALIDATED,
    REQUIRE_RECOGNISED,
    Conditions,
    reasons,
)


def _switch(name: str, text: str) -> dict[str, Any]:
    return option(name.removeprefix("--"), bool, text)


# The options that a release shares with a build.
_OF_A_BUILD = frozenset({"jobs", "no_wait"})
_SWITCHES = (
    _switch(ALLOW_DIRTY, "allow uncommitted changes; the release is marked as made with them"),
    _switch(ALLOW_LOCAL, "allow results of stages that ran without containers"),
    _switch(ALLOW_UNVALIDATED, "allow cvimodels that were not run on the simulator"),
    _switch(REQUIRE_RECOGNISED, "allow only cvimodels that the camera recognises and that work there"),
)
_TEXTS = (
    option("name", str, "the release's name [default: the project's]"),
    option("version", str, "the release's version [default: what `git describe` says]"),
    option("sign", str, "an SSH key to sign with (`ssh-keygen -Y sign`)"),
)


class Release(Run):
    """Build models, all of them or some, and make a release of them."""

    doc_purpose = "build models and make a release of them: release/NAME-VERSION and its archive"
    doc_usage = "[MODEL ...]"
    doc_description = (
        "If something speaks against the release, nothing is written, and all reasons are told at once.\n"
        "Exit code 1 if a stage failed, 2 if something else stops the release."
    )
    cmd_options = (  # others than a build has
        *(each for each in Run.cmd_options if each["name"] in _OF_A_BUILD), *_TEXTS, *_SWITCHES,
    )  # fmt: skip

    def parse_execute(self, in_args: list[str]) -> int | None:
        """Take the command line."""
        return super().parse_execute(options_first(self.cmdparser, in_args))

    def execute(self, params: dict[str, Any], args: list[str]) -> int | None:
        """Make the release for doit, and print the error that ends it."""
        self._options = params
        self.sel_tasks: list[str] = []
        return super().execute(params, args)

    def _execute(self, build: Build, jobs: int, reporter: str | type[ConsoleReporter]) -> int:  # type: ignore[override] # doit passes options by these names
        started = time.time()
        self.build = build
        try:
            models, waiting = _models([] if self.sel_default_tasks else self.sel_tasks)
            # Mistakes in the command line are told before anything is built.
            self._label(git.tree(Path(), build.environment))
            key = self._key()
            making.class_names(models)
            code = 0
            if self.sel_tasks and models:
                self.sel_tasks = list(models)
                code = super()._execute(
                    terminal.output(), build, continue_=True, reporter=reporter, jobs=jobs
                )
            # The state of the tree counts when its digests are taken, and not before.
            tree = git.tree(Path(), build.environment)
            named = self._label(tree)
            stages = self._stages(models)
            if found := self._reasons_against(tree, models, stages, waiting):
                terminal.complain(CvimakeError("no release is made:", "\n".join(found)))
                return code if code == EXIT_STAGE_FAILED else EXIT_NOT_POSSIBLE
            return self._make(named, models, stages, tree, key, started)
        except CvimakeError as error:
            terminal.complain(error)
            return error.exit_code

    def _allowed(self) -> list[str]:
        return [f"--{switch['name']}" for switch in _SWITCHES if self._options[switch["name"]]]

    def _key(self) -> Path | None:
        """Return the key to sign with; it is looked for before anything is built."""
        key = self._options["sign"]
        if not key:
            return None
        path = as_path(key)
        if not path.is_file():
            raise CvimakeError(f"--sign: no file {path}")
        return path

    def _label(self, tree: Tree) -> Label:
        """Return the release's name and version; an error in them is told before anything is built."""
        name, version = self._options["name"], self._options["version"]
        return label.chosen(name, version, tree, allow_dirty=self._options["allow-dirty"])

    def _stages(self, models: Mapping[str, DeclaredModel]) -> list[Stage]:
        """Return the stages of models, without those that run only if they are named."""
        found = [meta_of(task).stage for task in self.task_list]
        of_models = (stage for stage in found if stage and stage.action.name.partition(":")[0] in models)
        return [stage for stage in of_models if not stage.on_request]

    def _tasks(self, stages: Iterable[Stage]) -> dict[str, Task]:
        """Return the tasks of stages and of the images that they run in, by name."""
        tasks: dict[str, Task] = {task.name: task for task in self.task_list}
        # An image's task has the name of the file that it records.
        images = [record.stem for record in making.records_of_images(stages)]
        return {name: tasks[name] for name in (*images, *(stage.action.name for stage in stages))}

    def _stale(self, stages: Sequence[Stage]) -> list[str]:
        """Return the stages whose results are out of date now."""
        if not stages:
            return []
        everything: dict[str, Task] = {task.name: task for task in self.task_list}
        with self._records() as records, contextlib.closing(History(HISTORY)) as history:
            return [
                name
                for name, task in self._tasks(stages).items()
                if staleness.of_task(task, records, everything, history)
            ]

    def _ignored(self, stages: Iterable[Stage]) -> list[str]:
        """Return the stages that builds leave out because of `./doit ignore`."""
        with self._records() as records:
            return [name for name, task in self._tasks(stages).items() if records.status_is_ignore(task)]

    @contextlib.contextmanager
    def _records(self) -> Iterator[Dependency]:
        """Open the records that a build has left, for reading."""
        checker = functools.partial(ContentChecker, self.build.contents)
        records = Dependency(UnwrittenRecords, self.dep_manager.name, checker_cls=checker)
        try:
            yield records
        finally:
            records.close()

    def _untraced(self, stages: Iterable[Stage]) -> dict[str, str]:
        """Return the stages whose files do not come from the run on record, and why."""
        with contextlib.closing(History(HISTORY)) as history:
            found = {
                name: staleness.untraced(task, history, self.build.contents)
                for name, task in self._tasks(stages).items()
            }
        return {name: why for name, why in found.items() if why}

    def _reasons_against(
        self, tree: Tree, models: Mapping[str, DeclaredModel], stages: list[Stage], waiting: Sequence[str]
    ) -> list[str]:
        """Return everything that speaks against the release, as lines; empty if nothing does."""
        stale = self._stale(stages)
        built, others = making.built(models, stages, frozenset(stale))
        conditions = Conditions(
            tree=tree,
            waiting=waiting,
            local=was_local(TOOLCHAIN),
            unfinished=others,
            ignored=self._ignored(stages),
            # A stage that did not succeed needs no other reason.
            untraced={name: why for name, why in self._untraced(stages).items() if name not in stale},
            allowed=frozenset(self._allowed()),
        )
        lines = [f"- {reason}" for reason in reasons(conditions, built)]
        if waiting and models:
            lines.append(f"`./doit release {' '.join(models)}` leaves out the models that wait.")
        return lines

    def _make(  # noqa: PLR0913, PLR0917 - one place where all that a release is made of comes together
        self,
        named: Label,
        models: Mapping[str, DeclaredModel],
        stages: list[Stage],
        tree: Tree,
        key: Path | None,
        started: float,
    ) -> int:
        """Write the release, its archive, its record and its signature."""
        identities, runtimes = {}, {}
        for path in making.records_of_images(stages):
            identities[path.stem] = json.loads(path.read_text(encoding="utf-8"))
            runtimes[path.stem] = self.build.runtimes.recorded_in(path)
            # If nothing had to be built, nothing has been checked yet.
            runtimes[path.stem].check(identities[path.stem], path)
        seen = machine.look(runtimes)
        declarations = read_declarations(Path())
        origin = Origin(
            name=named.name,
            version=named.version,
            models=list(models),
            commit=tree.commit,
            dirty=tree.is_dirty,
            epoch=self.build.epoch,
            allowed=self._allowed(),
            not_held=seen.not_held,
            identities=identities,
            declared={name: making.declared(model) for name, model in models.items()},
            declarations=making.declarations(
                Path(), models.values(), (dataset.folder for dataset in declarations.datasets.values())
            ),
            labels=making.labels(models.values(), declarations.datasets),
        )
        draft = making.draft(
            origin,
            models,
            stages,
            self.build.contents,
            release_report.files(self.build, named, tree, models, stages),
        )
        if changed := [*self._stale(stages), *map(str, making.edited(draft, self.build.contents))]:
            raise CvimakeError(
                f"changed while the release was made: {', '.join(changed)}", "Start again when nobody edits."
            )
        place = RELEASES / str(named)
        is_new = publish.publish(place, draft.files, origin.epoch)
        if is_new:
            names = [stage.action.name for stage in stages]
            with contextlib.closing(History(HISTORY)) as history:
                files = record.files(names, history, identities, seen.record, started)
            publish.write_record(place.with_name(place.name + publish.RECORD_SUFFIX), files)
        terminal.line(
            f"\n{place}: {len(draft.files)} files, {'written' if is_new else 'was there already, the same'}"
        )
        archive = place.with_name(place.name + ARCHIVE_SUFFIX)
        terminal.line(f"{archive}: {units.size(archive.stat().st_size)}")
        if key:
            signed = place.with_name(place.name + SIGNATURE_SUFFIX)
            signed.write_bytes(signature.sign((place / SUMS).read_bytes(), key, self.build.environment))
            terminal.line(f"{signed}: by {key}")
        for text in seen.not_held:
            terminal.line(f"warning: not held still: {text}")
        return 0


def _models(names: list[str]) -> tuple[dict[str, DeclaredModel], list[str]]:
    """Return the models to release, and why other models that belong to it wait.

    Raises:
        CvimakeError: some are not declared, or their declarations are wrong.
    """
    declarations = read_declarations(Path())
    known = sorted({*declarations.models, *declarations.unusable})
    if unknown := [name for name in names if name not in known]:
        raise CvimakeError(
            f"no model is called {', '.join(unknown)}", f"A release is of whole models: {', '.join(known)}"
        )
    held = unbuildable.of_declarations(declarations, Path())
    chosen = sorted(names) or known
    if wrong := [str(model.error) for name, model in held.items() if name in chosen and model.is_wrong]:
        raise CvimakeError(
            "no release is made: declarations are wrong",
            "\n".join([*wrong, "Correct them, or name the models to release."]),
        )
    waiting = [model.error.in_short for name, model in held.items() if name in chosen]
    return {name: declarations.models[name] for name in chosen if name not in held}, waiting
