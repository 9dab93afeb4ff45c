from __future__ import annotations

import dataclasses
import errno
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_engine import ACTION, MLIR, NOBODY, NPZ, FakeEngine, write_both

from cvimake.core.action import Action, Ending, FileKind, Input, Limits, Output
from cvimake.core.capacity import ONE_CORE, Share
from cvimake.core.errors import CvimakeError, EngineError, StageFailedError
from cvimake.execution.engine import Command, Log
from cvimake.execution.sandbox import Sandbox
from cvimake.toolchain.container.process_group import MEMORY, PROCESSES


def run(root: Path, engine: FakeEngine, action: Action = ACTION, share: Share = ONE_CORE) -> None:
    Sandbox(root=root, engine=engine, image="sha256:abc").run(action, share=share)


def failure(root: Path, engine: FakeEngine, action: Action = ACTION) -> str:
    with pytest.raises(StageFailedError) as caught:
        run(root, engine, action)
    return str(caught.value)


def published(root: Path) -> set[str]:
    """All files below `build` but the logs and what is cvimake's own."""
    build = root / "build"
    files = {str(path.relative_to(build)) for path in build.rglob("*") if not path.is_dir()}
    return {name for name in files if not name.startswith(("logs/", "."))}


def work_left(root: Path) -> list[Path]:
    return list((root / "build" / ".work").iterdir())


# What the tool gets


def test_the_command_is_the_actions(root: Path) -> None:
    engine = FakeEngine(write_both)
    run(root, engine)
    (command,) = engine.commands
    assert command.name == "net:transform"
    assert command.image == "sha256:abc"
    assert command.argv == ("model_transform.py", "--mlir=net.mlir")
    assert command.environment == {"TZ": "UTC", PROCESSES: "1", MEMORY: str(int(0.85 * 2 * 1024**3))}
    assert command.working_directory == "/workspace"
    assert command.user == NOBODY
    assert command.limits == Limits(memory=2 * 1024**3, processes=7, seconds=90.0)


def test_a_stage_gets_its_share_of_the_machine_outside_of_the_action(root: Path) -> None:
    engine = FakeEngine(write_both)
    run(root, engine, share=Share(cores=3, memory=5, free=1000))
    (command,) = engine.commands
    assert (command.environment[PROCESSES], command.environment[MEMORY]) == ("3", "850")
    assert ACTION.definition()["environment"] == {"TZ": "UTC"}


def test_variables_that_change_no_result_are_no_part_of_the_action(root: Path) -> None:
    engine = FakeEngine(write_both)
    Sandbox(root=root, engine=engine, image="sha256:abc", variables={"COMPARE": "1"}).run(ACTION)
    (command,) = engine.commands
    assert command.environment["COMPARE"] == "1"
    assert ACTION.definition()["environment"] == {"TZ": "UTC"}


def test_an_input_is_mounted_read_only_under_its_name(root: Path) -> None:
    read: list[bytes] = []

    def look(files: Path) -> None:
        read.append(engine.mount("/workspace/net.onnx").source.read_bytes())
        write_both(files)

    engine = FakeEngine(look)
    run(root, engine)
    assert engine.mount("/workspace/net.onnx").read_only
    assert read == [b"onnx"]


def test_nothing_else_is_mounted(root: Path) -> None:
    engine = FakeEngine(write_both)
    run(root, engine)
    assert [mount.target for mount in engine.commands[0].mounts] == ["/workspace", "/workspace/net.onnx"]


def test_the_workspace_holds_only_places_for_the_inputs(root: Path) -> None:
    seen: list[str] = []

    def look(files: Path) -> None:
        seen.extend(path.name for path in files.iterdir())
        write_both(files)

    run(root, FakeEngine(look))
    assert seen == ["net.onnx"]


