"""TMS, the transaction management system: Master List, device properties, provisioning, events, meter data.

Two halves. The **message gateway** talks to modules and needs TMS's LAN (path ``tms``) and the Internet. The
**operator's side** is what the HTTP interface calls; it answers as long as TMS itself runs, so a stalled
provisioning can be looked into whatever is cut. Methods of that side raise Refused with one word.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime
from itertools import count

from adapters.errors import Refused
from virtual_rig.smartsynch.events import Event, EventLog
from virtual_rig.smartsynch.master_list import Entry, MasterList, Reading
from virtual_rig.smartsynch.messages import (
    AutoRegistration,
    Awake,
    Message,
    MeterData,
    PowerFailure,
    RegistrationProcessed,
    TransactionAnswer,
)
from virtual_rig.smartsynch.network import Network
from virtual_rig.smartsynch.provisioning import Attributes, Job, ProvisioningRun
from virtual_rig.smartsynch.retries import Backoff
from virtual_rig.smartsynch.support import (
    CoverageRecords,
    Measured,
    SectionFourCheck,
    SectionFourDesk,
    Ticket,
)
from virtual_rig.world import World

DEFAULT_LIMIT_S = 1800.0
_PROCESSING_S = 1.0  # a registration, from the gateway to the Master List


class Tms:
    """A TMS on ``network``. ``attributes`` says, from a module's version, how its device is dealt with."""

    def __init__(
        self,
        world: World,
        network: Network,
        *,
        attributes: Callable[[str], Attributes],
        backoff: Backoff | None = None,
    ) -> None:
        self._world, self._scheduler, self._network = world, world.scheduler, network
        self._attributes = attributes
        self._backoff = backoff or Backoff(first_s=30.0)
        self._pins: dict[str, str] = {}
        self._jobs: dict[str, Job] = {}
        self._runs: dict[str, ProvisioningRun] = {}  # by unit: the last one
        self._tickets = count(1)
        self._numbers = count(1)
        self.units = MasterList(world)
        self.events = EventLog(world)
        self._coverage = CoverageRecords(world, network)
        self._section_four = SectionFourDesk(world, network, lambda wake_up: network.down("tms", wake_up))
        network.serve("tms", self._receive)

    # -- the message gateway

    def _receive(self, message: Message) -> None:
        match message:
            case AutoRegistration():
                self._scheduler.call_later(_PROCESSING_S, self._register, message)
            case TransactionAnswer():
                run = self._runs.get(message.unit)
                if run is not None:
                    run.answered(message)
            case Awake():
                self._section_four.awake(message.number)
            case MeterData():
                self._take_data(message)
            case PowerFailure() if self.units.find(message.unit) is not None:
                self.events.note(message.unit, "power-failure", "the meter reports the loss of its supply")
            case _:
                pass

    def _register(self, message: AutoRegistration) -> None:
        new = self.units.register(message.unit, message.module_version, provisioned=message.provisioned)
        self.events.note(message.unit, "registration", "unit added" if new else "unit updated")
        self._network.down("tms", RegistrationProcessed(unit=message.unit))
        run = self._runs.get(message.unit)
        if run is not None:
            run.registered_anew()

    def _take_data(self, message: MeterData) -> None:
        entry = self.units.find(message.unit)
        if entry is not None:
            entry.readings.append(Reading(at=self._scheduler.utc_now(), raw=message.raw))
            self.events.note(message.unit, "meter-data", "meter data received")

    # -- the operator: Master List and device properties

    def entry(self, unit: str) -> Entry:
        """Return the unit's line of the Master List. Raises Refused ``unknown-unit``."""
        entry = self.units.find(unit)
        if entry is None:
            raise Refused("unknown-unit", f"{unit} is not in the Master List")
        return entry

    def remove(self, unit: str) -> None:
        """Take the unit off the Master List and forget its properties. Raises Refused ``busy``."""
        self._refuse_while_running(unit)
        self.units.remove(unit)
        self._pins.pop(unit, None)

    def save_pin(self, unit: str, pin: str) -> None:
        """Save the PIN in the unit's device properties, which may be there before the unit is."""
        self._pins[unit] = pin
        self.events.note(unit, "properties-saved", "device properties saved")

    def review_pin(self, unit: str, pin: str) -> tuple[bool, bool]:
        """Return whether a PIN is configured, and whether it is this one."""
        if unit not in self._pins:
            return False, False
        same = hmac.compare_digest(self._pins[unit].encode(), pin.encode())
        return True, same or not self._world.obeys("SS-TRB-02")

    # -- the operator: provisioning

    def provision(self, unit: str, limit_s: float = DEFAULT_LIMIT_S) -> Job:
        """Begin to provision a unit that is Placed.

        Raises Refused ``unknown-unit`` (neither registered nor with properties), ``not-placed``,
        ``no-properties`` or ``busy``; nothing has been done then.
        """
        entry = self.units.find(unit)
        if entry is None and unit not in self._pins:
            raise Refused("unknown-unit", f"{unit} is neither in the Master List nor has it properties")
        if entry is None and self._world.obeys("SS-PROV-10"):
            raise Refused("not-placed", f"{unit} has not registered yet")
        if unit not in self._pins:
            raise Refused("no-properties", f"{unit} has no PIN in its device properties")
        self._refuse_while_running(unit)
        job = Job(
            job=f"P-{len(self._jobs) + 1:06d}",
            unit=unit,
            limit_s=limit_s,
            requested_at=self._scheduler.utc_now(),
            requested_s=self._scheduler.now_s(),
        )
        self._jobs[job.job] = job
        self.events.note(unit, "provisioning-requested", f"{job.job}, limit {limit_s:g} s")
        if entry is not None:
            entry.status = "provisioning"
        self._runs[unit] = ProvisioningRun(
            self._world,
            self.events,
            job,
            pin=lambda: self._pins[unit],
            attributes=self._attributes,
            send=lambda transaction: self._network.down("tms", transaction),
            ended=self._ended,
            number=lambda: next(self._numbers),
            backoff=self._backoff,
        )
        return job

    def job(self, job: str) -> Job:
        """Return a job. Raises Refused ``unknown-job``."""
        if job not in self._jobs:
            raise Refused("unknown-job", f"there is no job {job}")
        return self._jobs[job]

    def elapsed_s(self, job: Job) -> float:
        """Return how long a job has taken so far, or in all."""
        return (self._scheduler.now_s() if job.ended_s is None else job.ended_s) - job.requested_s

    def _refuse_while_running(self, unit: str) -> None:
        last = self._runs.get(unit)
        if last is not None and last.job.state == "running":
            raise Refused("busy", f"{last.job.job} is still running")

    def _ended(self, job: Job, attributes: Attributes | None) -> None:
        entry = self.units.find(job.unit)
        if entry is None:
            return
        if job.state == "complete":
            entry.status, entry.attributes = "provisioned", attributes
        else:
            entry.status = "incomplete"

    # -- the operator: data

    def data(self, unit: str) -> tuple[Entry, Attributes | None]:
        """Return the unit with its readings, and how to read them: None where TMS does not vouch for it.

        Raises Refused ``unknown-unit``, or ``not-provisioned`` for a unit that has delivered nothing yet.
        """
        entry = self.entry(unit)
        if not entry.readings and entry.status != "provisioned":
            raise Refused("not-provisioned", f"{unit} has delivered nothing: it is {entry.status}")
        if entry.status == "provisioned":
            return entry, entry.attributes
        return entry, None if self._world.obeys("SS-PROV-13") else self._attributes("")

    # -- the operator: troubleshooting

    def search_events(self, unit: str, since: datetime | None) -> tuple[Event, ...]:
        """Return the events of a unit since a moment."""
        return self.events.search(unit, since)

    def coverage(self, unit: str) -> Measured:
        """Return the coverage record of the unit's site."""
        return self._coverage.of(unit)

    def begin_section_four(self, unit: str) -> SectionFourCheck:
        """Begin with section 4."""
        return self._section_four.begin(unit, registered=self.units.find(unit) is not None)

    def section_four(self, check: str) -> SectionFourCheck:
        """Return what section 4 has come to. Raises Refused ``unknown-check``."""
        found = self._section_four.find(check)
        if found is None:
            raise Refused("unknown-check", f"there is no check {check}")
        return found

    def internet(self) -> bool:
        """Return whether the Internet can be reached from here."""
        return self._network.closed("internet") or not self._world.obeys("SS-TRB-06")

    def open_ticket(self, unit: str, job: str) -> Ticket:
        """Open a case with the vendor, with the events of the job. Raises Refused ``unknown-job``."""
        found = self.job(job)
        if found.unit != unit:
            raise Refused("unknown-job", f"{job} is not a job of {unit}")
        events = self.events.since(unit, found.requested_at) if self._world.obeys("SS-TRB-07") else ()
        return Ticket(ticket=f"T-{next(self._tickets):06d}", unit=unit, job=job, events=len(events))
