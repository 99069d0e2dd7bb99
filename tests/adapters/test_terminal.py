"""A terminal as a transport: lines of a person, Ctrl-C, settings given back, and what is no terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from adapters.clock import WallClock
from adapters.errors import BenchError, ConnectError, LinkLost, ReadTimeout, WriteTimeout
from adapters.transports.terminal import DEFAULT_COLUMNS, TerminalTransport
from virtual_rig.clock import VirtualClock

CLOCK = WallClock()
ROOT = Path(__file__).parents[2]


class Tape:
    """A tap that keeps everything."""

    def __init__(self) -> None:
        self.entries: list[bytes | str] = []

    def sent(self, data: bytes) -> None:
        """Keep what was sent."""
        self.entries.append(data)

    def received(self, data: bytes) -> None:
        """Keep what was received."""
        self.entries.append(data)

    def note(self, text: str) -> None:
        """Keep an event."""
        self.entries.append(text)


@pytest.fixture
def ends() -> Iterator[tuple[int, int, str]]:
    """A pseudo-terminal: the person's end, the terminal itself, and its name."""
    master, slave = pty.openpty()
    yield master, slave, os.ttyname(slave)
    for fd in (master, slave):
        try:
            os.close(fd)
        except OSError:
            continue


@pytest.fixture
def interrupts() -> Iterator[list[int]]:
    """Take SIGINT as the harness does while nothing may be interrupted: note it, and go on."""
    seen: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGINT, handle)
    yield seen
    signal.signal(signal.SIGINT, before)


def test_terminal_line_arrives_with_enter(ends: tuple[int, int, str]) -> None:
    """The kernel edits and echoes a line, and hands it over whole."""
    master, _, device = ends
    tape = Tape()
    stream = TerminalTransport.open(device=device, clock=CLOCK, tap=tape)
    stream.write(b"ready? > ", 1.0)
    os.write(master, b"yez\x7fs\n")
    assert stream.read(100, 5.0) == b"yes\n"
    stream.close()
    stream.close()
    assert tape.entries == [f"opened {device}", b"ready? > ", b"yes\n", "closed"]
    assert b"ready? > ye" in os.read(master, 1000)


def test_terminal_half_a_line_is_none(ends: tuple[int, int, str]) -> None:
    """Without Enter nothing has been said."""
    master, _, device = ends
    stream = TerminalTransport.open(device=device, clock=CLOCK)
    os.write(master, b"ye")
    with pytest.raises(ReadTimeout):
        stream.read(100, 0.05)
    stream.close()


def test_terminal_type_ahead_is_thrown_away(ends: tuple[int, int, str]) -> None:
    """What was typed before the question answers nothing."""
    master, slave, device = ends
    os.write(master, b"yes\n")
    select.select([slave], [], [])
    stream = TerminalTransport.open(device=device, clock=CLOCK)
    with pytest.raises(ReadTimeout):
        stream.read(100, 0.05)
    stream.close()


def test_terminal_settings_are_given_back(ends: tuple[int, int, str]) -> None:
    """A raw terminal asks its questions in lines, and is raw again afterwards."""
    master, slave, device = ends
    tty.setraw(slave)
    before = termios.tcgetattr(slave)
    lent: list[str] = []
    stream = TerminalTransport.open(device=device, clock=CLOCK, lend=lambda: lambda: lent.append("back"))
    assert termios.tcgetattr(slave)[3] & termios.ICANON
    os.write(master, b"yes\r")
    assert stream.read(100, 5.0) == b"yes\n"
    stream.close()
    assert before == termios.tcgetattr(slave)
    assert lent == []  # it is not the terminal this process shows things on


def test_terminal_ctrl_d_is_no_end(ends: tuple[int, int, str]) -> None:
    """An end of file would read as a terminal that is gone."""
    master, _, device = ends
    stream = TerminalTransport.open(device=device, clock=CLOCK)
    os.write(master, b"\x04\n")
    assert stream.read(100, 5.0) == b"\x04\n"
    stream.close()


def test_terminal_ctrl_c_elsewhere_is_sigint_here(ends: tuple[int, int, str], interrupts: list[int]) -> None:
    """Another terminal's Ctrl-C reaches this process at once; the line before it is gone."""
    master, _, device = ends
    stream = TerminalTransport.open(device=device, clock=CLOCK)
    os.write(master, b"half a word\x03yes\n")
    assert stream.read(100, 5.0) == b"yes\n"
    assert interrupts == [signal.SIGINT]
    stream.close()


