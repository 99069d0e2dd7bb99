"""Provisioning: what is looked at after it has stalled, and in which order.

The order is that of the I-210 with SmartSynch module user guide, section 3.3: coverage, PIN in the device
properties, Event Search, what became of Get Version, the processes of section 4, the Internet connection, and
at last the vendor's support. The walk may end where the cause is found, but leaves nothing out on the way.
One table: ``plan check``, the running plan and the procedure that walks it read the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.plan import Step

STALLED = "await_stall"
"""The procedure that has seen a provisioning job run out of time; from there on the order holds."""

WALKED = "troubleshoot"
"""The procedure that makes the checks by this very table; behind it nothing is left to hold."""


@dataclass(frozen=True, kw_only=True)
class TroubleshootingStep:
    """One check: its place in the order, the word of the head end's role, and what it is called."""

    number: int
    method: str
    title: str
    behaviour: str


ORDER: tuple[TroubleshootingStep, ...] = tuple(
    TroubleshootingStep(number=number, method=method, title=title, behaviour=behaviour)
    for number, (method, title, behaviour) in enumerate(
        (
            ("coverage_record", "Were the coverage validation procedures followed?", "SS-TRB-01"),
            ("review_pin", "Review the PIN in the device properties", "SS-TRB-02"),
            ("search_events", "Monitoring Home > Event Search: events since the request", "SS-TRB-03"),
            ("provisioning", "What became of Get Version, and with it of the PIN?", "SS-TRB-04"),
            ("section_four", "Follow the troubleshooting processes of section 4", "SS-TRB-05"),
            ("connection_status", "Check the local Internet connection", "SS-TRB-06"),
            ("open_ticket", "Contact the vendor's customer support", "SS-TRB-07"),
        ),
        start=1,
    )
)

_NUMBER = {step.method: step.number for step in ORDER}


class TroubleshootingOrder:
    """After a stall, a check needs all those before it."""

    def __init__(self) -> None:
        self._stalled = False
        self._done = 0  # how far the walk has come without a gap

    def before(self, step: Step) -> tuple[str, str] | None:
        number = _NUMBER.get(step.method, 0) if step.role == "provisioning_head_end" else 0
        if not self._stalled or number <= self._done + 1:
            return None
        due = ORDER[self._done]
        return (
            f"{step.do} is check {number} of the troubleshooting; check {due.number} has not been made",
            f"expected `{step.device}.{due.method}` first: {due.title}",
        )

    def after(self, step: Step, *, outcome: object) -> None:
        if not step.device:
            if step.method == STALLED:
                self._stalled, self._done = True, 0
            elif step.method == WALKED:
                self._stalled = False
        elif step.role == "provisioning_head_end":
            if step.method == "provision":
                self._stalled = False
            elif self._stalled and _NUMBER.get(step.method) == self._done + 1:
                self._done += 1

    def at_end(self) -> tuple[str, str] | None:
        return None
