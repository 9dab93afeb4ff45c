"""Carries a user's input to a program in a container, and the program's output back, until it ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import ssl
import struct
import termios
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_SIZE = 65536
# Input is read on while less than this waits to be sent, in bytes.
_MOST_WAITING = 1024 * 1024
# The socket can take or give nothing at the moment.
_BUSY = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
# Without a terminal, the engine puts this in front of each piece of output: the stream's number, three empty
# bytes, and the number of bytes.
_HEAD = struct.Struct(">B3xL")
_ERRORS = 2


@dataclass(frozen=True)
class Streams:
    """The standard streams of this process, as descriptors.

    Attributes:
        is_terminal: the program gets a terminal too.
    """

    input: int
    output: int
    errors: int
    is_terminal: bool

    def size(self) -> tuple[int, int]:
        """Return the height and the width of the terminal, in characters."""
        columns, lines = os.get_terminal_size(self.output)
        return lines, columns


@contextlib.contextmanager
def raw(streams: Streams) -> Iterator[None]:
    """Hand every key on as it is, also Ctrl-C. However this ends, the terminal is then as it was before."""
    if not streams.is_terminal:
        yield
        return
    before = termios.tcgetattr(streams.input)
    try:
        tty.setraw(streams.input)
        yield
    finally:
        # The terminal may be gone.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(streams.input, termios.TCSADRAIN, before)


def carry(connection: socket.socket, streams: Streams, resize: Callable[[], None]) -> bool:
    """Carry input and output until the program ends, or the terminal is gone.

    Args:
        connection: leads to the program's streams.
        streams: the user's.
        resize: tells the program the size of the user's terminal. It is called at every change.

    Returns:
        True if the program has ended.

    Raises:
        OSError: the connection is lost, or nobody reads the output.
    """
    connection.settimeout(0)
    typed, split = _Typed(connection, streams), Split()
    with _size_changes(streams) as changes:
        while True:
            reading = [connection.fileno(), changes, *typed.wanted]
            ready, free, _ = select.select(reading, [connection.fileno()] if typed.waiting else [], [])
            if changes in ready:
                os.read(changes, _SIZE)
                resize()
            if streams.input in ready:
                typed.read()
                if not typed.is_open and streams.is_terminal:
                    return False
            typed.send(is_free=bool(free))
            if connection.fileno() in ready:
                try:
                    output = connection.recv(_SIZE)
                except _BUSY:
                    continue
                if not output:
                    return True
                pieces = [(0, output)] if streams.is_terminal else split.pieces(output)
                for stream, piece in pieces:
                    _write(streams.errors if stream == _ERRORS else streams.output, piece)


class _Typed:
    """The user's input on its way to the program.

    Attributes:
        waiting: the bytes that are not sent yet.
        is_open: there may be more input.
    """

    def __init__(self, connection: socket.socket, streams: Streams) -> None:
        self._connection, self._streams = connection, streams
        self.waiting, self.is_open, self._is_told = bytearray(), True, False

    @property
    def wanted(self) -> list[int]:
        """The descriptors that input is wanted from now."""
        return [self._streams.input] if self.is_open and len(self.waiting) < _MOST_WAITING else []

    def read(self) -> None:
        """Read some input. It also ends where the terminal is gone."""
        found = b""
        with contextlib.suppress(OSError):
            found = os.read(self._streams.input, _SIZE)
        self.waiting += found
        self.is_open = bool(found)

    def send(self, *, is_free: bool) -> None:
        """Send as much as the connection takes; after everything, tell the program that there is no more."""
        if is_free:
            try:
                del self.waiting[: self._connection.send(self.waiting)]
            except _BUSY:
                return
            except (BrokenPipeError, ConnectionResetError):
                # The program takes no more.
                self.waiting.clear()
                self.is_open = False
        if not (self.is_open or self.waiting or self._is_told):
            self._is_told = True
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_WR)


class Split:
    """Takes the engine's one stream apart into the program's output and its errors."""

    def __init__(self) -> None:
        self._rest = b""
        self._stream, self._left = 0, 0

    def pieces(self, received: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the pieces of output in what was received, each with the number of its stream."""
        self._rest += received
        while self._rest:
            if not self._left:
                if len(self._rest) < _HEAD.size:
                    return
                self._stream, self._left = _HEAD.unpack_from(self._rest)
                self._rest = self._rest[_HEAD.size :]
            piece, self._rest = self._rest[: self._left], self._rest[self._left :]
            self._left -= len(piece)
            if piece:
                yield self._stream, piece


@contextlib.contextmanager
def _size_changes(streams: Streams) -> Iterator[int]:
    """Yield a descriptor that can be read whenever the terminal's size has changed."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def tell(_number: int, _frame: object) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(writing, b".")

    before = signal.signal(signal.SIGWINCH, tell) if streams.is_terminal else None
    try:
        yield reading
    finally:
        if streams.is_terminal:
            signal.signal(signal.SIGWINCH, before)
        os.close(reading)
        os.close(writing)


def _write(descriptor: int, output: bytes) -> None:
    while output:
        output = output[os.write(descriptor, output) :]