def test_terminal_that_goes_away_is_lost(ends: tuple[int, int, str]) -> None:
    """Somebody closed the window; closing our end afterwards is harmless."""
    master, _, device = ends
    stream = TerminalTransport.open(device=device, clock=CLOCK)
    os.close(master)
    with pytest.raises(LinkLost):
        stream.read(100, 5.0)
    stream.close()


def test_terminal_that_takes_nothing_is_told_apart(ends: tuple[int, int, str]) -> None:
    """A screen stopped with Ctrl-S is not a person who does not answer."""
    _, _, device = ends
    stream = TerminalTransport.open(device=device, clock=CLOCK)
    with pytest.raises(WriteTimeout):
        stream.write(b"x" * 1_000_000, 0.05)
    stream.close()


def test_terminal_tells_how_wide_it_is(ends: tuple[int, int, str]) -> None:
    """Text is wrapped to the screen; one that does not tell has 80 columns."""
    _, slave, device = ends
    stream = TerminalTransport.open(device=device, clock=CLOCK)
    assert stream.columns == DEFAULT_COLUMNS
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 61, 0, 0))
    assert stream.columns == 61
    stream.close()


@pytest.mark.parametrize(
    "device, says",
    [("/dev/null", "that is no terminal"), ("/dev/pts/99999", "no such terminal; `tty` tells")],
)
def test_terminal_that_is_none_is_refused_in_words(device: str, says: str) -> None:
    """A wrong name in a bench file is told at the first question."""
    with pytest.raises(ConnectError, match=says):
        TerminalTransport.open(device=device, clock=CLOCK)


def test_terminal_in_virtual_time_is_refused_in_words(ends: tuple[int, int, str]) -> None:
    """Virtual time does not pass while a person reads; the settings of the terminal stay as they were."""
    _, slave, device = ends
    before = termios.tcgetattr(slave)
    clock = VirtualClock()
    with pytest.raises(BenchError, match="a person does not live in virtual time"):
        TerminalTransport.open(device=device, clock=clock)
    clock.close()
    assert before == termios.tcgetattr(slave)


# -- the terminal a process was started from

ASK = """
import sys
from adapters.clock import WallClock
from adapters.errors import ConnectError
from adapters.transports.terminal import TerminalTransport
try:
    stream = TerminalTransport.open(
        clock=WallClock(), lend=lambda: print("lent", flush=True) or (lambda: print("back", flush=True))
    )
except ConnectError as error:
    sys.exit(str(error))
stream.write(b"ready? > ", 5.0)
answer = stream.read(100, 20.0)
stream.close()
print(repr(answer), flush=True)
"""
BACKGROUND = f"""
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
os.setpgid(0, 0)
{ASK}
"""


def test_terminal_of_a_process_without_one_is_told_so() -> None:
    """A CI job has nobody to ask, and says what to do about it."""
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "this run has no terminal" in done.stderr
    assert "name another in the link" in done.stderr


def started(program: str, slave: int, **streams: int) -> subprocess.Popen[bytes]:
    """Start a program whose controlling terminal is ``slave``, whatever its streams are."""
    name = os.ttyname(slave)

    def control() -> None:
        os.open(name, os.O_RDWR)  # the first terminal a session's leader opens becomes its own

    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, start_new_session=True, preexec_fn=control,
        stdin=subprocess.DEVNULL, **streams,
    )  # fmt: skip


def test_terminal_of_a_process_is_found_though_its_streams_are_not(ends: tuple[int, int, str]) -> None:
    """pytest takes standard streams away; the terminal is still there, and is lent while it is open."""
    master, slave, _ = ends
    process = started(ASK, slave, stdout=subprocess.PIPE)
    seen = b""
    while b"ready? > " not in seen:
        assert select.select([master], [], [], 20)[0], "no question came"
        seen += os.read(master, 1000)
    os.write(master, b"yes\n")
    output, _ = process.communicate(timeout=20)
    assert output.decode().split("\n")[:3] == ["lent", "back", repr(b"yes\n")]


def test_terminal_of_a_process_in_the_background_is_told_so(ends: tuple[int, int, str]) -> None:
    """A job in the background would only be stopped by the system when it asks."""
    _, slave, _ = ends
    process = started(BACKGROUND, slave, stderr=subprocess.PIPE)
    _, errors = process.communicate(timeout=20)
    assert b"the run is in the background" in errors
