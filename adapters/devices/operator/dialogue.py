"""A conversation over a terminal: short lines, one question at a time, every answer within a time.

What the person typed is what the kernel shows him; nothing here ever writes a secret, and an answer that
holds one is thrown away and asked for again, so that it cannot end up in a result.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from adapters.base import ByteStream, Clock
from adapters.devices.operator.answers import MAX_ENTRIES, Moment, duration_words
from adapters.devices.operator.form import Question
from adapters.devices.operator.shape import MISSING
from adapters.errors import BenchError, LinkLost, ReadTimeout
from adapters.registry import Secret

T = TypeVar("T")

WRITE_S = 30.0  # a terminal stopped with Ctrl-S takes nothing
TRIES = 3  # answers in a row that are none
WIDEST = 96  # lines longer than that are hard to read
MAX_LINE_BYTES = 4096  # what a terminal keeps of a line
SHORTEST_SECRET = 4  # fewer characters than that occur by chance
_ROOM = 24  # of a line, for the answer
_LONGEST_LABEL = 44

BELL = "\x07"
BOLD, DIM, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
HELP = "?: help   Enter: not shown   -: empty   s: the system refused   x: cannot be done here"
_EXPLAINED = (
    "?       what is expected here",
    "s       the system refused: it said no, in its own words",
    "x       it cannot be done, or not be read off, on this system",
    "-       the screen shows it, and it is empty",
    "Enter   the screen does not show it; at the end of a list: that was all",
    "=s      the text s itself, where that is the answer",
    "Ctrl-C  stop the run; the bench is then made safe",
)


class TurnedDown(Exception):
    """The person says that the system refused."""


class Impossible(Exception):
    """The person says that it cannot be done here."""


class Dialogue:
    """One conversation, on a stream that is open for as long as it lasts.

    Raises ReadTimeout where nobody answers within ``answer_s``, BenchError after three answers in a row that
    are none. ``name`` is the device's, for messages.
    """

    def __init__(
        self,
        stream: ByteStream,
        *,
        clock: Clock,
        name: str,
        answer_s: float,
        columns: int,
        secrets: Collection[Secret] = (),
        styled: bool = False,
    ) -> None:
        self._stream, self._clock, self._name, self._answer_s = stream, clock, name, answer_s
        self._width = max(30, min(columns - 1, WIDEST))
        self._secrets = [secret.reveal().decode("utf-8", "replace") for secret in secrets]
        self._styled = styled
        self._pending = b""

    # -- saying

    def heading(self, text: str) -> None:
        """Write a rule with a title in it, and ring: hours may lie between two conversations."""
        title = _shown(text)[: self._width - 8]
        bell = BELL if self._styled else ""
        self._write(f"{bell}\n{self._bold(f'── {title} ' + '─' * (self._width - len(title) - 4))}\n")

    def say(
        self, text: str, *, indent: int = 3, hang: int = 0, bold: bool = False, dim: bool = False
    ) -> None:
        """Write a paragraph, wrapped to the terminal; lines after the first hang ``hang`` further in."""
        lines = textwrap.wrap(
            _shown(text), self._width, initial_indent=" " * indent,
            subsequent_indent=" " * (indent + min(hang, self._width // 2)), break_on_hyphens=False,
        )  # fmt: skip
        for line in lines or [""]:
            self._write((self._bold(line) if bold else self._dim(line) if dim else line) + "\n")

    def table(self, rows: Sequence[tuple[str, str]]) -> None:
        """Write labels and values in two columns."""
        column = min(max((len(label) for label, _ in rows), default=0), _LONGEST_LABEL)
        for label, value in rows:
            self.say(f"{label:<{column}}  {value}", indent=6, hang=column + 2, dim=True)

    def gap(self) -> None:
        """Write an empty line."""
        self._write("\n")

    def hint(self) -> None:
        """Write which words are understood at every question."""
        self.say(HELP, dim=True)

    # -- asking

    def ask(self, question: Question, moment: Callable[[], Moment], before: object = MISSING) -> object:
        """Return the answer to one question; ``before`` is what Enter keeps, where it was asked before."""
        if question.answer.many:
            return self._list(question, moment, before)
        for number, word in enumerate(question.answer.choices, 1):
            self._choice(number, word, question.meanings.get(word, ""))

        def read(typed: str) -> object:
            if not typed:
                return question.unseen if before is MISSING else before
            if typed == "-" and question.empty is not MISSING:
                return question.empty
            return question.answer.read(_literal(typed), moment())

        prompt = self._prompt(question, before)
        return self._until(prompt, read, lambda: self._explain(question), about=question.ask)

    def confirm(self, text: str, *, otherwise: str = "") -> bool:
        """Ask for Enter, or for one of the letters of ``otherwise`` (which returns False)."""

        def read(typed: str) -> bool:
            if typed.lower() in ("", "y", "yes", "ok", "done"):
                return True
            if otherwise and typed.lower() in (otherwise[0], otherwise):
                return False
            other = f"{otherwise[0]}" if otherwise else "x where it cannot be done"
            raise ValueError(f"expected Enter, or {other}")

        return self._until(f"{text} > ", read, lambda: None)

    def same(self, text: str, expected: str, wrong: str) -> None:
        """Ask for a text that must be the expected one, which is not shown here. Raises BenchError."""

        def read(typed: str) -> None:
            if typed != expected:
                raise ValueError(wrong)

        self._until(f"{text} > ", read, lambda: None)

    def free(self, text: str) -> str:
        """Ask for a few words; Enter alone is none."""
        return self._until(f"{text} > ", _sentence, lambda: None, words=False)

    def choose(self, text: str, choices: Mapping[str, str]) -> str:
        """Ask for one of some words by number or name; empty: none of them."""
        for number, (word, meaning) in enumerate(choices.items(), 1):
            self._choice(number, word, meaning)

        def read(typed: str) -> str:
            if not typed:
                return ""
            if typed.isdecimal() and 0 < int(typed[:3]) <= len(choices):
                return list(choices)[int(typed[:3]) - 1]
            if typed.lower() in choices:
                return typed.lower()
            raise ValueError(f"expected a number from 1 to {len(choices)}, or Enter for none of them")

        return self._until(f"{text} > ", read, lambda: None, words=False)

    # -- inside

    def _list(self, question: Question, moment: Callable[[], Moment], before: object) -> object:
        """Ask for entries, one a line. Enter at the first line: none, or what it was before."""
        entries: list[object] = []
        for number, word in enumerate(question.answer.choices, 1):
            self._choice(number, word, question.meanings.get(word, ""))
        for column, words in question.answer.columns.items():
            self.say(f"{column}: {', '.join(words)}", indent=6, hang=len(column) + 2)
        how = question.answer.brief or "one a line"
        end = "Enter: none, or the end" if before is MISSING else "Enter: as before, -: none"
        self.say(f"{question.ask} [{how}; {end}]", hang=3)
        while len(entries) < MAX_ENTRIES:

            def read(typed: str) -> object:
                if not typed:
                    return MISSING
                return () if typed == "-" and not entries else question.answer.read(_literal(typed), moment())

            prompt = f"   {len(entries) + 1:>3} > "
            entry = self._until(prompt, read, lambda: self._explain(question), about=question.ask)
            if entry == ():  # it shows none
                return ()
            if entry is MISSING:
                return before if not entries and before is not MISSING else tuple(entries)
            entries.append(entry)
        raise BenchError(f"{self._name}: more than {MAX_ENTRIES} entries for “{question.ask}”")

    def _prompt(self, question: Question, before: object) -> str:
        marks = (question.answer.brief, "" if before is MISSING else "Enter: as before")
        inner = ", ".join(filter(None, marks))
        text = f"{question.ask} [{inner}]" if inner else question.ask
        if len(text) < self._width - _ROOM:
            return f"   {text} > "
        self.say(text, hang=3)
        return "   > "

    def _choice(self, number: int, word: str, meaning: str) -> None:
        self.say(f"{number} {word}" + (f": {meaning}" if meaning else ""), indent=6, hang=2)

    def _explain(self, question: Question) -> None:
        if question.help:
            self.say(question.help, indent=6)
        self.say(f"Expected: {question.answer.words}.", indent=6)

    def _until(
        self,
        prompt: str,
        read: Callable[[str], T],
        explain: Callable[[], None],
        *,
        words: bool = True,
        about: str = "",
    ) -> T:
        """Ask until an answer can be read. ``words``: s, x are understood; ? always is.

        ``about`` is what a message calls the question, where the prompt does not tell.
        """
        failed = 0
        while True:
            typed = self._line(prompt, about)
            if typed == "?":
                explain()
                for line in _EXPLAINED if words else _EXPLAINED[-1:]:
                    self.say(line, indent=6, hang=8, dim=True)
                continue
            if words and typed.lower() in ("s", "x"):
                raise (TurnedDown if typed.lower() == "s" else Impossible)()
            if any(len(secret) >= SHORTEST_SECRET and secret in typed for secret in self._secrets):
                why = "that holds a secret of the bench: it is never typed here"
            else:
                try:
                    return read(typed)
                except ValueError as error:
                    why = str(error)
            failed += 1
            if failed == TRIES:
                question = about or prompt.strip(" >")
                raise BenchError(f"{self._name}: no usable answer to “{question}” in {TRIES} tries: {why}")
            self.say(f"{why} ({TRIES - failed} more {'tries' if TRIES - failed > 1 else 'try'})", indent=6)

    def _line(self, prompt: str, about: str = "") -> str:
        """Return the next line typed, without its end and the blanks around it. Raises ReadTimeout."""
        self._write(prompt)
        deadline_s = self._clock.monotonic_s() + self._answer_s
        while b"\n" not in self._pending:
            left_s = deadline_s - self._clock.monotonic_s()
            try:
                if left_s <= 0:
                    raise ReadTimeout("")
                self._pending += self._stream.read(MAX_LINE_BYTES, left_s)
            except ReadTimeout as error:
                self._write("\n")
                self.say(f"No answer within {duration_words(self._answer_s)}: the run goes on without it.")
                asked = about or prompt.strip(" >")
                raise ReadTimeout(
                    f"{self._name}: nobody answered “{asked}” within {duration_words(self._answer_s)}"
                ) from error
            except LinkLost as error:
                raise LinkLost(f"{self._name}: the operator's terminal is gone ({error})") from error
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode("utf-8", "replace").strip()

    def _write(self, text: str) -> None:
        self._stream.write(text.encode("utf-8", "replace"), WRITE_S)

    def _bold(self, text: str) -> str:
        return f"{BOLD}{text}{PLAIN}" if self._styled else text

    def _dim(self, text: str) -> str:
        return f"{DIM}{text}{PLAIN}" if self._styled else text


def _literal(typed: str) -> str:
    """Return the text behind ``=``, which makes ``s`` and ``-`` ordinary answers."""
    return typed[1:].strip() if typed.startswith("=") and len(typed) > 1 else typed


def _sentence(typed: str) -> str:
    if len(typed) > 400 or not typed.isprintable():
        raise ValueError("expected a few words, at most 400 characters")
    return typed


def _shown(text: str) -> str:
    """Return text made harmless: what a device or a plan wrote is shown, not obeyed."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "�" for char in text)