def test_no_other_user_of_the_host_can_enter_the_workspace(root: Path) -> None:
    modes: list[int] = []

    def look(files: Path) -> None:
        modes.append(stat.S_IMODE(files.parent.stat().st_mode))
        write_both(files)

    run(root, FakeEngine(look))
    assert modes == [0o700]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_tools_user_owns_the_working_directory(root: Path) -> None:
    owners: list[tuple[int, int]] = []

    def look(files: Path) -> None:
        owners.append((files.stat().st_uid, files.stat().st_gid))
        write_both(files)

    run(root, FakeEngine(look))
    assert owners == [NOBODY]


def test_an_input_through_a_link_is_the_file_that_it_leads_to(root: Path) -> None:
    source = root / "models" / "net" / "best.onnx"
    source.rename(root / "real.onnx")
    source.symlink_to(root / "real.onnx")
    engine = FakeEngine(write_both)
    run(root, engine)
    (described,) = engine.described
    assert described.inputs == {"net.onnx": root / "real.onnx"}


@pytest.mark.parametrize("name", ["net.onnx", "files"])
def test_an_input_that_the_tools_user_cannot_read_is_copied_for_it(root: Path, name: str) -> None:
    (root / "models" / "net" / "best.onnx").chmod(0o600)
    seen: list[tuple[bytes, int]] = []

    def look(files: Path) -> None:
        source = engine.mount(f"/workspace/{name}").source
        seen.append((source.read_bytes(), stat.S_IMODE(source.stat().st_mode)))
        write_both(files)

    engine = FakeEngine(look)
    inputs = (Input(name=name, path=Path("models/net/best.onnx")),)
    run(root, engine, dataclasses.replace(ACTION, inputs=inputs))
    assert seen == [(b"onnx", 0o644)]
    assert stat.S_IMODE((root / "models" / "net" / "best.onnx").stat().st_mode) == 0o600


def test_a_missing_input_is_an_error_before_anything_runs(root: Path) -> None:
    (root / "models" / "net" / "best.onnx").unlink()
    engine = FakeEngine(write_both)
    with pytest.raises(CvimakeError, match=r"net:transform: its input models/net/best\.onnx is missing"):
        run(root, engine)
    assert engine.commands == []


def test_the_line_by_hand_names_files_that_are_there_afterwards(root: Path) -> None:
    (root / "models" / "net" / "best.onnx").chmod(0o600)
    engine = FakeEngine(write_both)
    run(root, engine)
    (command,) = engine.described
    sources = [mount.source for mount in command.mounts if mount.target != "/workspace"]
    assert [source.exists() for source in sources] == [True]


# What is published


def test_exactly_the_declared_outputs_are_published(root: Path) -> None:
    def act(files: Path) -> None:
        write_both(files)
        (files / "junk").mkdir()
        (files / "junk" / "core").write_bytes(b"x")
        (files / "net_final.mlir").write_bytes(MLIR)
        (files / "link").symlink_to("/etc/passwd")

    run(root, FakeEngine(act))
    assert published(root) == {"net/net.mlir", "net/net.npz"}
    assert (root / "build/net/net.mlir").read_bytes() == MLIR
    assert (root / "build/net/net.npz").read_bytes() == NPZ


def test_outputs_are_the_callers_with_the_usual_mode(root: Path) -> None:
    def act(files: Path) -> None:
        write_both(files)
        (files / "net.mlir").chmod(0o4777)
        if os.geteuid() == 0:
            os.chown(files / "net.mlir", *NOBODY)

    run(root, FakeEngine(act))
    status = (root / "build/net/net.mlir").stat()
    assert stat.S_IMODE(status.st_mode) == 0o644
    assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())


def test_an_existing_target_is_replaced_and_not_written_into(root: Path) -> None:
    def act(files: Path) -> None:
        write_both(files)
        (files / "net.mlir").write_bytes(b"#loc")

    run(root, FakeEngine(write_both))
    with (root / "build/net/net.mlir").open("rb") as reader:
        run(root, FakeEngine(act))
        assert reader.read() == MLIR
    assert (root / "build/net/net.mlir").read_bytes() == b"#loc"


