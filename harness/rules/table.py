"""The table of procedure rules, and the watch that holds a case against it.

``plan check`` walks a case through the rules with assumed outcomes; the run walks it with real ones. A
violation is the harness's advice about the plan (``order violation``), never a refusal by a device: the two
are different outcomes and are never mixed up. A family of rules adds a row to ``RULES``: a name, what it
says, the behaviours it stands for (where a document prescribes the order) and a class that keeps what it has
to remember of one case.

A deliberately wrong plan says ``expect: {order_violation: <rule>}`` on the step that comes too early: the
harness must flag it, and does not do it. That is how a rule is qualified: switched off, nothing is flagged,
and the case that expects it fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapters.errors import Refused
from harness.plan import Matcher, Step
from harness.records import Check
from harness.rules.base import UNKNOWN, Rule, Violation
from harness.rules.dlms import AssociationOpen
from harness.rules.field_work import ReplayIsNoEvidence, RequestBeforeFieldWork
from harness.rules.troubleshooting import TroubleshootingOrder

RULES: tuple[Rule, ...] = (
    Rule(
        name="association-before-service",
        says="a service or a release needs an association that an earlier step has opened",
        memory=AssociationOpen,
    ),
    Rule(
        name="troubleshooting-order",
        says="after a stalled provisioning the checks come in the order of the guide, none left out",
        memory=TroubleshootingOrder,
        behaviours=("SS-TRB-08",),
    ),
    Rule(
        name="request-before-field-work",
        says="where the field may be without a connection, commands are requested before leaving for it",
        memory=RequestBeforeFieldWork,
        behaviours=("IT-CMD-08",),
    ),
    Rule(
        name="replay-is-no-evidence",
        says="after an answer that is a replay, the state is read before the case goes on",
        memory=ReplayIsNoEvidence,
        behaviours=("IT-CMD-17",),
        in_the_run_only=True,
    ),
)


class Watch:
    """The rules at work on one case. ``broken`` switches off rules by name or behaviour, to qualify plans."""

    def __init__(self, broken: Iterable[str] = ()) -> None:
        off = set(broken)
        self._memories = [
            (rule, rule.memory()) for rule in RULES if rule.name not in off and not off & set(rule.behaviours)
        ]

    def before(self, step: Step) -> list[Violation]:
        """Return what is wrong with doing this step now."""
        return [
            _violation(rule, wrong, step)
            for rule, memory in self._memories
            if (wrong := memory.before(step)) is not None
        ]

    def at_end(self, last: Step) -> list[Violation]:
        """Return what is wrong with ending the case after this step."""
        return [
            _violation(rule, wrong, last)
            for rule, memory in self._memories
            if (wrong := memory.at_end()) is not None
        ]

    def after(self, step: Step, outcome: object) -> None:
        """Take note of how the step ended: its result, or the exception that ended it."""
        for _rule, memory in self._memories:
            memory.after(step, outcome=outcome)

    def after_assumed(self, step: Step) -> None:
        """Take note of a step as the plan expects it to end."""
        refused = any(matcher.kind == "refused" for matcher in step.expect)
        self.after(step, Refused("assumed") if refused else UNKNOWN)


def names() -> tuple[str, ...]:
    """Return the names of all rules."""
    return tuple(rule.name for rule in RULES)


def behaviours() -> frozenset[str]:
    """Return the behaviours that are rules of procedure: the harness is the one that must notice."""
    return frozenset(behaviour for rule in RULES for behaviour in rule.behaviours)


def expected_violation(step: Step) -> Matcher | None:
    """Return what a deliberately wrong plan expects of this step, None for every other step."""
    return next((matcher for matcher in step.expect if matcher.kind == "order_violation"), None)


def flagged(wanted: Matcher, found: Sequence[Violation]) -> Violation | None:
    """Return the violation a plan expects, None where it was not flagged."""
    return next((one for one in found if not wanted.operands or one.rule in wanted.operands), None)


def shows_in_the_run_only(wanted: Matcher) -> bool:
    """Return whether ``plan check`` cannot know that the rule is broken."""
    return any(rule.in_the_run_only for rule in RULES if not wanted.operands or rule.name in wanted.operands)


def flag_check(wanted: Matcher, found: Sequence[Violation], behaviours: tuple[str, ...]) -> Check:
    """Return whether the harness flagged what a deliberately wrong plan does."""
    violation = flagged(wanted, found)
    rule = ", ".join(map(str, wanted.operands)) or "any rule"
    return Check(
        name=f"order: {rule}",
        passed=violation is not None,
        expected="flagged as an order violation, and not done",
        actual=violation.message if violation is not None else "not flagged",
        behaviours=behaviours,
    )


def _violation(rule: Rule, wrong: tuple[str, str], step: Step) -> Violation:
    return Violation(rule=rule.name, message=wrong[0], hint=wrong[1], step=step, behaviours=rule.behaviours)
