"""The modem's end of the serial line: command lines in, answers and news out. No I/O, no clock.

The owner (a virtual modem) takes ``next_command`` and answers with ``ok``, ``error`` or ``prompt``; after a
prompt comes what was typed up to Ctrl-Z, or nothing after ESC. News waits while a line is being typed or a
PDU entered, as 3GPP TS 27.007 wants it, and otherwise goes out at once, in the middle of an answer too.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

MAX_COMMAND_OCTETS = 1024
_COMMAND = re.compile(r"\+([A-Z]+)(=\?|\?|=(.*))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One command. ``kind`` is ``set``, ``read``, ``test`` or ``run``; ``name`` has no plus, e.g. CMGS.

    A basic command is its letter with its digits: ``E0``, ``I``, ``Z``; a bare AT has no name.
    """

    name: str
    kind: str = "run"
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Typed:
    """What was typed after a prompt; None where it was left with ESC."""

    text: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """A line that is no command: the modem says ERROR."""

    line: str


class AtServer:
    """See the module. ``echo`` is on until ATE0, as on a modem that has just been switched on."""

    def __init__(self) -> None:
        self.echo = True
        self._typed = bytearray()
        self._entering = False
        self._busy = False
        self._out = bytearray()
        self._commands: deque[Command | Typed | Unreadable] = deque()
        self._waiting_news: list[str] = []

    def receive_data(self, data: bytes) -> None:
        """Take octets from the host."""
        for octet in data:
            if self._entering:
                self._enter(octet)
                continue
            if self.echo:
                self._out.append(octet)
            if octet == 0x0D:
                line = self._typed.decode("latin-1").strip()
                self._typed.clear()
                if line:
                    self._split(line)
            elif octet == 0x08:
                del self._typed[-1:]
            elif octet not in (0x0A, 0x1A, 0x1B) and len(self._typed) < MAX_COMMAND_OCTETS:
                self._typed.append(octet)

    def next_command(self) -> Command | Typed | Unreadable | None:
        """Return the next command to answer, or None while there is none or one is being answered."""
        if self._busy or not self._commands:
            return None
        self._busy = True
        return self._commands.popleft()

    def ok(self, *lines: str) -> None:
        """Answer with ``lines`` and OK; between two commands of one line only the lines go out."""
        for line in lines:
            self._say(line)
        if not any(isinstance(each, Command) for each in self._commands):
            self._say("OK")
        self._done()

    def error(self, text: str = "ERROR") -> None:
        """Answer with an error; the rest of the command line is not carried out."""
        self._commands.clear()
        self._say(text)
        self._done()

    def prompt(self) -> None:
        """Ask for a PDU; ``Typed`` comes next."""
        self._out += b"\r\n> "
        self._entering, self._busy = True, False

    def news(self, *lines: str) -> None:
        """Say something unasked as soon as the line is free."""
        self._waiting_news += lines
        self._tell()

    def data_to_send(self) -> bytes:
        """Return what goes to the host now."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _say(self, line: str) -> None:
        self._out += f"\r\n{line}\r\n".encode("latin-1", "replace")

    def _done(self) -> None:
        self._busy = False
        self._tell()

    def _tell(self) -> None:
        if self._entering or self._typed:
            return
        for line in self._waiting_news:
            self._say(line)
        self._waiting_news.clear()

    def _enter(self, octet: int) -> None:
        if octet in (0x1A, 0x1B):
            text = self._typed.decode("latin-1").strip() if octet == 0x1A else None
            self._typed.clear()
            self._entering = False
            self._commands.append(Typed(text=text))
            return
        if self.echo:
            self._out.append(octet)
        if len(self._typed) < MAX_COMMAND_OCTETS:
            self._typed.append(octet)

    def _split(self, line: str) -> None:
        if line[:2].upper() != "AT":
            return  # a modem ignores a line without AT
        rest = line[2:].strip()
        if not rest.startswith("+"):
            self._commands.append(Command(name=rest.upper()))
            return
        for each in rest.split(";"):
            self._commands.append(_parsed(each.strip(), line))


def _parsed(text: str, line: str) -> Command | Unreadable:
    match = _COMMAND.fullmatch(text)
    if match is None:
        return Unreadable(line=line)
    name, tail, arguments = match[1], match[2] or "", match[3]
    if arguments is not None:
        values = tuple(each.strip().strip('"') for each in arguments.split(","))
        return Command(name=name, kind="set", arguments=values)
    return Command(name=name, kind={"=?": "test", "?": "read"}.get(tail, "run"))
