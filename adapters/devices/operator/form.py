"""What has to be asked to fill in the result of a method, and how the rest of it is known.

A form is made from the method's signature, its result type and the profile's task; it asks nothing itself.
Of each field of the result it knows: it is an argument of the call, it is known in the way the profile says,
it is asked, or it keeps its default because nobody could type it in (a mapping, say).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.devices.operator.answers import UNSEEN, AnswerType, Moment, answer_type, text_of
from adapters.devices.operator.partial import as_far_as_seen
from adapters.devices.operator.shape import MISSING, Method, ResultField, fields_of, is_record, plain
from adapters.errors import BenchError, NotPermitted, NotSeen
from adapters.profiles.operator_model import AskedField, Task

WHOLE = ""
"""The name of the only question where the result is no record."""

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One field to read off."""

    name: str
    ask: str
    help: str
    answer: AnswerType
    meanings: Mapping[str, str]  # of the choices
    only_if: Mapping[str, tuple[str, ...]]
    unseen: object = UNSEEN  # what Enter alone stands for
    empty: Any = MISSING  # what ``-`` stands for
    otherwise: Any = MISSING  # what it is where it is not asked


class Form:
    """The questions of one call, and the result they come to. ``earlier`` are results of former calls."""

    def __init__(
        self,
        method: Method,
        task: Task | None,
        arguments: Mapping[str, object],
        earlier: Sequence[object] = (),
    ) -> None:
        self._method, self._arguments, self._earlier = method, arguments, earlier
        self._entries: Mapping[str, AskedField] = task.fields if task is not None else {}
        self._result, _ = plain(method.result)
        self.questions: list[Question] = []
        self._fixed: dict[str, object] = {}
        self._derived: dict[str, str] = {}
        if self._result in (None, type(None)):
            return
        if not is_record(self._result):
            entry = self._entries.get("result", AskedField())
            self._ask(ResultField(name=WHOLE, annotation=method.result), entry)
            return
        for each in fields_of(self._result):
            self._place(each, self._entries.get(each.name, AskedField()))

    @property
    def given(self) -> frozenset[str]:
        """Return the names of the call's arguments, which nobody types."""
        return frozenset(self._arguments)

    def to_ask(self, answers: Mapping[str, object]) -> Iterable[Question]:
        """Yield the questions; what depends on an answer is decided when its turn comes."""
        for question in self.questions:
            known = {**self._fixed, **answers}
            if all(text_of(known.get(name)) in words for name, words in question.only_if.items()):
                yield question

    def fill(self, answers: Mapping[str, object], moment: Moment) -> object:
        """Return the result. ``moment.now`` is when the person said that it was done."""
        if self._result in (None, type(None)):
            return None
        if not is_record(self._result):
            if answers[WHOLE] is UNSEEN:
                raise NotSeen(f"{self._method.words}: it is not shown, says the operator")
            return answers[WHOLE]
        values = dict(self._fixed)
        for question in self.questions:
            doubtful = any(values.get(name) is UNSEEN for name in question.only_if)
            otherwise = UNSEEN if doubtful else question.otherwise
            values[question.name] = answers.get(question.name, otherwise)
        for name, rule in self._derived.items():
            values[name] = self._known(name, rule, values, moment)
        return as_far_as_seen(self._result, values)

    # -- inside

    def _place(self, field: ResultField, entry: AskedField) -> None:
        rule = entry.known_by
        if rule == "earlier":
            found = self._from_earlier(field.name)
            if found is not MISSING:
                self._fixed[field.name] = found
                return
        elif rule == "nothing":
            self._fixed[field.name] = self._default(field)
            return
        elif rule is not None:
            self._derived[field.name] = rule
            return
        if field.name in self._arguments and not (entry.ask or entry.choices or entry.columns):
            self._fixed[field.name] = self._arguments[field.name]
            return
        self._ask(field, entry)

    def _ask(self, field: ResultField, entry: AskedField) -> None:
        kind, optional = plain(field.annotation)
        answer = answer_type(field.name, field.annotation, entry.choices, self._arguments, entry.columns)
        if answer is None:
            self._fixed[field.name] = self._default(field)
            return
        otherwise: Any = MISSING
        if entry.only_if:
            otherwise = self._typed(field, answer, entry.otherwise) if entry.otherwise else field.default
            if otherwise is MISSING:
                raise BenchError(
                    f"{self._method.name}: `{field.name}` has no default, so the profile has to say "
                    "what it is where it is not asked: `otherwise`"
                )
        self.questions.append(
            Question(
                name=field.name,
                ask=entry.ask or field.name.replace("_", " ").capitalize() or "Answer",
                help=entry.help,
                answer=answer,
                meanings=entry.choices,
                only_if=entry.only_if,
                unseen=None if optional else UNSEEN,
                empty="" if kind is str else () if answer.many else None if optional else MISSING,
                otherwise=otherwise,
            )
        )

    def _default(self, field: ResultField) -> Any:
        if field.default is MISSING:
            raise NotPermitted(
                f"{self._method.words}: nobody can type in `{field.name or 'the answer'}`; "
                "a person cannot play this part of the role"
            )
        return field.default

    def _typed(self, field: ResultField, answer: AnswerType, text: str) -> object:
        """Return a value the profile gives as text."""
        try:
            value = answer.read(text, Moment(now=_NEVER))
        except ValueError as error:
            raise BenchError(f"{self._method.name}: `{field.name}` cannot be {text!r}: {error}") from None
        return (value,) if answer.many else value

    def _from_earlier(self, name: str) -> Any:
        """Return the field of the last result about the same thing: whose fields agree with the arguments."""
        for result in reversed(self._earlier):
            fields = vars(result) if isinstance(result, self._result) else {}  # unseen ones can be handed on
            if name in fields and all(
                fields.get(each, value) == value for each, value in self._arguments.items()
            ):
                return fields[name]
        return MISSING

    def _known(self, name: str, rule: str, values: Mapping[str, Any], moment: Moment) -> object:
        word, *operands = rule.split(" ")
        if word != "always" and any(values.get(each.partition(".")[0]) is UNSEEN for each in operands):
            return UNSEEN
        match word:
            case "clock":
                return moment.now
            case "count":
                return len(values[operands[0]])
            case "first":
                entries = values[operands[0]]
                return str(entries[0]).partition(":")[0].strip() if entries else ""
            case "each":
                of, _, inner = operands[0].partition(".")
                return tuple(dict.fromkeys(getattr(entry, inner) for entry in values[of]))
            case "span":
                begin, end = (values.get(each) for each in operands)
                return max(0.0, ((end or moment.now) - begin).total_seconds()) if begin else 0.0
            case _:
                field = next(each for each in fields_of(self._result) if each.name == name)
                answer = answer_type(name, field.annotation, {}, {})
                assert answer is not None
                return self._typed(field, answer, rule.partition(" ")[2])