def test_all_outputs_are_on_the_disk_before_the_first_appears(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    before_publication: list[bool] = []
    fsync, replace = os.fsync, Path.replace

    def note_sync(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def note_replace(path: Path, target: Path) -> Path:
        before_publication.append({(path.parent / name).stat().st_ino for name in left} <= synced)
        left.remove(path.name)
        return replace(path, target)

    left = {"net.mlir", "net.npz"}
    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    run(root, FakeEngine(write_both))
    assert before_publication == [True, True]
    assert (root / "build" / "net").stat().st_ino in synced


def test_an_output_may_lie_on_another_file_system(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == root.stat().st_dev:
        pytest.skip("/dev/shm is no second file system here: mount -t tmpfs tmpfs /dev/shm")
    target = other / f"{tmp_path_factory.getbasetemp().name}-{os.getpid()}.mlir"
    try:
        outputs = (Output(name="net.mlir", path=target, kind=FileKind.MLIR),)
        run(root, FakeEngine(write_both), dataclasses.replace(ACTION, outputs=outputs))
        assert target.read_bytes() == MLIR
    finally:
        target.unlink(missing_ok=True)


def test_where_one_target_cannot_be_replaced_none_is(root: Path) -> None:
    (root / "build/net/net.npz").mkdir(parents=True)
    with pytest.raises(CvimakeError):
        run(root, FakeEngine(write_both))
    assert published(root) == set()


# What is refused


def second(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """A tool that writes the first output well, and makes something else of the second."""

    def act(files: Path) -> None:
        (files / "net.mlir").write_bytes(MLIR)
        make(files / "net.npz")

    return act


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _path: None, "its tool did not write net.npz"),
        (lambda path: path.touch(), "its tool left net.npz empty"),
        (lambda path: path.write_bytes(b"<html>"), "net.npz is not a file of the kind NPZ"),
        (lambda path: path.write_bytes(b"PK"), "net.npz is not a file of the kind NPZ"),
        (lambda path: path.mkdir(), "net.npz is not a plain file"),
        (lambda path: path.symlink_to("nowhere"), "net.npz is not a plain file"),
        (lambda path: path.symlink_to("net.mlir"), "net.npz is not a plain file"),
        (lambda path: path.hardlink_to(path.with_name("net.mlir")), "net.npz is not a plain file"),
        (os.mkfifo, "net.npz is not a plain file"),
    ],
    ids=[
        "missing", "empty", "other kind", "too short", "folder", "dangling link", "link", "hard link", "pipe",
    ],
)  # fmt: skip
def test_an_output_is_a_plain_full_file_of_its_kind(
    root: Path, make: Callable[[Path], object], reason: str
) -> None:
    assert failure(root, FakeEngine(second(make))).startswith("net:transform: ")
    assert reason in failure(root, FakeEngine(second(make)))
    assert published(root) == set()


def test_a_link_to_a_file_of_the_right_kind_outside_is_refused(root: Path) -> None:
    (root / "secret").write_bytes(NPZ)
    text = failure(root, FakeEngine(second(lambda path: path.symlink_to(root / "secret"))))
    assert "net.npz is not a plain file" in text
    assert (root / "secret").read_bytes() == NPZ


def test_every_fault_is_named(root: Path) -> None:
    text = failure(root, FakeEngine(lambda files: (files / "net.mlir").touch()))
    assert "its tool left net.mlir empty; its tool did not write net.npz" in text


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (Ending(exit_code=3), "its tool ended with exit code 3"),
        (Ending(exit_code=137), "the tool was killed"),
        (Ending(exit_code=137, out_of_memory=True), "the tool needs more than its memory limit of 2.0 GiB"),
        (Ending(exit_code=0, out_of_memory=True), "the tool needs more than its memory limit of 2.0 GiB"),
        (Ending(exit_code=137, timed_out=True), "the tool was stopped after its time limit of 90 s"),
    ],
)
def test_a_tool_that_fails_publishes_nothing(root: Path, ending: Ending, reason: str) -> None:
    def act(files: Path) -> Ending:
        write_both(files)
        return ending

    assert f"net:transform: {reason}" in failure(root, FakeEngine(act))
    assert published(root) == set()


