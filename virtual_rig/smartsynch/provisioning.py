"""A provisioning job of TMS: Get Version, then what follows from it, within a time limit.

    running --every transaction answered--> complete
        \\-----------the limit is over-------> incomplete

Get Version goes first; without its answer nothing else is sent. What is not answered in time is sent again
after ever longer pauses, and at once when the unit registers anew; a transaction refused for its PIN is not
(assumed: a module that is asked too often with a wrong PIN may lock itself).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from virtual_rig.smartsynch.events import EventLog
from virtual_rig.smartsynch.messages import Transaction, TransactionAnswer
from virtual_rig.smartsynch.retries import Backoff
from virtual_rig.wire import Timer
from virtual_rig.world import World

JobState = Literal["running", "complete", "incomplete"]
GET_VERSION = "get-version"
NO_RESPONSE, SENT = "no response", "sent"
_SETTLING_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What TMS works out about a device from its version: how to read its data, and what it is told."""

    register: str
    unit: str
    scaler: int  # the value is the raw count x 10**scaler
    transactions: tuple[tuple[str, Mapping[str, str]], ...]


@dataclass(kw_only=True)
class SentTransaction:
    """A transaction and what came of it."""

    number: int
    name: str
    outcome: str = SENT


@dataclass(kw_only=True)
class Job:
    """A provisioning request and how far it has come."""

    job: str
    unit: str
    limit_s: float
    requested_at: datetime
    requested_s: float
    state: JobState = "running"
    ended_at: datetime | None = None
    ended_s: float | None = None
    transactions: list[SentTransaction] = field(default_factory=list)
    version: str = ""

    @property
    def get_version(self) -> str:
        """Return what came of Get Version: of its last attempt that is over, else that it was sent."""
        outcomes = [sent.outcome for sent in self.transactions if sent.name == GET_VERSION]
        over = [outcome for outcome in outcomes if outcome != SENT]
        return (over or outcomes or [""])[-1]


class ProvisioningRun:
    """Drives one job. ``send`` gives a transaction to the message gateway, ``ended`` hears of the end."""

    def __init__(
        self,
        world: World,
        events: EventLog,
        job: Job,
        *,
        pin: Callable[[], str],
        attributes: Callable[[str], Attributes],
        send: Callable[[Transaction], None],
        ended: Callable[[Job, Attributes | None], None],
        number: Callable[[], int],
        backoff: Backoff,
    ) -> None:
        self._world, self._scheduler, self._events, self.job = world, world.scheduler, events, job
        self._pin, self._attributes_of, self._send_out, self._ended = pin, attributes, send, ended
        self._number, self._backoff = number, backoff
        self._attributes: Attributes | None = None
        self._left: list[tuple[str, Mapping[str, str]]] = [(GET_VERSION, {})]
        if not world.obeys("SS-PROV-15"):
            self._left = [*attributes("").transactions[1:2], *self._left]
        self._unanswered = 0
        self._refused = False
        self._next: Timer | None = self._scheduler.call_later(_SETTLING_S, self._send)
        self._limit = self._scheduler.call_later(job.limit_s, self._too_late)

    # -- what happens to it

    def answered(self, answer: TransactionAnswer) -> None:
        """Take the answer to a transaction; one that nobody waits for any more is passed over."""
        sent = self.job.transactions[-1] if self.job.transactions else None
        if (
            self.job.state != "running"
            or sent is None
            or answer.number != sent.number
            or sent.outcome != SENT
        ):
            return
        sent.outcome = answer.outcome
        self._stop()
        if answer.outcome != "ok":
            self._refused = True
            self._note("transaction-refused", f"{sent.name}: {answer.outcome}")
            return
        if sent.name == GET_VERSION:
            self._version(answer.fields.get("version", ""))
        else:
            self._note("transaction-response", f"{sent.name}: ok")
        self._forward()

    def registered_anew(self) -> None:
        """The module is back on the air: what it has not answered is sent at once."""
        if self.job.state == "running" and self._left and not self._refused:
            self._stop()
            self._give_up_last()
            self._next = self._scheduler.call_later(_SETTLING_S, self._send)

    # -- transactions

    def _send(self) -> None:
        name, arguments = self._left[0]
        sent = SentTransaction(number=self._number(), name=name)
        self.job.transactions.append(sent)
        self._note("transaction-sent", name)
        self._next = self._scheduler.call_later(self._backoff.patience_s, self._no_response)
        if not self._world.obeys("SS-PROV-14"):
            self._limit.cancel()
            self._limit = self._scheduler.call_later(self.job.limit_s, self._too_late)
        self._send_out(
            Transaction(
                unit=self.job.unit, number=sent.number, name=name, pin=self._pin(), arguments=arguments
            )
        )

    def _no_response(self) -> None:
        sent = self.job.transactions[-1]
        self._give_up_last()
        if sent.name == GET_VERSION and not self._world.obeys("SS-PROV-18"):
            self._plan_the_rest("")
            self._forward()
            return
        pause_s = min(self._backoff.first_s * 2**self._unanswered, self._backoff.longest_s)
        self._unanswered += 1
        self._next = self._scheduler.call_later(pause_s, self._send)

    def _give_up_last(self) -> None:
        sent = self.job.transactions[-1] if self.job.transactions else None
        if sent is not None and sent.outcome == SENT:
            sent.outcome = NO_RESPONSE
            self._note("no-response", f"{sent.name}: no response of the module")

    def _version(self, version: str) -> None:
        self.job.version = version
        self._note("version", f"Get Version: module version {version}")
        self._plan_the_rest(version)

    def _plan_the_rest(self, version: str) -> None:
        self._attributes = self._attributes_of(version)
        rest = self._attributes.transactions
        done = {sent.name for sent in self.job.transactions}
        self._left += [each for each in rest if each[0] not in done]
        if not self._world.obeys("SS-PROV-17"):
            self._left = [each for each in self._left if each[0] != rest[0][0]]

    def _forward(self) -> None:
        self._left, self._unanswered = self._left[1:], 0
        if self._left:
            self._next = self._scheduler.call_later(_SETTLING_S, self._send)
        else:
            self._limit.cancel()
            self._end("complete", "provisioning-complete", f"{self.job.job} is complete")

    # -- the end

    def _too_late(self) -> None:
        self._stop()
        self._give_up_last()
        self._end(
            "incomplete",
            "provisioning-incomplete",
            f"{self.job.job} did not complete within {self.job.limit_s:g} s",
        )

    def _end(self, state: JobState, kind: str, text: str) -> None:
        self.job.state = state
        self.job.ended_at, self.job.ended_s = self._scheduler.utc_now(), self._scheduler.now_s()
        self._note(kind, text)
        self._ended(self.job, self._attributes)

    def _stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _note(self, kind: str, text: str) -> None:
        self._events.note(self.job.unit, kind, text)
