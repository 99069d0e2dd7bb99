"""A person in place of an adapter: he does what has no API, guided step by step, and reads the result off.

``adapter: operator`` plays any role. What he is told and asked comes from the role's Protocol and the profile
of the role; see ``docs/operator.md``. What was said stands in the transcript of the link.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from adapters.devices.operator.act import Act, Answers, Call, Look
from adapters.devices.operator.dialogue import Dialogue, Impossible, TurnedDown
from adapters.devices.operator.fit import profile_of
from adapters.devices.operator.form import Form
from adapters.devices.operator.shape import Method, methods_of, protocol_of
from adapters.errors import BenchError, LabError
from adapters.profiles.operator_model import Task
from adapters.registry import AdapterContext
from adapters.roles import Identity
from adapters.transports.terminal import DEFAULT_COLUMNS, TerminalTransport

DEFAULT_ANSWER_S = 1800.0
_KEPT_RESULTS = 200
_STYLE = re.compile(r"\x1b\[[0-9;]*m|\x07")


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
        self._last: Look | None = None
        self._outstanding: dict[Call, None] = {}  # what has to be taken back, in the order it was done

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
        for method, arguments in reversed(list(self._outstanding)):
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
        undo = self._undoing(task, arguments)
        with self._conversation() as talk:
            act = Act(
                context=self._context, profile=self._profile, zone=self._zone, talk=talk, method=method,
                task=task, arguments=arguments, form=form,
            )  # fmt: skip
            before = dict(self._outstanding)
            if undo is not None:  # from here on it may have been done, whatever becomes of the answers
                self._outstanding[undo] = None
            try:
                answers, moment = self._answers(act, call, safe)
            except (TurnedDown, Impossible) as said:
                self._outstanding = before
                raise (act.refusal() if isinstance(said, TurnedDown) else act.impossible()) from None
        for each in [each for each in self._outstanding if _takes_back(call, each)]:
            del self._outstanding[each]
        result = form.fill(answers, moment)
        self._results = [*self._results, result][-_KEPT_RESULTS:]
        self._last = Look(
            call=call, where=self._context.where(), at_s=self._clock.monotonic_s(), answers=answers
        )
        return result

    def _answers(self, act: Act, call: Call, safe: bool) -> Answers:
        last = self._last
        repeated = last is not None and (last.call, last.where) == (call, self._context.where())
        if repeated and last is not None and act.task is not None and act.task.look:
            return act.once_more(last)
        return act.from_the_start(safe=safe)

    def _undoing(self, task: Task | None, arguments: Mapping[str, object]) -> Call | None:
        """Return the call that takes this one back."""
        if task is None or not task.undo:
            return None
        wanted = self._methods[task.undo].signature.parameters
        return task.undo, tuple((name, value) for name, value in arguments.items() if name in wanted)

    @contextmanager
    def _conversation(self) -> Iterator[Dialogue]:
        """Open the terminal for one conversation."""
        stream = self._context.open_link(self._link).stream
        terminal = stream if isinstance(stream, TerminalTransport) else None
        talk = Dialogue(
            stream,
            clock=self._clock,
            name=self._context.name,
            answer_s=self._answer_s,
            columns=terminal.columns if terminal is not None else DEFAULT_COLUMNS,
            secrets=list(self._context.secrets.values()),
            styled=terminal is not None,
        )
        try:
            yield talk
        except LabError:
            raise
        except BaseException:  # Ctrl-C, above all: what follows is clean-up, and he should know
            with suppress(LabError):
                talk.gap()
                talk.say("Stopped.", bold=True)
            raise
        finally:
            stream.close()


class Transcript:
    """Turns what crossed a terminal into its lines, without what only makes them bold."""

    def __call__(self, direction: str, octets: bytes) -> list[str]:
        """Return the lines in ``octets``."""
        lines = _STYLE.sub("", octets.decode("utf-8", "replace")).splitlines()
        return [line for line in lines if line.strip()] or ["(Enter)"]


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
    return call[0] == outstanding[0] and all(argument in call[1] for argument in outstanding[1])