def test_earlier_outputs_stay_when_a_stage_fails(root: Path) -> None:
    run(root, FakeEngine(write_both))
    failure(root, FakeEngine(second(lambda path: path.touch())))
    assert (root / "build/net/net.mlir").read_bytes() == MLIR
    assert (root / "build/net/net.npz").read_bytes() == NPZ


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_called_so(root: Path, number: int) -> None:
    def act(_files: Path) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(CvimakeError, match="net:transform: the disk is full") as caught:
        run(root, FakeEngine(act))
    assert caught.value.exit_code == 2


def test_another_error_of_the_file_system_is_no_traceback(root: Path) -> None:
    def act(_files: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "net.mlir")

    with pytest.raises(CvimakeError, match=r"net:transform: .*Permission denied: 'net\.mlir'"):
        run(root, FakeEngine(act))


# What is left behind


def leave_a_mess(files: Path) -> None:
    write_both(files)
    (files / "shut" / "inner").mkdir(parents=True)
    (files / "shut" / "inner" / "file").touch()
    # What a link leads to is none of its business, and must not be the machine's own where a test fails.
    outside = files.parents[3] / "outside"
    outside.mkdir(mode=0o755, exist_ok=True)
    (files / "shut" / "link").symlink_to(outside)
    (files / "shut" / "inner").chmod(0)
    (files / "shut").chmod(0)
    files.chmod(0o500)


def raise_engine_error(files: Path) -> None:
    leave_a_mess(files)
    raise EngineError("no answer")


def raise_interrupt(files: Path) -> None:
    leave_a_mess(files)
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("act", "error"), [(raise_engine_error, EngineError), (raise_interrupt, KeyboardInterrupt)]
)
def test_the_workspace_is_removed_whatever_happens(
    root: Path, act: Callable[[Path], None], error: type[BaseException]
) -> None:
    with pytest.raises(error):
        run(root, FakeEngine(act))
    assert work_left(root) == []
    assert published(root) == set()


def test_the_workspace_is_removed_after_a_failure_and_after_a_success(root: Path) -> None:
    failure(root, FakeEngine(lambda _files: Ending(exit_code=1)))
    assert work_left(root) == []
    run(root, FakeEngine(write_both))
    assert work_left(root) == []


def test_removing_the_workspace_does_not_follow_links(root: Path) -> None:
    (root / "precious").mkdir(mode=0o750)
    (root / "precious" / "file").touch()

    def act(files: Path) -> None:
        write_both(files)
        (files / "link").symlink_to(root / "precious")

    run(root, FakeEngine(act))
    assert (root / "precious" / "file").exists()
    assert stat.S_IMODE((root / "precious").stat().st_mode) == 0o750


# The log


def test_the_log_begins_with_the_line_that_does_it_by_hand(root: Path) -> None:
    run(root, FakeEngine(write_both, b"hello\n"))
    text = (root / "build/logs/net/transform.log").read_text(encoding="utf-8")
    assert text.startswith("# net:transform: to run this stage by hand")
    assert "&& docker run sha256:abc $W\n\nhello\n" in text


def test_a_failure_shows_the_end_of_the_log_and_where_it_is(root: Path) -> None:
    output = b"".join(b"line %d\n" % number for number in range(100))
    lines = failure(root, FakeEngine(lambda _files: Ending(exit_code=1), output)).splitlines()
    assert lines[1:-1] == [f"  line {number}" for number in range(88, 100)]
    assert lines[-1] == f"  The whole log: {root / 'build/logs/net/transform.log'}"


def test_only_the_last_state_of_a_progress_bar_is_shown(root: Path) -> None:
    text = failure(root, FakeEngine(lambda _files: Ending(exit_code=1), b" 10%\r 50%\r100%\ndone\n\n"))
    assert text.splitlines()[1:3] == ["  100%", "  done"]


def test_output_that_is_not_utf8_is_shown_as_far_as_it_goes(root: Path) -> None:
    assert "caf\ufffd" in failure(root, FakeEngine(lambda _files: Ending(exit_code=1), b"caf\xe9\n"))


