"""Activation at a given time: the activation script (class 9) and its single action schedule (class 22).

The schedule runs script 1 of the script table at one moment of the meter's own clock (manual p. 116; Blue
Book, classes 9 and 22). A moment the meter spends without supply is missed and not made up for; that, and
that only fully specified moments are taken, is ours.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult, DataType
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.firmware import Firmware
from virtual_rig.wire import Timer

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301

ACTIVATE_SCRIPT = 1
_EXECUTE, _IMAGE_ACTIVATE = 2, 4  # service_id "execute" of a script action; method 4 of class 18
_LOOK_EVERY_S = 60.0  # the clock may be set meanwhile
_EPSILON_S = 1e-6


class ActivationSchedule:
    """When ``firmware`` is to be activated by itself."""

    def __init__(self, meter: Mcs301, firmware: Firmware) -> None:
        self._meter, self._firmware, self.world = meter, firmware, meter.world
        self._entry = dlms.array()
        self._due: datetime | None = None
        self._timer: Timer | None = None
        meter.on_power(self._power)

    def bind(self, name: str, live: LiveObject) -> bool:
        """Serve the script table and the schedule."""
        if name == "image_activation_script":
            target = self._meter.model.by_name["image_transfer"]
            action = dlms.structure(
                dlms.enum(_EXECUTE),
                dlms.long_unsigned(target.entry.class_id),
                dlms.octet_string(target.logical_name),
                dlms.integer(_IMAGE_ACTIVATE),
                dlms.integer(0),
            )
            live.constant(
                "scripts",
                dlms.array(dlms.structure(dlms.long_unsigned(ACTIVATE_SCRIPT), dlms.array(action))),
            )
            live.method("execute", self._execute)
        elif name == "image_activation_schedule":
            script = self._meter.model.by_name["image_activation_script"].logical_name
            live.constant(
                "executed_script",
                dlms.structure(dlms.octet_string(script), dlms.long_unsigned(ACTIVATE_SCRIPT)),
            )
            live.constant("type", dlms.enum(1))  # one moment, date fully specified
            live.attribute("execution_time", lambda: self._entry, self._set)
        else:
            return False
        return True

    def start(self) -> None:
        """Nothing is to be done before somebody writes a time."""

    def _execute(self, argument: Data | None) -> tuple[ActionResult, Data | None]:
        if argument is None or argument.tag is not DataType.LONG_UNSIGNED:
            return ActionResult.TYPE_UNMATCHED, None
        if argument.integer() != ACTIVATE_SCRIPT:
            return ActionResult.OBJECT_UNAVAILABLE, None
        begun = self._firmware.activate()
        accepted = begun in (ActionResult.SUCCESS, ActionResult.TEMPORARY_FAILURE)
        if not accepted and self.world.obeys("DLX-IMG-27"):
            return begun, None
        return ActionResult.SUCCESS, None

    def _set(self, value: Data) -> DataAccessResult:
        try:
            entries = [_date_and_time(entry) for entry in value.items()]
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED
        try:
            moments = [self._moment(entry) for entry in entries]
        except RemoteProtocolError:  # not fully specified, or no date of the calendar
            return DataAccessResult.OTHER_REASON
        if len(moments) > 1:
            return DataAccessResult.OTHER_REASON
        due = moments[0] if moments else None
        self._entry = value
        if due is None and not self.world.obeys("DLX-IMG-26"):
            return DataAccessResult.SUCCESS
        self._forget()
        if due is not None:
            self._due = due
            self._look()
        return DataAccessResult.SUCCESS

    def _moment(self, date_and_time: bytes) -> datetime:
        """Return the moment in UTC of a date and time by the meter's own clock."""
        local = self._meter.clock.time_zone_min if self.world.obeys("DLX-IMG-25") else 0
        zone = local.to_bytes(2, "big", signed=True)
        return CosemDateTime.from_octets(date_and_time + zone + b"\0").utc()

    def _forget(self) -> None:
        self._due = None
        if self._timer is not None:
            self._timer.cancel()

    def _power(self, up: bool) -> None:
        """The moment is kept in memory that survives; the careless meter keeps only what it shows."""
        if not up and not self.world.obeys("DLX-IMG-28"):
            self._forget()

    def _look(self) -> None:
        """Execute when the moment has come; a moment already past when it was set is executed at once."""
        assert self._due is not None
        left_s = (self._due - self._meter.clock.utc()).total_seconds()
        if left_s > _EPSILON_S:
            self._timer = self.world.scheduler.call_later(min(left_s, _LOOK_EVERY_S), self._look)
            return
        self._due = self._timer = None
        if self._meter.powered:
            self._firmware.activate()


def _date_and_time(entry: Data) -> bytes:
    """Return date and time of an execution time. Raises RemoteProtocolError where it has another shape."""
    fields = entry.items()
    if len(fields) != 2:
        raise RemoteProtocolError(f"an execution time has 2 fields, not {len(fields)}")
    time, date = fields[0].octets(), fields[1].octets()
    if len(time) != 4 or len(date) != 5:
        raise RemoteProtocolError("an execution time is 4 octets of time and 5 of date")
    return date + time
