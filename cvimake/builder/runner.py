"""Runs doit's tasks, as many at a time as the machine has room for."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from doit.control import ExecNode, TaskDispatcher
from doit.exceptions import BaseFail
from doit.task import Task

from cvimake.builder.build import Build
from cvimake.builder.content_checker import INPUTS
from cvimake.builder.executor import Machine
from cvimake.builder.held import Held, Running, larger
from cvimake.builder.recording import Ended, RecordingRunner
from cvimake.builder.records import CORES, SECONDS
from cvimake.builder.reporter import BuildReporter
from cvimake.builder.schedule import Line, Schedule
from cvimake.builder.task_meta import Restore, meta_of
from cvimake.core import graph
from cvimake.core.capacity import ONE_CORE, Capacity, Share, cores_for

# Seconds after which free cores are offered to a stage again whose tool could not use them.
_OFFERS_AGAIN = 0.5


class Runner(RecordingRunner):
    """doit's runner, with stages in threads.

    doit's own parallel runners use processes that share nothing, or threads that swap the global standard
    output; neither knows of memory. A task without a load (none of ours) runs alone, in the main thread.

    Args:
        arguments: of the runner that records, as the options are.
        build: has the store and what runs.
        ready_machine: prepares the machine for stages, which may take minutes; called before the first stage.
        jobs: cores that the stages take together; 0 for as many as the machine has room for.
    """

    def __init__(
        self,
        *arguments: Any,  # noqa: ANN401 - doit's own
        build: Build,
        ready_machine: Callable[[], Machine],
        jobs: int = 0,
        **options: Any,  # noqa: ANN401 - doit's own
    ) -> None:
        super().__init__(*arguments, **options)
        self._build = build
        self._ready_machine = ready_machine
        self._machine: Machine | None = None
        self._jobs = jobs
        self._schedule = Schedule(dict, self._seconds)
        # Stale tasks that run alone.
        self._alone: deque[ExecNode] = deque()
        # Stale tasks that wait for room on the machine, and those whose outputs are searched for in the
        # store. If they are not there, the task is ready.
        self._line: Line[ExecNode] = Line()
        # Running tasks, and what each has of the machine.
        self._running: dict[ExecNode, Held] = {}
        # All threads, each with its task. A thread returns the function that takes the outputs from the
        # store, or how the task ran, or None if the task has to run.
        self._futures: dict[Future[Restore | Ended | None], ExecNode] = {}
        # The threads that have ended: with many, it takes long to ask each of them.
        self._ended: queue.SimpleQueue[Future[Restore | Ended | None]] = queue.SimpleQueue()

    def run_tasks(self, task_dispatcher: TaskDispatcher) -> None:
        """Run every selected stale task. After a failure, running stages finish and no other begins."""
        finished: list[ExecNode] = []
        self._schedule = Schedule(functools.partial(_selected, task_dispatcher), self._seconds)
        stages = (meta_of(task).stage for task in _selected(task_dispatcher).values())
        self._takes_over_budget = any(stage and stage.takes_over_budget for stage in stages)
        # Threads are made as they are needed.
        most = self._build.executor.most_at_once
        with ThreadPoolExecutor(most, thread_name_prefix="stage") as pool:
            try:
                while True:
                    for node in self._judge(task_dispatcher, finished):
                        self._look_up(node, pool)
                    finished = self._start(pool)
                    if finished:
                        continue
                    if not self._futures:
                        return
                    finished = self._wait(pool, offers_again=self._let_grow())
            except BaseException:
                # Otherwise the pool would wait for the running stages.
                self._build.store.end()
                if self._machine:
                    self._machine.cancel()
                raise

    def _look_up(self, node: ExecNode, pool: Executor) -> None:
        """Lets the store be looked into for a stale task, where that makes sense; otherwise it is ready."""
        look_up = None if self.always_execute else meta_of(node.task).look_up
        if look_up:
            self._line.put(node, self._schedule.chain(node.task.name), is_ready=False)
            self._submit(pool, node, look_up)
        else:
            self._await_room(node)

    def _await_room(self, node: ExecNode) -> None:
        if meta_of(node.task).load:
            self._line.put(node, self._schedule.chain(node.task.name), is_ready=True)
        else:
            self._alone.append(node)

    def _submit(
        self, pool: Executor, node: ExecNode, work: Callable[..., Restore | Ended | None], *arguments: object
    ) -> None:
        future = pool.submit(work, *arguments)
        self._futures[future] = node
        future.add_done_callback(self._ended.put)

    def _start(self, pool: Executor) -> list[ExecNode]:
        """Start the tasks that the machine has room for; return the one that has run in this thread."""
        if self._stop_running:
            self._alone.clear()
            self._line.remove_ready()
        if self._alone and not self._running:
            node = self._alone.popleft()
            self._begin(node)
            return self._settle([(node, self._execute(node.task, Held(ONE_CORE)))])
        for node, share in list(self._startable()):
            self._line.remove(node)
            self._begin(node)
            self._running[node] = held = Held(share)
            self._build.urgency[node.task.name] = self._schedule.chain(node.task.name)
            self._submit(pool, node, self._execute, node.task, held)
        return []

    def _begin(self, node: ExecNode) -> None:
        self.teardown_list.append(node.task)
        self.reporter.execute_task(node.task)

    def _settle(self, ended: Sequence[tuple[ExecNode, Ended]]) -> list[ExecNode]:
        """Record how tasks have ended; return them."""
        self.settle(ended)
        for node, _ in ended:
            self._schedule.settled(node.task.name)
        return [node for node, _ in ended]

    def _let_grow(self) -> bool:
        """Give running stages the cores that nothing waits for; return whether one could not use them now.

        A stage that waits has precedence, even if it waits for memory. So has what may follow from a task
        whose outputs are searched for in the store or taken from there. A task that runs alone begins when no
        stage runs, in any case. A stage keeps its cores to its end.
        """
        if self._line.ready or len(self._futures) > len(self._running) or not self._build.executor.grows:
            return False
        running = {
            node: Running(held.share, load, self._schedule.chain(node.task.name))
            for node, held in self._running.items()
            if (load := meta_of(node.task).load)
        }
        if not any(stage.load.grows for stage in running.values()):
            return False
        is_refused = False
        for node, share in larger(self._capacity(), running).items():
            if not self._running[node].grow(share):
                is_refused = True
            elif isinstance(self.reporter, BuildReporter):
                self.reporter.grew(node.task, running[node].share.cores, share.cores)
        return is_refused

    def _wait(self, pool: Executor, *, offers_again: bool) -> list[ExecNode]:
        """Wait until something has ended, or the capacity may be another.

        Args:
            pool: runs what is left to do for a task that is in the store.
            offers_again: wait no longer than until free cores are offered to a running stage again.

        Returns:
            The tasks that have succeeded or failed.
        """
        ended: list[tuple[ExecNode, Ended]] = []
        seconds = self._build.executor.looks_again if self._line.ready else None
        seconds = _OFFERS_AGAIN if offers_again else seconds
        for future in self._over(seconds):
            node, outcome = self._futures.pop(future), future.result()
            self._line.remove(node)
            if outcome is None:
                self._await_room(node)
            elif isinstance(outcome, Ended):
                self._running.pop(node, None)
                ended.append((node, outcome))
            else:
                self.reporter.execute_task(node.task)
                self._submit(pool, node, self._restore, node.task, outcome)
        return self._settle(ended)

    def _over(self, seconds: float | None) -> Iterator[Future[Restore | Ended | None]]:
        """Wait for a thread that has ended; yield all that have ended by then.

        Args:
            seconds: the longest time to wait; None to wait for any time.
        """
        with contextlib.suppress(queue.Empty):
            yield self._ended.get(timeout=seconds)
            while True:
                yield self._ended.get_nowait()

    def _restore(self, task: Task, restore: Restore) -> Ended | None:
        """Take a task's outputs from the store, in any thread; return None if the task has to run."""
        values = restore()
        if values is None:
            self._build.activities.end(task.name)
            return None
        if isinstance(values, BaseFail):
            return Ended(values, {})
        task.values.update(values)
        return Ended(None, task.values.pop(INPUTS))

    def _execute(self, task: Task, held: Held) -> Ended:
        """Run a task, in any thread. A stage reports its inputs; those of other tasks are read before it."""
        before = {} if meta_of(task).look_up else self.inputs(task)
        self._build.held[task.name] = held
        try:
            failure = task.execute(self.stream)
        finally:
            del self._build.held[task.name]
        if INPUTS not in task.values:
            return Ended(failure, before)
        # doit would record a second copy of the values.
        task.result = None
        return Ended(failure, task.values.pop(INPUTS))

    def _judge(self, dispatcher: TaskDispatcher, finished: Iterable[ExecNode]) -> list[ExecNode]:
        """All further tasks that can be judged now and are stale.

        Args:
            dispatcher: yields what can be judged, and is told what has been dealt with.
            finished: what has run since the last time.
        """
        stale: list[ExecNode] = []
        untold = deque(finished)
        node = untold.popleft() if untold else None
        while not self._stop_running:
            try:
                node = dispatcher.generator.send(node)
            except StopIteration:
                break
            if node == "hold on":
                if not untold:
                    break
                node = untold.popleft()
            elif self.select_task(node, dispatcher.tasks):
                stale.append(node)
                node = None
            else:
                self._schedule.settled(node.task.name)
        return stale

    def _startable(self) -> Iterator[tuple[ExecNode, Share]]:
        """Yield the ready tasks that the machine has room for, and the share of the machine that each gets.

        The task that the longest chain waits for comes first. While the store is searched for its outputs,
        its share is kept free.
        """
        if not self._line.ready:
            return
        capacity, taken = self._capacity(), _together(held.share for held in self._running.values())
        # A task that needs as much memory as one that has found no room finds none either.
        too_much: float = math.inf
        for node, is_ready in self._line:
            if taken and taken.cores >= capacity.cores:
                return
            load = meta_of(node.task).load
            if load is None or load.memory >= too_much:
                continue
            wanted = cores_for(self._schedule.chain(node.task.name), self._schedule.left, capacity)
            share = capacity.share([taken] if taken else [], load, wanted)
            if share is None:
                too_much = load.memory
                continue
            taken = _together([taken, share] if taken else [share])
            if is_ready:
                yield node, share

    def _seconds(self, task: Task) -> float:
        """How long a task takes on one core: by when it last ran, or else by its load."""
        load = meta_of(task).load
        values = self.dep_manager.get_values(task.name) or {}
        if SECONDS in values:
            return float(values[SECONDS] * values.get(CORES, 1))
        return float(load.seconds if load else 0.0)

    def _capacity(self) -> Capacity:
        if self._machine is None:
            self._machine = self._ready_machine()
        capacity = self._machine.capacity()
        # More memory than the machine has may be asked for, and no stage can leave its machine.
        return dataclasses.replace(capacity, cores=self._jobs, memory=None) if self._jobs else capacity


def _together(shares: Iterable[Share]) -> Share | None:
    """Return what some tasks have got together; None if there are none."""
    each = list(shares)
    if not each:
        return None
    return Share(cores=sum(share.cores for share in each), memory=sum(share.memory for share in each))


def _selected(dispatcher: TaskDispatcher) -> Mapping[str, Task]:
    """Return the tasks that are asked for, and all tasks that they need."""
    tasks = dispatcher.tasks
    return {
        name: tasks[name]
        for name in graph.reached(dispatcher.selected_tasks, lambda name: tasks[name].task_dep)
    }