def test_a_log_is_of_the_last_run_alone(root: Path) -> None:
    run(root, FakeEngine(write_both, b"first\n"))
    run(root, FakeEngine(write_both, b"second\n"))
    assert "first" not in (root / "build/logs/net/transform.log").read_text(encoding="utf-8")


def test_two_actions_have_two_logs(root: Path) -> None:
    sandbox = Sandbox(root=root, engine=FakeEngine(write_both), image="")
    one, other = (dataclasses.replace(ACTION, name=name) for name in ("net:a_b", "net_a:b"))
    assert sandbox.log_path(one) != sandbox.log_path(other)


def test_a_log_does_not_fill_the_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvimake.execution.logs.LIMIT", 10)

    class Talkative(FakeEngine):
        def run(self, command: Command, log: Log) -> Ending:
            for output in (b"12345678", b"abcdefgh", b"more"):
                log.write(output)
            return super().run(command, log)

    run(root, Talkative(write_both))
    log = (root / "build/logs/net/transform.log").read_bytes()
    assert log.endswith(b"\n\n12345678ab\ncvimake: more than 10 bytes; the rest is left out\n")


def test_somebody_may_watch_what_a_tool_prints(root: Path) -> None:
    seen: list[bytes] = []
    engine = FakeEngine(write_both, b"50%|")
    Sandbox(root=root, engine=engine, image="sha256:abc").run(ACTION, seen.append)
    assert seen == [b"50%|"]


def test_a_known_failure_is_told_with_what_to_do_and_where_more_is(root: Path) -> None:
    printed = b"loading\nRuntimeError: Op not support:{'Mod'}\n"
    said = failure(root, FakeEngine(lambda _files: Ending(exit_code=1), printed))
    first, *rest = said.splitlines()
    assert first == "net:transform: tpu_mlir 1.7 does not have the operator 'Mod'"
    assert "loading" not in said
    assert rest[-2].strip().startswith("More: https://github.com/onnx/onnx/")
    assert rest[-1].strip() == f"The whole log: {root / 'build/logs/net/transform.log'}"


def test_control_characters_of_a_tool_do_not_reach_the_terminal(root: Path) -> None:
    said = failure(root, FakeEngine(lambda _files: Ending(exit_code=1), b"\x1b[31mred\x07\n"))
    assert "red" in said
    assert "\x1b" not in said
    assert "\x07" not in said


def test_only_the_end_of_a_long_log_is_searched(root: Path) -> None:
    printed = b"x" * 99 + b"\n" + b"y" * 5 * 1024**2 + b"\nOp not support:{'Mod'}\n"
    said = failure(root, FakeEngine(lambda _files: Ending(exit_code=1), printed))
    assert "operator 'Mod'" in said


# Beside each other


def test_endless_folders_of_a_tool_do_not_disturb_the_next_stage(root: Path) -> None:
    def nest(files: Path) -> None:
        folder = os.open(files, os.O_RDONLY)
        for _ in range(1500):
            os.mkdir("d", 0o500, dir_fd=folder)
            inner = os.open("d", os.O_RDONLY, dir_fd=folder)
            os.fchmod(inner, 0o700)
            os.close(folder)
            folder = inner
        os.close(folder)
        write_both(files)

    run(root, FakeEngine(nest))
    run(root, FakeEngine(write_both))
    assert work_left(root) == []


def test_two_actions_of_one_name_take_turns(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []
    both = threading.Barrier(2)

    def first(files: Path) -> None:
        both.wait()
        time.sleep(0.5)
        order.append("first")
        write_both(files)

    def second(files: Path) -> None:
        order.append("second")
        write_both(files)

    thread = threading.Thread(target=run, args=(root, FakeEngine(first)))
    thread.start()
    both.wait()
    run(root, FakeEngine(second))
    thread.join()
    assert order == ["first", "second"]
    assert "is running net:transform in this project; waiting for it" in capfd.readouterr().err
