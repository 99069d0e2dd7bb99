"""A scripted person at the other end of a pseudo-terminal: reads prompts, types answers, never sleeps."""

from __future__ import annotations

import codecs
import os
import pty
import re
import select
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType

from adapters.base import Clock
from adapters.clock import WallClock
from adapters.registry import AdapterContext, OpenedLink, Secret
from adapters.transports.stream import NoTap
from adapters.transports.terminal import TerminalTransport

STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
UNIT = "0012345678"
LEAVES = "\x04leaves"
"""What a person answers who gets up and goes: nothing."""
GOOD_BYE = "\x00that was all"

Answer = Callable[[str], str]


class Person:
    """Types what ``answer(prompt)`` returns at every prompt; ``screen`` is all he has seen.

    ``prompts`` are those he answered, one a line, without their ``>``. What ``answer`` raises is raised again
    where the block ends; until then he has hung up, so that nobody waits for him.
    """

    def __init__(self, answer: Answer) -> None:
        self.screen = ""
        self.prompts: list[str] = []
        self._answer = answer
        self._line = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._master, self._slave = pty.openpty()
        self.device = os.ttyname(self._slave)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name="person", daemon=True)

    def __enter__(self) -> Person:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What was written before arrives before: a terminal hands it on in its own time.
        with suppress(OSError):
            os.write(self._slave, GOOD_BYE.encode())
        self._thread.join(30)
        os.close(self._slave)
        if self._failure is not None:
            raise self._failure

    @property
    def read(self) -> str:
        """Return all he has seen, as he reads it: without styles and line ends."""
        return " ".join(STYLE.sub("", self.screen).split())

    def types(self, text: str) -> None:
        """Type a line without having been asked; it has arrived when this returns."""
        os.write(self._master, text.encode())
        select.select([self._slave], [], [])

    def _live(self) -> None:
        try:
            while GOOD_BYE not in self.screen:
                self._reads(self._decoder.decode(os.read(self._master, 65536)))
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            self._failure = error
        finally:
            os.close(self._master)

    def _reads(self, text: str) -> None:
        self.screen += text
        self._line = (self._line + text).rpartition("\n")[2]
        if STYLE.match(self._line) or not self._line.endswith(" > "):  # part of a menu path is no prompt
            return
        prompt, self._line = self._line.removesuffix(" > ").strip(), ""
        if not prompt.strip(" >"):  # the question was long: it stands in the line above
            prompt = STYLE.sub("", self.screen.rstrip(" >").splitlines()[-1]).strip()
        self.prompts.append(prompt)
        typed = self._answer(prompt)
        if typed != LEAVES:
            os.write(self._master, typed.encode() + (b"" if typed.endswith("\x03") else b"\n"))


class Script:
    """Answers in order, whatever the prompt is; more prompts than answers are a failure of the test."""

    def __init__(self, *answers: str) -> None:
        self._left = list(answers)

    def __call__(self, prompt: str) -> str:
        assert self._left, f"nothing is left to answer {prompt!r}"
        return self._left.pop(0)


class Willing:
    """Answers every question in a way that fits it; ``first`` are words typed before that, in order."""

    def __init__(self, *first: str, unit: str = UNIT) -> None:
        self._first, self._unit = list(first), unit
        self.person: Person | None = None

    def __call__(self, prompt: str) -> str:
        if self._first:
            return self._first.pop(0)
        if prompt.endswith("which serial number does it show?"):
            return self._unit
        if re.search(r"\[Enter: ", prompt):
            return ""
        if prompt == "1":  # the first entry of a list
            assert self.person is not None
            entries = {"[time; kind": "now; registration; processed; all of it", "[name: outcome": "get: ok"}
            return next((typed for mark, typed in entries.items() if mark in self._last_screen()), "1")
        if re.fullmatch(r"\d+", prompt):
            return ""
        fitting = {"yes/no": "yes", "number": "3", "dBm": "-85 dBm", "e.g. 90 s": "2 min", "e.g. now": "now"}
        return next((typed for mark, typed in fitting.items() if f"[{mark}" in prompt), "1")

    def _last_screen(self) -> str:
        assert self.person is not None
        return self.person.read[-400:]


def willing(*first: str, unit: str = UNIT) -> Person:
    """Return a person who answers whatever he is asked, after the words ``first``."""
    answer = Willing(*first, unit=unit)
    answer.person = Person(answer)
    return answer.person


def context(
    person: Person,
    *,
    name: str = "tms",
    profile: str = "",
    answer_s: str = "20",
    secrets: Mapping[str, bytes] | None = None,
    references: Mapping[str, str] | None = None,
    where: Iterable[str] = (),
    clock: Clock | None = None,
) -> AdapterContext:
    """Return the context of an operator at the person's terminal; ``where`` is told one after the other."""
    wall = clock if clock is not None else WallClock()
    places = list(where)

    def opened(link: str) -> OpenedLink:
        stream = TerminalTransport.open(device=person.device, clock=wall)
        return OpenedLink(stream=stream, serial=None, tap=NoTap(), options={})

    return AdapterContext(
        name=name,
        clock=wall,
        profile=profile,
        links={"main": {"transport": "terminal", "device": person.device, "answer_s": answer_s}},
        secrets={label: Secret(value) for label, value in (secrets or {}).items()},
        secret_references=dict(references or {}),
        open_link=opened,
        where=lambda: places[0] if places else "",
    )
