"""A short message service: numbers, a service centre that stores and forwards, and what goes wrong there.

A message is stamped when the centre takes it and reaches its number after the latency; a number that cannot
be reached gets it when it is back, unless its validity period has ended by then. Whoever asked for a status
report gets one when the fate of the message is settled. Faults count the messages the centre has taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from adapters.protocols.gsm.pdu import DELIVERED, Deliver, Received, StatusReport, Submit
from virtual_rig.world import World

VALIDITY_S = 3 * 86400  # where the sender gives none
_UNOBTAINABLE, _EXPIRED, _TEMPORARY = 0x43, 0x46, 0x63
_LARGEST_STORE = 1000


class Subscriber(Protocol):
    """Who has a number."""

    @property
    def reachable(self) -> bool:
        """Whether the network can reach it now."""
        ...

    def take(self, message: Received) -> None:
        """Take a message or a status report."""
        ...


@dataclass(frozen=True, kw_only=True)
class SmsFaults:
    """What happens to single messages, by their number from 1 on; 0: to none.

    ``lose`` never arrives, and nobody is told; ``twice`` is delivered twice with one time stamp; ``swap``
    arrives after the one that follows it; ``late`` arrives ``late_s`` later.
    """

    lose: int = 0
    twice: int = 0
    swap: int = 0
    late: int = 0
    late_s: float = 600.0


@dataclass(kw_only=True)
class _Stored:
    sender: str
    message: Submit
    taken_at: datetime
    expires_s: float
    number: int
    copies: int = 1


class SmsNetwork:
    """The service. ``centre`` is its own number."""

    def __init__(
        self,
        world: World,
        *,
        centre: str = "+4917000000000",
        latency_s: float = 2.0,
        faults: SmsFaults | None = None,
    ) -> None:
        self.world, self.centre, self.latency_s = world, centre, latency_s
        self._faults = faults or SmsFaults()
        self._subscribers: dict[str, Subscriber] = {}
        self._stored: dict[str, list[_Stored]] = {}
        self._swapped: Callable[[], None] | None = None
        self.taken = 0

    def join(self, number: str, subscriber: Subscriber) -> None:
        """Give ``number`` to a subscriber."""
        self._subscribers[number] = subscriber

    def subscriber(self, number: str) -> Subscriber:
        """Return who has ``number``. Raises KeyError."""
        return self._subscribers[number]

    def back(self, number: str) -> None:
        """Take note that ``number`` can be reached again: it gets what waits for it, in order."""
        for stored in self._stored.pop(number, []):
            self.world.scheduler.call_later(self.latency_s, self._deliver, stored)

    def submit(self, sender: str, message: Submit) -> None:
        """Take a message from ``sender``."""
        self.taken += 1
        scheduler, faults = self.world.scheduler, self._faults
        now_s = scheduler.now_s()
        stored = _Stored(
            sender=sender,
            message=message,
            taken_at=scheduler.utc_now().replace(microsecond=0),
            expires_s=now_s + (message.validity_s or VALIDITY_S),
            number=self.taken,
            copies=2 if self.taken == faults.twice else 1,
        )
        if stored.number == faults.lose:
            return
        delay_s = self.latency_s + (faults.late_s if stored.number == faults.late else 0.0)
        if stored.number == faults.swap:
            self._swapped = lambda: self._deliver(stored)
            return
        scheduler.call_later(delay_s, self._deliver, stored)
        if self._swapped is not None:
            scheduler.call_later(delay_s, self._swapped)
            self._swapped = None

    def _deliver(self, stored: _Stored) -> None:
        if self.world.scheduler.now_s() > stored.expires_s:
            self._report(stored, _EXPIRED)
            return
        to = stored.message.to
        subscriber = self._subscribers.get(to)
        if subscriber is None:
            self._report(stored, _UNOBTAINABLE)
            return
        if not subscriber.reachable:
            waiting = self._stored.setdefault(to, [])
            if len(waiting) >= _LARGEST_STORE:
                self._report(stored, _TEMPORARY)
                return
            waiting.append(stored)
            return
        delivered = Deliver(sender=stored.sender, data=stored.message.data, sent_at=stored.taken_at)
        for _ in range(stored.copies):
            subscriber.take(delivered)
        self._report(stored, DELIVERED)

    def _report(self, stored: _Stored, status: int) -> None:
        sender = self._subscribers.get(stored.sender)
        if sender is None or not stored.message.wants_report or not sender.reachable:
            return
        scheduler = self.world.scheduler
        report = StatusReport(
            reference=stored.message.reference,
            recipient=stored.message.to,
            sent_at=stored.taken_at,
            settled_at=scheduler.utc_now().replace(microsecond=0),
            status=status,
        )
        scheduler.call_later(self.latency_s, sender.take, report)
