from __future__ import annotations

import contextlib
import os
import pty
import socket
import struct
import termios
import threading

import pytest

from cvimake.execution.engine.conversation import Split, Streams, carry, raw


def frame(stream: int, output: bytes) -> bytes:
    """A piece of output as the engine sends it where there is no terminal."""
    return struct.pack(">B3xL", stream, len(output)) + output


def carried(typed: bytes, answers: bytes) -> tuple[bytes, bytes, bytes]:
    """What a program gets that reads to the end and then answers, and what its user sees of both streams."""
    ours, program = socket.socketpair()
    pipes = [os.pipe() for _ in range(3)]
    (read_in, write_in), (read_out, write_out), (read_err, write_err) = pipes
    got = bytearray()

    def answer() -> None:
        with program:
            while piece := program.recv(4096):
                got.extend(piece)
            program.sendall(answers)

    def type_all() -> None:
        rest = typed
        while rest:
            rest = rest[os.write(write_in, rest) :]
        os.close(write_in)

    threads = [threading.Thread(target=work) for work in (answer, type_all)]
    for thread in threads:
        thread.start()
    with ours:
        assert carry(ours, Streams(read_in, write_out, write_err, is_terminal=False), lambda: None)
    for thread in threads:
        thread.join()
    for descriptor in (write_out, write_err):
        os.close(descriptor)
    output, errors = (os.read(descriptor, 65536) for descriptor in (read_out, read_err))
    for descriptor in (read_in, read_out, read_err):
        os.close(descriptor)
    return bytes(got), output, errors


def test_input_goes_to_its_end_and_the_two_outputs_come_back_apart() -> None:
    answers = frame(1, b"out") + frame(2, b"err") + frame(1, b"put")
    assert carried(b"ls\n", answers) == (b"ls\n", b"output", b"err")


def test_more_input_than_a_socket_holds_arrives() -> None:
    typed = os.urandom(3_000_000)
    assert carried(typed, b"") == (typed, b"", b"")


@pytest.mark.parametrize("step", [1, 3, 8, 9, 100])
def test_a_frame_may_come_in_any_pieces(step: int) -> None:
    whole = frame(1, b"first") + frame(2, b"") + frame(2, b"second") + frame(1, b"third")
    split = Split()
    found = [piece for at in range(0, len(whole), step) for piece in split.pieces(whole[at : at + step])]
    assert b"".join(piece for stream, piece in found if stream == 1) == b"firstthird"
    assert b"".join(piece for stream, piece in found if stream == 2) == b"second"


def test_a_terminal_is_restored_after_an_error() -> None:
    ours, theirs = pty.openpty()
    try:
        before = termios.tcgetattr(theirs)
        with contextlib.suppress(KeyboardInterrupt), raw(Streams(theirs, theirs, theirs, is_terminal=True)):
            assert not termios.tcgetattr(theirs)[3] & (termios.ECHO | termios.ISIG | termios.ICANON)
            raise KeyboardInterrupt
        assert termios.tcgetattr(theirs) == before
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_terminal_that_is_gone_ends_the_conversation() -> None:
    ours, theirs = pty.openpty()
    near, program = socket.socketpair()
    with near, program:
        os.close(ours)
        assert not carry(near, Streams(theirs, theirs, theirs, is_terminal=True), lambda: None)
    os.close(theirs)
