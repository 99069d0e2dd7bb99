"""One thing a person does: what he is told, what he is asked, in which order.

First where this belongs and what to do; then, where it can do harm, which device he has in front of him; then
whether it is done, what there is to read off, and at last whether that is right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from adapters.devices.operator.answers import Moment, duration_words, said, text_of
from adapters.devices.operator.dialogue import Dialogue
from adapters.devices.operator.fit import PLACEHOLDER
from adapters.devices.operator.form import Form
from adapters.devices.operator.shape import MISSING, Method
from adapters.errors import NotPermitted, Refused
from adapters.profiles.operator_model import Instruction, OperatorProfile, Task
from adapters.registry import AdapterContext

Call = tuple[str, tuple[tuple[str, object], ...]]
"""A method and its arguments."""

Answers = tuple[dict[str, object], Moment]
"""What was read off, by field, and when the person said that it was done."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """The last look at something: what was asked, where the run was, when, and what was read off."""

    call: Call
    where: str
    at_s: float
    answers: Mapping[str, object] = field(default_factory=dict)


@dataclass(kw_only=True)
class Act:
    """One method of the role being done. ``zone`` is that of the screen's times, None: this computer's."""

    context: AdapterContext
    profile: OperatorProfile
    zone: tzinfo | None
    talk: Dialogue
    method: Method
    task: Task | None
    arguments: Mapping[str, object]
    form: Form
    _done: Moment | None = None

    def from_the_start(self, *, safe: bool = False) -> Answers:
        """Tell what to do and ask for everything; ``safe``: the run is over and the bench is made safe."""
        self._heading(safe)
        self._where()
        self._instruct()
        if self.task is not None and self.task.confirm:
            self.talk.same(
                "   Before you change anything: which serial number does it show?",
                text_of(self.arguments[self.task.confirm]),
                "that is not the one this step is about: change nothing, look again",
            )
        done = self.task.done if self.task is not None else ""
        if done or not self.form.questions:
            self.talk.confirm(f"   {done or 'Done?'} [Enter: yes]")
            self._done = self._now()
        return self._read_off({})

    def once_more(self, last: Look) -> Answers:
        """Ask whether it still is as it was: the plan waits for a change, and looks again and again."""
        talk, later_s = self.talk, self.context.clock.monotonic_s() - last.at_s
        talk.heading(f"{self.context.name}: {self.method.words}, once more after {duration_words(later_s)}")
        self._where()
        for each in self._instructions():
            talk.say(self._filled(each.do))
        talk.say("The plan waits for a change: look again, and then answer.", dim=True)
        self._table(last.answers)
        if talk.confirm("   Still so? [Enter: yes, c: changed]", otherwise="changed"):
            return dict(last.answers), self._now()
        return self._read_off(last.answers)

    def refusal(self) -> Refused | NotPermitted:
        """Ask why the system refused, and return that; or that it cannot be done, for none of its reasons."""
        talk, reason = self.talk, "refused"
        if self.profile.refusals:
            talk.say(f"Why did {self.profile.system} refuse?")
            reason = talk.choose("   Number [Enter: none of these]", self.profile.refusals)
            if not reason:
                return self.impossible()
        detail = talk.free("   What does it say? [Enter: nothing]")
        return Refused(reason, f"{detail or 'no text'}, says the operator")

    def impossible(self) -> NotPermitted:
        """Ask why it cannot be done, and return that."""
        why = self.talk.free("   Why can it not be done, in a few words? [Enter: no reason]")
        return NotPermitted(
            f"{self.context.name}: {self.method.words} cannot be done here, says the operator"
            + (f": {why}" if why else "")
        )

    # -- asking

    def _read_off(self, before: Mapping[str, object]) -> Answers:
        """Ask until the person agrees with what he has answered; Enter keeps what was ``before``."""
        while True:
            answers: dict[str, object] = {}
            for question in self.form.to_ask(answers):
                answers[question.name] = self.talk.ask(
                    question, self._now, before.get(question.name, MISSING)
                )
                self._done = self._done or self._now()
            moment = self._done or self._now()
            # A slip of one answer is seen while it is typed; that of a serial number would end the case.
            if len(answers) < 2 and self.method.name != "identify":
                return answers, moment
            self.talk.gap()
            self._table(answers)
            if self.talk.confirm("   Right? [Enter: yes, n: answer again]", otherwise="no"):
                return answers, moment
            before = {}

    def _now(self) -> Moment:
        return Moment(now=self.context.clock.utc_now(), zone=self.zone)

    # -- telling

    def _heading(self, safe: bool) -> None:
        talk = self.talk
        talk.heading(f"{self.context.name}: {'make the bench safe, ' * safe}{self.method.words}")
        for line in "" if safe else self.context.where().splitlines():
            talk.say(line, dim=True)
        if self.method.hurts:
            kinds = ", ".join(sorted(self.method.hurts))
            talk.say(f"This can do harm ({kinds}); the bench file allows it.", bold=True)
        elif self.method.name == "identify" and not safe:
            talk.say("What comes next can do harm, so be sure which device this is.", bold=True)
        talk.gap()

    def _where(self) -> None:
        if self.task is not None and self.task.where:
            assumed = "  (assumed, your version may differ)" if self.task.assumed else ""
            self.talk.say(f"Where: {self._filled(self.task.where)}{assumed}", bold=True, hang=7)

    def _instruct(self) -> None:
        instructions = self._instructions()
        for number, each in enumerate(instructions, 1):
            mark = f"{number}. " if len(instructions) > 1 else ""
            self.talk.say(f"{mark}{self._filled(each.do)}", hang=len(mark))
            if each.secret:
                where = self._keeper(self._filled(each.secret))
                self.talk.say(where, indent=3 + len(mark), hang=1, dim=True)
        self.talk.hint()

    def _instructions(self) -> Sequence[Instruction]:
        if self.task is not None:
            return [each for each in self.task.steps if self._applies(each)]
        given = ", ".join(
            f"{name.replace('_', ' ')} {self._said(value)}"
            for name, value in self.arguments.items()
            if value not in (None, "", ())
        )
        return (Instruction(do=self.method.summary + (f" ({given})" if given else "")),)

    def _applies(self, step: Instruction) -> bool:
        values = {name: text_of(value) for name, value in self.arguments.items()}
        return all(values[name] in words for name, words in step.when.items()) and not any(
            values[name] in words for name, words in step.unless.items()
        )

    def _filled(self, text: str) -> str:
        """Return a text of the profile with the arguments of the call in it."""

        def value(found: re.Match[str]) -> str:
            argument = self.arguments[found[1]]
            if found[1].endswith("_s") and isinstance(argument, int | float):
                return duration_words(argument)
            return self._said(argument)

        return PLACEHOLDER.sub(value, text)

    def _keeper(self, name: str) -> str:
        """Return where the person finds a secret, never what it is."""
        kind, _, place = self.context.secret_references.get(name, "").partition(":")
        where = {
            "file": f"in the file {place}",
            "env": f"in the variable {place}, set by whoever started the run",
            "keyring": f"in the keyring, under {place}",
        }.get(kind, "not in the bench file, so take it from where your lab keeps it")
        return f"(Secret `{name}`: {where}. It is never typed here.)"

    def _table(self, answers: Mapping[str, object]) -> None:
        asked = [question for question in self.form.questions if question.name in answers]
        self.talk.table([(each.ask, self._said(answers[each.name])) for each in asked])

    def _said(self, value: object) -> str:
        return said(value, self._now(), self.form.given)
