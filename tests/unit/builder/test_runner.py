from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from doit.control import TaskControl
from doit.dependency import Dependency, SqliteDB
from doit.exceptions import BaseFail, TaskFailed
from doit.reporter import ZeroReporter
from doit.task import Stream, Task
from hypothesis import given, settings
from hypothesis import strategies as st

from cvimake.builder.build import Build
from cvimake.builder.content_checker import ContentChecker
from cvimake.builder.held import Held
from cvimake.builder.records import CORES, SECONDS
from cvimake.builder.runner import Runner
from cvimake.builder.task_meta import Meta, meta_of
from cvimake.core.action import Limits
from cvimake.core.capacity import Capacity, Load, Share
from cvimake.core.content import Contents
from cvimake.toolchain.container.process_group import GRANT, TAKES

ONE = Load(memory=1)
SUCCESS, FAILURE = 0, 1


class Bench:
    """A machine that takes note of what runs on it, and when."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self.build = Build(Path(), {})
        self.cancelled = threading.Event()
        self.guard = threading.Lock()
        self.running: set[str] = set()
        self.begun: list[str] = []
        self.ended: list[str] = []
        # What ran beside each other, and what had ended when something began.
        self.together: list[frozenset[str]] = []
        self.ended_before: dict[str, frozenset[str]] = {}
        self.shares: dict[str, Share] = {}

    def capacity(self) -> Capacity:
        return self._capacity

    def cancel(self) -> None:
        self.cancelled.set()

    def action(self, name: str, act: Callable[[], Any] = lambda: None) -> Callable[[], Any]:
        def run() -> object:
            with self.guard:
                self.running.add(name)
                self.shares[name] = self.build.share(name)
                self.begun.append(name)
                self.together.append(frozenset(self.running))
                self.ended_before[name] = frozenset(self.ended)
            time.sleep(0.001)
            try:
                return act()
            finally:
                with self.guard:
                    self.running.discard(name)
                    self.ended.append(name)

        return run

    def task(
        self,
        name: str,
        load: Load | None = ONE,
        needs: tuple[str, ...] = (),
        act: Callable[[], Any] = lambda: None,
    ) -> Task:
        meta = Meta(load=load).for_doit()
        io = {"capture": False}
        return Task(name, [self.action(name, act)], task_dep=needs, meta=meta, io=io, verbosity=0)

    def run(self, *tasks: Task, jobs: int = 0, keep_going: bool = False, database: str = ":memory:") -> int:
        control = TaskControl(list(tasks))
        control.process([task.name for task in tasks])
        self.runner = runner = Runner(
            Dependency(SqliteDB, database, checker_cls=lambda: ContentChecker(Contents())),
            ZeroReporter(None, {}),
            continue_=keep_going, stream=Stream(0),
            build=self.build, ready_machine=lambda: self, jobs=jobs,
        )  # fmt: skip
        return int(runner.run_all(control.task_dispatcher()))


def fail() -> BaseFail:
    return TaskFailed("it failed")


# What a graph's tasks need, by the number of each.
@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[Load | None, tuple[int, ...]]]:
    return drawn(draw, st.builds(Load, memory=st.integers(0, 6), cores=st.integers(1, 3)), 9, 3)


def drawn(
    draw: st.DrawFn, loads: st.SearchStrategy[Load], most_tasks: int, most_needs: int
) -> list[tuple[Load | None, tuple[int, ...]]]:
    graph = []
    for number in range(draw(st.integers(1, most_tasks))):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=most_needs)) if number else set()
        graph.append((draw(st.none() | loads), tuple(sorted(needs))))
    return graph


@settings(deadline=None, max_examples=40)
@given(graphs(), st.integers(1, 4), st.none() | st.integers(1, 8), st.sets(st.integers(0, 8), max_size=2))
def test_any_graph_runs_in_order_and_within_the_capacity(
    graph: list[tuple[Load | None, tuple[int, ...]]], cores: int, memory: int | None, failing: set[int]
) -> None:
    capacity = Capacity(cores=cores, memory=memory)
    bench = Bench(capacity)
    loads = {str(number): load for number, (load, _) in enumerate(graph)}
    tasks = [
        bench.task(str(number), load, tuple(map(str, needs)), fail if number in failing else lambda: None)
        for number, (load, needs) in enumerate(graph)
    ]
    code = bench.run(*tasks, keep_going=True)
    # What cannot run is what needs something that failed.
    expected: set[int] = set()
    for number, (_, needs) in enumerate(graph):
        if all(needed in expected and needed not in failing for needed in needs):
            expected.add(number)
    assert sorted(bench.begun) == sorted(map(str, expected))
    assert code == (FAILURE if failing & expected else SUCCESS)
    for number in expected:
        assert bench.ended_before[str(number)] >= set(map(str, graph[number][1]))
    for together in bench.together:
        if len(together) == 1:
            continue
        assert all(loads[name] for name in together), "a task of somebody else's runs alone"
        shares = [bench.shares[name] for name in together]
        assert sum(share.cores for share in shares) <= cores
        assert memory is None or sum(share.memory for share in shares) <= memory


def test_a_group_leaves_the_record_of_the_stage_that_had_its_name(tmp_path: Path) -> None:
    database = str(tmp_path / "records")
    bench = Bench(Capacity(cores=1))
    made = {"it took": 1}
    assert bench.run(bench.task("m:one", act=lambda: made), database=database) == SUCCESS
    group = Task("m:one", None, task_dep=["m:one_cv181x"])
    assert bench.run(bench.task("m:one_cv181x"), group, database=database) == SUCCESS
    assert Dependency(SqliteDB, database).get_values("m:one") == made


def test_the_stage_with_the_longest_chain_starts_first() -> None:
    bench = Bench(Capacity(cores=1))

    def lasting(seconds: float) -> Load:
        return Load(memory=1, seconds=seconds)

    tasks = [
        bench.task("short", lasting(3)),
        bench.task("begins the long chain", lasting(1)),
        bench.task("ends it", lasting(5), needs=("begins the long chain",)),
        bench.task("middle", lasting(4)),
    ]
    assert bench.run(*tasks) == SUCCESS
    assert bench.begun == ["begins the long chain", "ends it", "middle", "short"]


def test_a_stage_that_is_looked_up_in_the_store_keeps_its_place() -> None:
    bench = Bench(Capacity(cores=1))
    another_began = threading.Event()

    def look_up() -> None:
        # Long enough for the other to begin, if it is let.
        another_began.wait(0.2)

    long = bench.task("long", Load(memory=1, seconds=5), needs=("first",))
    long.meta = Meta(load=meta_of(long).load, look_up=look_up).for_doit()
    tasks = [
        bench.task("first", Load(memory=1, seconds=9)),
        bench.task("short", act=another_began.set),
        long,
    ]
    assert bench.run(*tasks) == SUCCESS
    assert bench.begun == ["first", "long", "short"]


def test_a_stage_that_a_long_chain_waits_for_gets_more_cores() -> None:
    bench = Bench(Capacity(cores=4))
    parallel = Load(memory=1, cores=8, seconds=10)
    tasks = [
        bench.task("begins", parallel),
        bench.task("ends", Load(memory=1, seconds=20), needs=("begins",)),
        bench.task("other", parallel),
    ]
    assert bench.run(*tasks) == SUCCESS
    assert bench.shares["begins"].cores == 3


@pytest.mark.parametrize(("others", "cores"), [(0, 4), (1, 2), (3, 1)])
def test_a_stage_gets_its_part_of_the_cores(others: int, cores: int) -> None:
    bench = Bench(Capacity(cores=4))
    parallel = Load(memory=1, cores=8, seconds=10)
    tasks = [bench.task(str(number), parallel) for number in range(others + 1)]
    assert bench.run(*tasks) == SUCCESS
    assert bench.shares["0"].cores == cores


@pytest.mark.parametrize(
    ("recorded", "seconds"),
    [({SECONDS: 3.0, CORES: 2}, 6.0), ({SECONDS: 3.0}, 3.0), ({}, 9.0), (None, 9.0)],
)
def test_a_recorded_time_counts_for_more_than_an_estimate(
    recorded: dict[str, float] | None, seconds: float
) -> None:
    records = SimpleNamespace(get_values=lambda _name: recorded, checker=None)
    bench = Bench(Capacity(cores=1))
    runner = Runner(records, ZeroReporter(None, {}), build=Build(Path(), {}), ready_machine=lambda: bench)
    assert runner._seconds(bench.task("a", Load(memory=1, seconds=9.0))) == seconds


def test_a_number_of_jobs_is_also_that_of_cores() -> None:
    bench = Bench(Capacity(cores=1))
    assert bench.run(bench.task("a", Load(memory=1, cores=8)), jobs=3) == SUCCESS
    assert bench.shares["a"].cores == 3


def at_once(bench: Bench) -> int:
    return max(map(len, bench.together))


def test_stages_that_fit_run_side_by_side() -> None:
    bench = Bench(Capacity(cores=2, memory=2))
    together = threading.Barrier(2, timeout=60)
    assert bench.run(*(bench.task(name, act=lambda: bool(together.wait() + 1)) for name in "ab")) == SUCCESS


def test_a_number_of_jobs_overrides_the_machine() -> None:
    bench = Bench(Capacity(cores=1, memory=1))
    together = threading.Barrier(3, timeout=60)
    tasks = [bench.task(name, act=lambda: bool(together.wait() + 1)) for name in "abc"]
    assert bench.run(*tasks, jobs=3) == SUCCESS
    one_by_one = Bench(Capacity(cores=4))
    assert one_by_one.run(*(one_by_one.task(name) for name in "abc"), jobs=1) == SUCCESS
    assert at_once(one_by_one) == 1


def test_after_a_failure_no_stage_starts_and_running_ones_finish() -> None:
    bench = Bench(Capacity(cores=2))
    failed = threading.Event()

    def fail_first() -> BaseFail:
        failed.set()
        return fail()

    def finish_later() -> bool:
        assert failed.wait(60)
        time.sleep(0.05)
        return True

    tasks = [bench.task("fails", act=fail_first), bench.task("runs", act=finish_later), bench.task("waits")]
    assert bench.run(*tasks) == FAILURE
    assert bench.ended == ["fails", "runs"]
    assert not bench.cancelled.is_set()


def test_stages_that_need_a_failed_one_cause_no_error() -> None:
    bench = Bench(Capacity(cores=2))
    tasks = [bench.task("fails", act=fail), bench.task("needs", needs=("fails",)), bench.task("other")]
    assert bench.run(*tasks, keep_going=True) == FAILURE
    assert sorted(bench.ended) == ["fails", "other"]


def test_a_tasks_teardown_runs_at_the_end() -> None:
    bench = Bench(Capacity(cores=1))
    torn_down: list[list[str]] = []

    def tear_down() -> None:
        torn_down.append(bench.ended[:])

    mine = Task("mine", [bench.action("mine")], teardown=[tear_down], io={"capture": False}, verbosity=0)
    assert bench.run(mine, bench.task("stage")) == SUCCESS
    assert torn_down == [["mine", "stage"]]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A test run in the background inherits an ignored Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_cancels_what_runs() -> None:
    bench = Bench(Capacity(cores=1))
    main = threading.get_ident()
    were_cancelled: list[bool] = []

    def run_until_cancelled() -> None:
        # As Ctrl-C: it arrives in the main thread, which waits for this one.
        signal.pthread_kill(main, signal.SIGINT)
        were_cancelled.append(bench.cancelled.wait(60))

    with pytest.raises(KeyboardInterrupt):
        bench.run(bench.task("stage", act=run_until_cancelled))
    assert were_cancelled == [True]


def test_no_machine_is_made_ready_for_what_is_no_stage() -> None:
    bench = Bench(Capacity(cores=1))
    control = TaskControl([bench.task("other", None)])
    control.process(["other"])

    def refuse() -> Bench:
        raise AssertionError

    runner = Runner(
        Dependency(SqliteDB, ":memory:", checker_cls=lambda: ContentChecker(Contents())),
        ZeroReporter(None, {}),
        stream=Stream(0),
        build=Build(Path(), {}),
        ready_machine=refuse,
    )
    assert runner.run_all(control.task_dispatcher()) == SUCCESS


def test_a_stage_begins_once_other_machines_have_come() -> None:
    class Growing(Bench):
        def capacity(self) -> Capacity:
            # The first stage goes on until the second one has begun, for which there is no room at first.
            return Capacity(cores=2 if self.begun else 1)

    bench = Growing(Capacity(cores=1))
    begun = threading.Event()
    bench.build.executor = SimpleNamespace(most_at_once=4, looks_again=0.01, grows=True)
    tasks = [bench.task("long", act=lambda: begun.wait(60)), bench.task("other", act=begun.set)]
    assert bench.run(*tasks) == SUCCESS
    assert bench.ended == ["other", "long"]


class Listening(Bench):
    """A machine whose stages can be told that they have more cores."""

    def __init__(self, capacity: Capacity, folder: Path) -> None:
        super().__init__(capacity)
        self._folder = folder

    def listen(self, name: str, until: Callable[[int], bool], seconds: float = 60.0) -> int:
        """Run as a stage until it has enough cores or the time is over; return what it was told last."""
        folder, last = self._folder / name, time.monotonic() + seconds
        folder.mkdir()
        (folder / TAKES).touch()
        with self.build.held[name].growth.told(Limits(), folder):
            while not until(told := self._told(folder)) and time.monotonic() < last:
                time.sleep(0.001)
        return told

    @staticmethod
    def _told(folder: Path) -> int:
        try:
            return int((folder / GRANT).read_text().split()[0])
        except FileNotFoundError:
            return 1


@st.composite
def growing_graphs(draw: st.DrawFn) -> list[tuple[Load | None, tuple[int, ...]]]:
    loads = st.builds(
        Load,
        memory=st.integers(0, 4), memory_per_core=st.integers(0, 2),
        cores=st.integers(1, 5), seconds=st.integers(1, 9), grows=st.booleans(),
    )  # fmt: skip
    return drawn(draw, loads, 6, 2)


@settings(deadline=None, max_examples=40)
@given(growing_graphs(), st.integers(1, 5), st.none() | st.integers(1, 12))
def test_running_stages_only_get_cores_that_nothing_waits_for(
    graph: list[tuple[Load | None, tuple[int, ...]]], cores: int, memory: int | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Listening(Capacity(cores=cores, memory=memory), Path(folder))
        grow = Held.grow
        granted: dict[str, int] = {}
        told: dict[str, int] = {}

        def watched(held: Held, share: Share) -> bool:
            assert not bench.runner._line.ready, "a stage waits"
            before = held.share
            if not grow(held, share):
                return False
            running = {node.task.name: each for node, each in bench.runner._running.items()}
            (name,) = [name for name, each in running.items() if each is held]
            load = graph[int(name)][0]
            assert load
            assert load.grows
            assert before.cores < share.cores <= load.cores
            granted[name] = share.cores
            shares = [each.share for each in running.values()]
            assert sum(each.cores for each in shares) <= cores
            assert memory is None or sum(each.memory for each in shares) <= memory
            return True

        def stage(number: int) -> Callable[[], bool]:
            def act() -> bool:
                told[str(number)] = bench.listen(str(number), lambda _cores: False, 0.003)
                return True

            return act

        tasks = [
            bench.task(str(number), load, tuple(map(str, needs)), stage(number))
            for number, (load, needs) in enumerate(graph)
        ]
        with patch.object(Held, "grow", watched):
            assert bench.run(*tasks) == SUCCESS
    assert sorted(bench.ended) == sorted(map(str, range(len(graph))))
    # The last grant may come after a stage has looked for the last time.
    assert all(count <= granted.get(name, 1) for name, count in told.items())


PARALLEL = Load(memory=1, cores=8, seconds=10, grows=True)


def test_a_running_stage_gets_the_core_of_one_that_has_ended(tmp_path: Path) -> None:
    bench = Listening(Capacity(cores=2), tmp_path)

    def run_on() -> bool:
        return bench.listen("long", lambda cores: cores == 2) == 2

    tasks = [bench.task("long", PARALLEL, act=run_on), bench.task("short", Load(memory=1, seconds=10))]
    assert bench.run(*tasks) == SUCCESS
    assert bench.ended == ["short", "long"]


def test_a_group_that_waits_for_the_end_of_all_stages_keeps_no_core(tmp_path: Path) -> None:
    bench = Listening(Capacity(cores=2), tmp_path)
    tasks = [
        bench.task("long", PARALLEL, act=lambda: bench.listen("long", lambda cores: cores == 2) == 2),
        bench.task("m:short", Load(memory=1, seconds=10)),
        Task("m", None, task_dep=["m:short"]),
        bench.task("other", None, needs=("m:short",)),
    ]
    assert bench.run(*tasks) == SUCCESS
    assert bench.ended == ["m:short", "long", "other"]


def test_a_stage_that_waits_begins_before_another_one_grows(tmp_path: Path) -> None:
    bench = Listening(Capacity(cores=2), tmp_path)
    seen: list[int] = []

    def note() -> bool:
        seen.append(bench.build.share("long").cores)
        return True

    tasks = [
        bench.task("long", PARALLEL, act=lambda: bench.listen("long", lambda cores: cores == 2) == 2),
        bench.task("first", Load(memory=1, seconds=9), act=note),
        bench.task("second", Load(memory=1, seconds=8), act=note),
        bench.task("third", Load(memory=1, seconds=7), needs=("second",), act=note),
    ]
    assert bench.run(*tasks) == SUCCESS
    assert bench.ended[-1] == "long"
    assert seen == [1, 1, 1]


def test_a_stage_whose_tool_is_not_there_yet_is_told_later(tmp_path: Path) -> None:
    bench = Listening(Capacity(cores=2), tmp_path)
    ended = threading.Event()

    def run_on() -> bool:
        assert ended.wait(60)
        # Long enough for the build to try it in vain, on most machines.
        time.sleep(0.1)
        return bench.listen("long", lambda cores: cores == 2) == 2

    tasks = [
        bench.task("long", PARALLEL, act=run_on),
        bench.task("short", Load(memory=1, seconds=10), act=ended.set),
    ]
    assert bench.run(*tasks) == SUCCESS


def test_a_stage_that_cannot_grow_keeps_its_cores(tmp_path: Path) -> None:
    bench = Listening(Capacity(cores=3), tmp_path)
    fixed = Load(memory=1, cores=8, seconds=10)
    tasks = [
        bench.task("fixed", fixed, act=lambda: bench.listen("fixed", lambda cores: cores > 1, 0.05) == 1),
        bench.task("other", fixed),
    ]
    assert bench.run(*tasks) == SUCCESS
