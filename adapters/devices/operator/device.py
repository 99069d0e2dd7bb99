"""A person in place of an adapter: he does what has no API, guided step by step, and reads the result off.

``adapter: operator`` plays any role. What he is told and asked comes from the role's Protocol and the profile
of the role; see ``docs/operator.md``. What was said stands in the transcript of the link.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from adapters.devices.operator.answers import Moment, duration_words, said, text_of
from adapters.devices.operator.dialogue import Dialogue, Impossible, TurnedDown
from adapters.devices.operator.fit import PLACEHOLDER, profile_of
from adapters.devices.operator.form import Form
from adapters.devices.operator.shape import MISSING, Method, methods_of, protocol_of
from adapters.errors import BenchError, LabError, NotPermitted, Refused
from adapters.profiles.operator_model import Instruction, Task
from adapters.registry import AdapterContext
from adapters.roles import Identity
from adapters.transports.terminal import DEFAULT_COLUMNS, TerminalTransport

DEFAULT_ANSWER_S = 1800.0
_KEPT_RESULTS = 200
_STYLE = re.compile(r"\x1b\[[0-9;]*m")

Call = tuple[str, tuple[tuple[str, object], ...]]


@dataclass(frozen=True, kw_only=True)
class _Look:
    """The last look at something: what was asked, where the run was, and what was read off."""

    call: Call
    where: str
    at_s: float
    answers: Mapping[str, object] = field(default_factory=dict)


class Operator:
    """A device that a person is. ``Operator.serving(role)`` is the class for one role.

    Its one link is a terminal, open only while something is asked. Raises, besides what the role says:
    NotPermitted where the person says that it cannot be done, NotSeen where he cannot see what is asked,
    ReadTimeout where nobody answers.
    """

    role: ClassVar[str] = "any role"
    default_links: ClassVar[Mapping[str, Mapping[str, str]]] = {"main": {"transport": "terminal"}}

    def __init__(self, context: AdapterContext) -> None:
        if len(context.links) != 1:
            raise BenchError(f"device {context.name}: an operator has one link, not {len(context.links)}")
        self._link, options = next(iter(context.links.items()))
        if options.get("transport") != "terminal":
            raise BenchError(
                f"device {context.name}: an operator sits at a terminal, `link: {{transport: terminal}}`, "
                f"not at {options.get('transport')}"
            )
        self._context, self._clock = context, context.clock
        self._answer_s = float(options.get("answer_s", DEFAULT_ANSWER_S))
        self._profile = profile_of(self.role, context.profile)
        self._zone = ZoneInfo(self._profile.time_zone) if self._profile.time_zone else None
        self._methods = methods_of(self.role)
        self._results: list[object] = []
        self._last: _Look | None = None
        self._to_undo: dict[Call, None] = {}  # in the order it was done
        self._talk: Dialogue | None = None

    @classmethod
    def serving(cls, role: str) -> type[Operator]:
        """Return the operator of a role: its methods ask a person. Raises BenchError for no role."""
        return _operator_of(role)

    @classmethod
    def check_profile(cls, source: str) -> None:
        """Raise ConfigError where ``source`` is no operator profile of this role."""
        profile_of(cls.role, source)

    @classmethod
    def transcript(cls, options: object) -> Transcript:
        """Return the decoder of what crossed the terminal: the lines as they stood there."""
        return Transcript()

    # -- Device

    def identify(self) -> Identity:
        """Ask who the device is; what the bench expects is not shown."""
        found = self._perform("identify", {})
        assert isinstance(found, Identity)
        return found

    def make_safe(self) -> None:
        """Have taken back, last first, what was done and has an undoing.

        Raises BenchError where the person does not confirm it: such a bench must not be reported as safe.
        """
        failures = []
        for call in reversed(list(self._to_undo)):
            method, arguments = call
            try:
                self._perform(method, dict(arguments), safe=True)
            except LabError as error:
                failures.append(str(error))
        if failures:
            raise BenchError("; ".join(failures))

    def close(self) -> None:
        """Nothing is open: the terminal is given back after every conversation."""

    # -- inside

    def _perform(self, name: str, arguments: Mapping[str, object], *, safe: bool = False) -> object:
        """Have one method of the role done, and return its result."""
        method, task = self._methods[name], self._profile.tasks.get(name)
        call: Call = (name, tuple(arguments.items()))
        form = Form(method, task, arguments, self._results)
        undone = {each for each in self._to_undo if _takes_back(call, each)}
        undo = self._undoing(task, arguments)
        known = undo in self._to_undo
        with self._conversation() as talk:
            act = _Act(self, talk, method, task, arguments, form)
            again = self._last if task is not None and task.look and self._last else None
            if again is not None and (again.call, again.where) != (call, self._context.where()):
                again = None
            if undo is not None:  # from here on it may have been done, whatever becomes of the answers
                self._to_undo[undo] = None
            try:
                answers, moment = act.once_more(again) if again is not None else act.from_the_start(safe)
            except TurnedDown:
                if undo is not None and not known:
                    del self._to_undo[undo]
                raise act.refusal() from None
            except Impossible:
                if undo is not None and not known:
                    del self._to_undo[undo]
                raise act.impossible() from None
        for each in undone:
            self._to_undo.pop(each, None)
        result = form.fill(answers, moment)
        self._results = [*self._results, result][-_KEPT_RESULTS:]
        self._last = _Look(
            call=call, where=self._context.where(), at_s=self._clock.monotonic_s(), answers=answers
        )
        return result

    def _undoing(self, task: Task | None, arguments: Mapping[str, object]) -> Call | None:
        """Return the call that takes this one back."""
        if task is None or not task.undo:
            return None
        wanted = self._methods[task.undo].signature.parameters
        return task.undo, tuple((name, value) for name, value in arguments.items() if name in wanted)

    @contextmanager
    def _conversation(self) -> Iterator[Dialogue]:
        stream = self._context.open_link(self._link).stream
        try:
            terminal = isinstance(stream, TerminalTransport)
            yield Dialogue(
                stream,
                clock=self._clock,
                name=self._context.name,
                answer_s=self._answer_s,
                columns=stream.columns if isinstance(stream, TerminalTransport) else DEFAULT_COLUMNS,
                secrets=list(self._context.secrets.values()),
                styled=terminal,
            )
        finally:
            stream.close()


class _Act:
    """One method being done: what is said, what is asked, in which order."""

    def __init__(
        self,
        operator: Operator,
        talk: Dialogue,
        method: Method,
        task: Task | None,
        arguments: Mapping[str, object],
        form: Form,
    ) -> None:
        self._operator, self._context, self._profile = operator, operator._context, operator._profile
        self._talk, self._method, self._task, self._form = talk, method, task, form
        self._arguments = arguments
        self._done: Moment | None = None

    def from_the_start(self, safe: bool) -> tuple[dict[str, object], Moment]:
        """Tell what to do, have it confirmed, ask what there is to read off, and have that confirmed."""
        self._heading(safe)
        self._instruct()
        if self._task is not None and self._task.confirm:
            self._confirm_device(str(self._arguments[self._task.confirm]))
        done = self._task.done if self._task is not None else ""
        if done or not self._form.questions:
            self._talk.confirm(f"   {done or 'Done?'} [Enter: yes]")
            self._done = self._moment()
        return self._read_off({})

    def once_more(self, last: _Look) -> tuple[dict[str, object], Moment]:
        """Ask whether it is still as it was: the plan waits for a change and looks again and again."""
        talk, now_s = self._talk, self._context.clock.monotonic_s()
        talk.heading(f"{self._context.name}: look again, {duration_words(now_s - last.at_s)} later")
        self._where()
        talk.say(self._filled(self._instructions()[0].do if self._instructions() else self._method.summary))
        moment = self._moment()
        for question in self._form.to_ask(last.answers):
            talk.say(f"{question.ask}  {self._said(last.answers[question.name], moment)}", indent=6, hang=2)
        if talk.confirm("   Still so? [Enter: yes, c: changed]", otherwise="changed"):
            return dict(last.answers), self._moment()
        return self._read_off(last.answers)

    def refusal(self) -> Refused:
        """Ask for the reason of a refusal, and return it."""
        talk = self._talk
        reason = ""
        if self._profile.refusals:
            talk.say(f"Why did {self._profile.system} refuse?")
            while not reason:
                reason = talk.choose("   Number", self._profile.refusals)
                if not reason and not talk.confirm(
                    "   None of them: then it cannot be done here [Enter: so it is, n: choose again]",
                    otherwise="no",
                ):
                    continue
                if not reason:
                    raise self.impossible()
        detail = talk.free("   What does it say? [Enter: nothing]")
        return Refused(reason or "refused", f"{detail}; " * bool(detail) + "says the operator")

    def impossible(self) -> NotPermitted:
        """Ask why it cannot be done, and return that."""
        why = self._talk.free("   Why, in a few words? [Enter: no reason]")
        return NotPermitted(
            f"{self._context.name}: {self._method.words} cannot be done here, says the operator"
            + (f": {why}" if why else "")
        )

    # -- inside

    def _read_off(self, before: Mapping[str, object]) -> tuple[dict[str, object], Moment]:
        """Ask until the person agrees with what he has answered; Enter keeps what was ``before``."""
        talk = self._talk
        while True:
            answers: dict[str, object] = {}
            for question in self._form.to_ask(answers):
                answers[question.name] = talk.ask(question, self._moment, before.get(question.name, MISSING))
                if self._done is None:
                    self._done = self._moment()
            moment = self._done or self._moment()
            if len(answers) < 2:
                return answers, moment
            talk.gap()
            for question in self._form.questions:
                if question.name in answers:
                    value = self._said(answers[question.name], moment)
                    talk.say(f"{question.ask}  {value}", indent=6, hang=2, dim=True)
            if talk.confirm("   Right? [Enter: yes, n: answer again]", otherwise="no"):
                return answers, moment
            before = {}

    def _heading(self, safe: bool) -> None:
        talk = self._talk
        talk.heading(f"{self._context.name}: {'make the bench safe' if safe else self._method.words}")
        where = "" if safe else self._context.where()
        for line in where.splitlines():
            talk.say(line, dim=True)
        if self._method.hurts:
            kinds = ", ".join(sorted(self._method.hurts))
            talk.say(f"This can do harm ({kinds}); the bench file allows it.", bold=True)
        talk.gap()

    def _where(self) -> None:
        task = self._task
        if task is not None and task.where:
            assumed = "  (assumed; your version may differ)" if task.assumed else ""
            self._talk.say(f"Where: {self._filled(task.where)}{assumed}", bold=True, hang=7)

    def _instruct(self) -> None:
        talk = self._talk
        self._where()
        instructions = self._instructions()
        for number, each in enumerate(instructions, 1):
            mark = f"{number}. " if len(instructions) > 1 else ""
            talk.say(f"{mark}{self._filled(each.do)}", hang=len(mark))
            if each.secret:
                talk.say(self._secret(self._filled(each.secret)), indent=3 + len(mark), dim=True)
        talk.hint()

    def _instructions(self) -> Sequence[Instruction]:
        if self._task is None:
            given = ", ".join(
                f"{name.replace('_', ' ')} {self._said(value, self._moment())}"
                for name, value in self._arguments.items()
                if value not in (None, "", ())
            )
            return (Instruction(do=self._method.summary + (f" ({given})" if given else "")),)
        return [each for each in self._task.steps if self._applies(each)]

    def _applies(self, step: Instruction) -> bool:
        values = {name: text_of(value) for name, value in self._arguments.items()}
        return all(values[name] in words for name, words in step.when.items()) and not any(
            values[name] in words for name, words in step.unless.items()
        )

    def _filled(self, text: str) -> str:
        """Return a text of the profile with the arguments of the call in it."""

        def value(found: re.Match[str]) -> str:
            argument = self._arguments[found[1]]
            if found[1].endswith("_s") and isinstance(argument, int | float):
                return duration_words(argument)
            return self._said(argument, self._moment()) if argument not in (None, "") else "-"

        return PLACEHOLDER.sub(value, text)

    def _secret(self, name: str) -> str:
        """Return where the person finds a secret, never what it is."""
        reference = self._context.secret_references.get(name, "")
        kind, _, place = reference.partition(":")
        where = {
            "file": f"in the file {place}",
            "env": f"in the variable {place} of whoever started the run",
            "keyring": f"in the keyring, under {place}",
        }.get(kind, "not in the bench file: take it from where your lab keeps it")
        return f"(secret `{name}`: {where}; never type it here)"

    def _confirm_device(self, expected: str) -> None:
        self._talk.same(
            "   Before you change anything: which serial number does it show?",
            expected,
            "that is not the one this step is about; change nothing",
        )

    def _moment(self) -> Moment:
        return Moment(now=self._context.clock.utc_now(), zone=self._operator._zone)

    def _said(self, value: object, moment: Moment) -> str:
        return said(value, moment, self._form.given)


class Transcript:
    """Turns what crossed a terminal into its lines, without what only makes them bold."""

    def __call__(self, direction: str, octets: bytes) -> list[str]:
        """Return the lines in ``octets``."""
        return [
            line for line in _STYLE.sub("", octets.decode("utf-8", "replace")).splitlines() if line.strip()
        ]


@cache
def _operator_of(role: str) -> type[Operator]:
    protocol = protocol_of(role)
    body: dict[str, object] = {
        "role": role,
        "__doc__": f"{protocol.__doc__ or role}\n\nPlayed by a person.",
        **{name: _asking(method) for name, method in methods_of(role).items() if name != "identify"},
    }
    return type(f"Operator{protocol.__name__}", (Operator,), body)


def _asking(method: Method) -> Callable[..., Any]:
    """Return the method that has a person do what this method of the role says."""

    def perform(self: Operator, *positional: object, **named: object) -> object:
        return self._perform(method.name, method.arguments(positional, named))

    perform.__name__ = perform.__qualname__ = method.name
    perform.__doc__ = method.summary
    perform.__signature__ = method.signature  # type: ignore[attr-defined]
    return perform


def _takes_back(call: Call, outstanding: Call) -> bool:
    return call[0] == outstanding[0] and set(outstanding[1]) <= set(call[1])
