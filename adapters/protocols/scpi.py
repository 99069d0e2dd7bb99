"""SCPI (SCPI-99, IEEE 488.2) as bytes in, bytes out: a parser for instruments, and words for their users.

An instrument registers headers in the notation of its manual, ``[SOURce:]PHASe#:VOLTage:RANGe``: capitals are
the short form, square brackets hold what may be left out, ``#`` takes a numeric suffix (1 when absent). The
parser follows the standard's rules: either the short or the long form in any case, a leading colon starts at
the root, a header after ``;`` continues at the level of the one before it, common commands (``*IDN?``) leave
that level alone, and what is wrong goes into the error queue instead of an answer. Units after numbers are
not accepted: the instruments modelled here do not document any.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from adapters.errors import LocalProtocolError, RemoteProtocolError

MAX_MESSAGE_BYTES = 4096
MAX_QUEUE = 32
MAX_CHANNELS = 1000  # of one channel list, its ranges written out

ERRORS = {
    0: "No error",
    -102: "Syntax error",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -113: "Undefined header",
    -114: "Header suffix out of range",
    -171: "Invalid expression",
    -221: "Settings conflict",
    -222: "Data out of range",
    -224: "Illegal parameter value",
    -350: "Queue overflow",
    -363: "Input buffer overrun",
}

Setter = Callable[[tuple[int, ...], Sequence[str]], None]
Query = Callable[[tuple[int, ...], Sequence[str]], str]

_PART = re.compile(r"([A-Z]+)([a-z]*)(#?)")
_HEADER = re.compile(r"(:?)(\*?[A-Za-z][A-Za-z0-9:]*)(\?)?(?:\s+(.*))?", re.DOTALL)
_RANGE = r"\s*\d{1,5}\s*(?::\s*\d{1,5}\s*)?"
_CHANNELS = re.compile(rf"\(\s*@({_RANGE}(?:,{_RANGE})*)\)")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")


class CommandError(RemoteProtocolError):
    """A command an instrument cannot follow; ``number`` is the standard's."""

    def __init__(self, number: int, detail: str = "") -> None:
        self.number = number
        text = ERRORS.get(number, "Device-specific error")
        super().__init__(f"{text};{detail}" if detail else text, clause="SCPI-99 21.8")


def is_number(text: str) -> bool:
    """Return whether ``text`` is a decimal number (NR1, NR2 or NR3)."""
    return _NUMBER.fullmatch(text.strip()) is not None


def number(text: str) -> Decimal:
    """Return a numeric parameter (NR1, NR2 or NR3) exactly. Raises CommandError -104."""
    if not is_number(text):
        raise CommandError(-104, text[:40])
    return Decimal(text.strip())


def numbers(arguments: Sequence[str], count: int) -> tuple[Decimal, ...]:
    """Return exactly ``count`` numeric parameters. Raises CommandError -109, -108 or -104."""
    if len(arguments) < count:
        raise CommandError(-109)
    if len(arguments) > count:
        raise CommandError(-108)
    return tuple(number(argument) for argument in arguments)


def boolean(arguments: Sequence[str]) -> bool:
    """Return the one boolean parameter: ON, OFF, or a number (0 is off). Raises CommandError."""
    if len(arguments) == 1 and arguments[0].upper() in ("ON", "OFF"):
        return arguments[0].upper() == "ON"
    return bool(numbers(arguments, 1)[0])


def channels(arguments: Sequence[str]) -> tuple[int, ...]:
    """Return the one channel list, ``(@1,3)`` or ``(@1:4,7)``, written out (SCPI-99 volume 1, 8.3.2).

    Raises CommandError -109, -108, -171 for what is no list of plain channels, -222 for one without measure.
    """
    if len(arguments) != 1:
        raise CommandError(-108 if arguments else -109)
    found: list[int] = []
    match = _CHANNELS.fullmatch(arguments[0])
    if match is None:
        raise CommandError(-171, arguments[0][:40])
    for part in match[1].split(","):
        first, _, last = part.partition(":")
        start, end = int(first), int(last or first)
        if abs(end - start) + len(found) >= MAX_CHANNELS:
            raise CommandError(-222, f"more than {MAX_CHANNELS} channels")
        found += range(start, end + 1) if start <= end else range(start, end - 1, -1)
    return tuple(found)


