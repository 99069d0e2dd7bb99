"""What TMS offers its operator for finding out why a provisioning stalls, beyond PIN and events.

The guide names the checks; what they show is assumed. Coverage: the carrier measures the signal at the site
when it is asked, which needs the Internet; without it the record shows what was measured last. Section 4: the
module is woken up and has so long to answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from virtual_rig.smartsynch.messages import WakeUp
from virtual_rig.smartsynch.network import Network
from virtual_rig.wire import Timer
from virtual_rig.world import World

Finding = Literal["nothing-found", "not-registered", "gateway-down", "module-silent"]
WAKE_UP_PATIENCE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The signal at a site, as it was measured last."""

    rssi_dbm: int
    minimum_dbm: int
    at: datetime

    @property
    def sufficient(self) -> bool:
        """Whether it is at least what is needed."""
        return self.rssi_dbm >= self.minimum_dbm


class CoverageRecords:
    """The coverage validation of each unit's site. Every site has been surveyed before a meter went there."""

    def __init__(self, world: World, network: Network) -> None:
        self._world, self._network = world, network
        self._survey = self._measure()
        self._records: dict[str, Measured] = {}

    def of(self, unit: str) -> Measured:
        """Return the record of the site of ``unit``, brought up to date where the carrier can be asked."""
        record = self._records.get(unit, self._survey)
        if self._network.closed("internet"):
            measured = self._measure()
            if measured.sufficient or self._world.obeys("SS-TRB-01"):
                record = measured
        self._records[unit] = record
        return record

    def _measure(self) -> Measured:
        return Measured(
            rssi_dbm=self._network.rssi_dbm,
            minimum_dbm=self._network.minimum_dbm,
            at=self._world.scheduler.utc_now(),
        )


@dataclass(kw_only=True)
class SectionFourCheck:
    """One run through section 4; ``finding`` is empty while it goes on."""

    check: str
    unit: str
    registered: bool
    module_reachable: bool = False
    finding: Finding | Literal[""] = ""


class SectionFourDesk:
    """Runs through section 4. ``send`` gives a wake-up to the message gateway."""

    def __init__(self, world: World, network: Network, send: Callable[[WakeUp], None]) -> None:
        self._world, self._scheduler, self._network = world, world.scheduler, network
        self._send = send
        self._checks: dict[str, SectionFourCheck] = {}
        self._waiting: dict[int, tuple[SectionFourCheck, Timer]] = {}

    def begin(self, unit: str, registered: bool) -> SectionFourCheck:
        """Begin a check."""
        number = len(self._checks) + 1
        check = SectionFourCheck(check=f"S4-{number:05d}", unit=unit, registered=registered)
        self._checks[check.check] = check
        if not registered:
            check.finding = "not-registered"
        elif not self._world.obeys("SS-TRB-05"):  # the Master List knows it, so it will be there
            check.module_reachable, check.finding = True, "nothing-found"
        elif not self._network.closed("tms"):  # the gateway's heartbeat is missing
            check.finding = "gateway-down"
        else:
            timer = self._scheduler.call_later(WAKE_UP_PATIENCE_S, self._silent, number)
            self._waiting[number] = (check, timer)
            self._send(WakeUp(unit=unit, number=number))
        return check

    def find(self, check: str) -> SectionFourCheck | None:
        """Return a check by its name."""
        return self._checks.get(check)

    def awake(self, number: int) -> None:
        """A module has answered a wake-up."""
        if number in self._waiting:
            check, timer = self._waiting.pop(number)
            timer.cancel()
            check.module_reachable, check.finding = True, "nothing-found"

    def _silent(self, number: int) -> None:
        check, _timer = self._waiting.pop(number)
        check.finding = "module-silent"


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A case with the vendor's customer support."""

    ticket: str
    unit: str
    job: str
    events: int
