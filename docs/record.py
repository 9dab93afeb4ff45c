"""Records a build as it looks on a terminal: `record.py OUTPUT.gif -- COMMAND ...`.

Runs the command on a terminal of its own and draws what it shows, in real time but for the stretches in which
nothing changes. Needs `pip install pillow pyte` and a monospaced font (Debian: fonts-dejavu-core).
"""

from __future__ import annotations

import argparse
import codecs
import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyte
from PIL import Image, ImageDraw, ImageFont

COLUMNS, ROWS = 104, 21
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf")
FONT_SIZE, LINE_HEIGHT, MARGIN = 13, 18, 12
# Seconds between two pictures, how long one is shown at most, and how long the last one stands.
INTERVAL, LONGEST, LAST = 0.15, 0.5, 6.0
BACKGROUND, FOREGROUND = "#1b1f24", "#d6dae0"
COLOURS = {
    "black": "#6b7280", "red": "#f87171", "green": "#6ee7a0", "brown": "#fcd34d", "blue": "#7cb7ff",
    "magenta": "#e29bff", "cyan": "#67d7e6", "white": FOREGROUND, "brightblack": "#7d8590",
}  # fmt: skip


def frames(command: list[str]) -> Iterator[tuple[float, pyte.Screen]]:
    """What the terminal shows while the command runs, with the seconds since it began."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(screen)
    near, far = pty.openpty()
    variables = {**os.environ, "COLUMNS": str(COLUMNS), "LINES": str(ROWS), "TERM": "xterm-256color"}
    started = time.monotonic()
    # A character may come in two pieces.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    stream.feed(f"$ {' '.join(command)}\r\n")
    with subprocess.Popen(command, stdin=far, stdout=far, stderr=far, env=variables) as process:
        os.close(far)
        while True:
            if select.select([near], [], [], INTERVAL)[0]:
                try:
                    stream.feed(decoder.decode(os.read(near, 1 << 16)))
                except OSError:
                    # The last one to hold the other end has gone.
                    break
            yield time.monotonic() - started, screen
        process.wait()
    yield time.monotonic() - started, screen


def drawn(screen: pyte.Screen, font: ImageFont.FreeTypeFont) -> Image.Image:
    """A picture of a terminal."""
    width = round(font.getlength("m"))
    size = (COLUMNS * width + 2 * MARGIN, ROWS * LINE_HEIGHT + 2 * MARGIN)
    picture = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for row in range(ROWS):
        for column in range(COLUMNS):
            cell = screen.buffer[row][column]
            # The font has no braille, of which spinners are made.
            character = "•" if "\u2800" <= cell.data <= "\u28ff" else cell.data
            if character.strip():
                colour = COLOURS.get(cell.fg, FOREGROUND if len(cell.fg) != len("rrggbb") else f"#{cell.fg}")
                place = (MARGIN + column * width, MARGIN + row * LINE_HEIGHT)
                draw.text(place, character, font=font, fill=colour)
    return picture


def main() -> None:
    """Records the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    font = ImageFont.truetype(str(FONT), FONT_SIZE)
    pictures: list[Image.Image] = []
    shown: list[float] = []
    last_text: tuple[str, ...] = ()
    last_time = 0.0
    for seconds, screen in frames(arguments.command):
        text = tuple(screen.display)
        if seconds - last_time < INTERVAL or text == last_text:
            continue
        if pictures:
            shown.append(min(seconds - last_time, LONGEST))
        pictures.append(drawn(screen, font))
        last_text, last_time = text, seconds
    pictures.append(drawn(screen, font))
    shown += [INTERVAL, LAST][: len(pictures) - len(shown)]
    pictures[0].save(
        arguments.output,
        save_all=True,
        append_images=pictures[1:],
        duration=[round(seconds * 1000) for seconds in shown],
        loop=0,
        optimize=True,
    )


if __name__ == "__main__":
    main()