def channel_list(listed: Sequence[int]) -> str:
    """Return a channel list as it is sent. Raises LocalProtocolError for what is none."""
    if not listed or min(listed) < 0:
        raise LocalProtocolError(f"no SCPI channel list: {list(listed)}", clause="SCPI-99 8.3.2")
    return f"(@{','.join(map(str, listed))})"


@dataclass(kw_only=True, eq=False)
class _Node:
    """One level of the tree; ``children`` by upper-case short and long form."""

    takes_suffix: bool = False
    children: dict[str, _Node] = field(default_factory=dict)
    setter: Setter | None = None
    query: Query | None = None


class CommandTree:
    """The headers an instrument knows. One tree serves any number of parsers."""

    def __init__(self) -> None:
        self.root = _Node()
        self.common: dict[str, tuple[Setter | None, Query | None]] = {}

    def on(self, header: str, *, setter: Setter | None = None, query: Query | None = None) -> None:
        """Register ``header``. Handlers get the suffixes along the path and the parameters.

        Raises LocalProtocolError for a header that is not in the notation described above.
        """
        if header.startswith("*"):
            self.common[header[1:].upper()] = (setter, query)
            return
        for path in _spelled_out(header):
            node = self.root
            for part in path:
                node = _child(node, part, header)
            if node.setter or node.query:
                raise LocalProtocolError(f"SCPI header {header} is registered twice", clause="SCPI-99 6.2")
            node.setter, node.query = setter, query


class ScpiParser:
    """The instrument's side of one connection. Feed it bytes, send what it returns."""

    def __init__(self, tree: CommandTree) -> None:
        self._tree = tree
        self._buffer = bytearray()
        self._overrun = False
        self._errors: deque[CommandError] = deque()

    def receive_data(self, data: bytes) -> bytes:
        """Take bytes from the controller and return the answers to the messages they complete."""
        answers = bytearray()
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            message = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            if self._overrun or end > MAX_MESSAGE_BYTES:
                self._overrun = False
                self.report(CommandError(-363))
                continue
            answer = self.execute(message.decode("latin-1").strip())
            if answer:
                answers += answer.encode("latin-1", "replace") + b"\n"
        if len(self._buffer) > MAX_MESSAGE_BYTES:
            self._overrun = True
            self._buffer.clear()
        return bytes(answers)

    def execute(self, message: str) -> str:
        """Carry out one program message and return the answers to its queries, joined by ``;``.

        The first error ends the message: what follows it is not carried out.
        """
        answers: list[str] = []
        level = self._tree.root
        suffixes: tuple[int, ...] = ()
        try:
            for unit in _split(message, ";"):
                if unit:
                    answer, level, suffixes = self._unit(unit, level, suffixes)
                    if answer is not None:
                        answers.append(answer)
        except CommandError as error:
            self.report(error)
        return ";".join(answers)

    def report(self, error: CommandError) -> None:
        """Put an error into the queue; the last place says that there were more."""
        if len(self._errors) < MAX_QUEUE:
            self._errors.append(error)
        else:
            self._errors[-1] = CommandError(-350)

    def next_error(self) -> str:
        """Take the oldest error from the queue and return it as ``SYSTem:ERRor?`` answers."""
        if not self._errors:
            return f'0,"{ERRORS[0]}"'
        error = self._errors.popleft()
        return f'{error.number},"{str(error).replace(chr(34), chr(39))}"'

    def clear(self) -> None:
        """Forget all errors (``*CLS``)."""
        self._errors.clear()

    def _unit(
        self, unit: str, level: _Node, suffixes: tuple[int, ...]
    ) -> tuple[str | None, _Node, tuple[int, ...]]:
        match = _HEADER.fullmatch(unit)
        if match is None:
            raise CommandError(-102, unit[:40])
        rooted, header, question, rest = match.groups()
        arguments = [argument.strip() for argument in _split(rest, ",")] if rest and rest.strip() else []
        if header.startswith("*"):
            setter, query = self._tree.common.get(header[1:].upper(), (None, None))
            found: tuple[int, ...] = ()
        else:
            if rooted:
                level, suffixes = self._tree.root, ()
            node, level, found, suffixes = _descend(level, suffixes, header)
            setter, query = node.setter, node.query
        if question:
            if query is None:
                raise CommandError(-113, header)
            return query(found, arguments), level, suffixes
        if setter is None:
            raise CommandError(-113, header)
        setter(found, arguments)
        return None, level, suffixes


