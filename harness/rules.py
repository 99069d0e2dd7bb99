"""Procedure rules: which steps have to come before which. One table, two readers.

``plan check`` walks a case through the rules with assumed outcomes; the run walks it with real ones. A
violation is the harness's advice about the plan (``order violation``), never a refusal by a device: the two
are different outcomes and are never mixed up. A later family of rules adds a row to ``RULES``: a name, what
it says, the behaviours it stands for (where a document prescribes the order) and a class that keeps what it
has to remember of one case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from adapters.errors import Refused
from harness.actions import roles
from harness.plan import Step
from harness.records import Check


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A step that comes at the wrong place."""

    rule: str
    message: str
    hint: str
    step: Step
    behaviours: tuple[str, ...] = ()

    def check(self) -> Check:
        """Return the violation as a failed check of its step."""
        return Check(
            name=f"order: {self.rule}",
            passed=False,
            expected=self.hint,
            actual=f"order violation: {self.message}",
            behaviours=self.behaviours,
        )


class Memory(Protocol):
    """What a rule remembers of one case."""

    def before(self, step: Step) -> tuple[str, str] | None:
        """Return what is wrong with the step at this place, and what would be right; or None."""
        ...

    def after(self, step: Step, *, done: bool) -> None:
        """Take note that the step ran; ``done`` is False where the device refused it."""
        ...


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A row of the table."""

    name: str
    says: str
    memory: Callable[[], Memory]
    behaviours: tuple[str, ...] = ()


class Watch:
    """The rules at work on one case. ``broken`` switches off rules by name or behaviour, to qualify plans."""

    def __init__(self, broken: Iterable[str] = ()) -> None:
        off = set(broken)
        self._memories = [
            (rule, rule.memory()) for rule in RULES if rule.name not in off and not off & set(rule.behaviours)
        ]

    def before(self, step: Step) -> list[Violation]:
        """Return what is wrong with doing this step now."""
        found = []
        for rule, memory in self._memories:
            if wrong := memory.before(step):
                found.append(
                    Violation(
                        rule=rule.name,
                        message=wrong[0],
                        hint=wrong[1],
                        step=step,
                        behaviours=rule.behaviours,
                    )
                )
        return found

    def after(self, step: Step, outcome: object) -> None:
        """Take note of how the step ended: its result, or the exception that ended it."""
        for _rule, memory in self._memories:
            memory.after(step, done=not isinstance(outcome, BaseException))

    def after_assumed(self, step: Step) -> None:
        """Take note of a step as the plan expects it to end."""
        refused = any(matcher.kind == "refused" for matcher in step.expect)
        self.after(step, Refused("assumed") if refused else None)


# --- DLMS ------------------------------------------------------------------------------------------------

_SERVICES = {"get", "set", "action", "list_objects", "disconnect_supply", "reconnect_supply"}


@dataclass
class _Associations:
    """The associations one meter has open, as far as the plan tells."""

    open: dict[str, str] = field(default_factory=dict)  # name -> link, empty where the plan does not say
    released: set[str] = field(default_factory=set)
    unsure: bool = False  # a procedure had the meter in its hands, or a name is not known before the run


class _AssociationOpen:
    """A service needs an open association; so does a release."""

    def __init__(self) -> None:
        self._meters: dict[str, _Associations] = {}

    def before(self, step: Step) -> tuple[str, str] | None:
        if not _is_dlms(step) or step.method not in _SERVICES | {"release"}:
            return None
        known = self._meters.setdefault(step.device, _Associations())
        name = step.arguments.get("association", "")
        if known.unsure or not isinstance(name, str):
            return None
        listed = ", ".join(f"`{entry}`" for entry in known.open)
        if not name:
            if len(known.open) > 1:
                return (
                    f"{step.do} does not say which association, and {len(known.open)} are open",
                    f"add `association:` with one of {listed}",
                )
            if not known.open:
                return (
                    f"{step.do} comes before any association is open",
                    f"expected `{step.device}.associate` first, or `request_without_association` instead",
                )
            return None
        if name in known.open:
            return None
        if name in known.released:
            return f"{step.do} uses association `{name}` after its release", "open it again first"
        return (
            f"{step.do} uses association `{name}`, which no earlier step opens",
            f"open are {listed}" if listed else f"expected `{step.device}.associate` first",
        )

    def after(self, step: Step, *, done: bool) -> None:
        if not step.device:
            for device in step.arguments.values():
                if isinstance(device, str) and device in self._meters:
                    self._meters[device].unsure = True
                elif isinstance(device, str):
                    self._meters[device] = _Associations(unsure=True)
            return
        if not _is_dlms(step):
            return
        known = self._meters.setdefault(step.device, _Associations())
        name, link = step.arguments.get("association", ""), step.arguments.get("link", "")
        if not isinstance(name, str) or not isinstance(link, str):
            known.unsure = known.unsure or step.method in ("associate", "release", "drop_link")
            return
        if step.method == "associate" and done:
            opened = name or f"{link or '<default link>'}/{step.arguments.get('client', '')}"
            known.open[opened] = link
            known.released.discard(opened)
        elif step.method == "release" and done:
            gone = [name] if name else list(known.open)[:1]
            self._close(known, gone)
        elif step.method == "drop_link":
            self._close(
                known, [entry for entry, on in known.open.items() if not link or not on or on == link]
            )

    @staticmethod
    def _close(known: _Associations, names: Iterable[str]) -> None:
        for name in names:
            known.open.pop(name, None)
            known.released.add(name)


def _is_dlms(step: Step) -> bool:
    made = roles().get(step.role)
    return made is not None and any(base.__name__ == "DlmsMeter" for base in made.__mro__)


RULES: tuple[Rule, ...] = (
    Rule(
        name="association-before-service",
        says="a service or a release needs an association that an earlier step has opened",
        memory=_AssociationOpen,
    ),
)