# -- the controller's side


def program_message(*units: str) -> bytes:
    """Return one program message of several units, each from the root. Raises LocalProtocolError."""
    for unit in units:
        if not unit or not unit.isascii() or "\n" in unit or "\r" in unit:
            raise LocalProtocolError(f"not a SCPI program message unit: {unit!r}", clause="IEEE 488.2 7.3")
    joined = ";".join(unit if unit.startswith(("*", ":")) else f":{unit}" for unit in units)
    return joined.encode() + b"\n"


def answer_line(buffer: bytearray) -> str | None:
    """Take one answer off the front of ``buffer``; None while its newline has not come.

    Raises RemoteProtocolError for an answer longer than an instrument sends.
    """
    end = buffer.find(b"\n")
    if end < 0 and len(buffer) <= MAX_MESSAGE_BYTES:
        return None
    if not 0 <= end <= MAX_MESSAGE_BYTES:
        raise RemoteProtocolError("a SCPI answer without an end", data=bytes(buffer[:64]))
    line = bytes(buffer[:end])
    del buffer[: end + 1]
    return line.decode("latin-1").strip()


def error_of(answer: str) -> tuple[int, str]:
    """Return number and text of an answer to ``SYSTem:ERRor?``. Raises RemoteProtocolError."""
    match = re.fullmatch(r'([+-]?\d{1,6})\s*,\s*"(.*)"', answer, re.DOTALL)
    if match is None:
        raise RemoteProtocolError(
            f"not an answer to SYSTem:ERRor?: {answer!r}", data=answer.encode("latin-1")
        )
    return int(match[1]), match[2]


# -- inside


def _spelled_out(header: str) -> Iterable[list[str]]:
    """Yield the paths ``header`` stands for, with and without each part in brackets."""
    paths: list[list[str]] = [[]]
    for optional, part in re.findall(r"\[:?([A-Za-z#]+):?\]|([A-Za-z#]+)", header):
        if optional:
            paths = [path + extra for path in paths for extra in ([optional], [])]
        else:
            paths = [[*path, part] for path in paths]
    return [path for path in paths if path]


def _child(node: _Node, part: str, header: str) -> _Node:
    match = _PART.fullmatch(part)
    if match is None:
        raise LocalProtocolError(f"{part!r} in SCPI header {header} has no short form in capitals")
    short, rest, suffix = match.groups()
    found = node.children.get(short) or _Node(takes_suffix=bool(suffix))
    node.children[short] = node.children[short + rest.upper()] = found
    return found


def _descend(
    level: _Node, suffixes: tuple[int, ...], header: str
) -> tuple[_Node, _Node, tuple[int, ...], tuple[int, ...]]:
    """Return the node ``header`` leads to from ``level``, the level above it, and the suffixes of both."""
    node, parent, above, path = level, level, suffixes, suffixes
    for part in header.split(":"):
        parent, above = node, path
        name = part.rstrip("0123456789").upper()
        child = node.children.get(name)
        if child is None:
            raise CommandError(-113, header)
        digits = part[len(name) :]
        if digits and not child.takes_suffix:
            raise CommandError(-113, header)
        if child.takes_suffix:
            path = (*path, int(digits[:6] or "1"))
        node = child
    return node, parent, path, above


def _split(text: str, separator: str) -> list[str]:
    """Split ``text`` at ``separator`` outside of quotes and of expressions in parentheses."""
    parts, quote, start, depth = [], "", 0, 0
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth < 0:
                raise CommandError(-102, "a parenthesis nobody opened")
        elif character == separator and not depth:
            parts.append(text[start:index].strip())
            start = index + 1
    if quote:
        raise CommandError(-102, "a string without an end")
    if depth:
        raise CommandError(-102, "an expression without an end")
    parts.append(text[start:].strip())
    return parts
