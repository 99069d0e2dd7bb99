"""What the procedures of a virtual ANSI meter do, by the names profiles give them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from adapters.errors import RemoteProtocolError
from adapters.protocols.c1219 import MeterTime, Result
from virtual_rig.meters.ansi.procedures import Answer, Handler

if TYPE_CHECKING:
    from virtual_rig.meters.ansi.model import AnsiMeterModel

_DONE: Answer = (Result.COMPLETED, {})
_REFUSED: Answer = (Result.INVALID_PARAMETER, {})
_MODULE_STATUS = "module_status"


class Actions:
    """The procedures of one meter."""

    def __init__(self, meter: AnsiMeterModel) -> None:
        self._meter = meter

    def by_name(self) -> dict[str, Handler]:
        """Return the handlers there are."""
        return {
            "reset_list_pointers": self._reset_list_pointers,
            "demand_reset": self._demand_reset,
            "set_clock": self._set_clock,
            "switch_open": lambda _: self._move_switch(close=False),
            "switch_close": lambda _: self._move_switch(close=True),
            "read_module_status": self._read_module_status,
        }

    def _reset_list_pointers(self, arguments: dict[str, object]) -> Answer:
        """List 1 is the event log, 3 the first load profile, 6 the history log, 7 all of them."""
        wanted = arguments["LIST"]
        if wanted not in (1, 3, 6, 7):
            return _REFUSED
        if wanted in (3, 7):
            self._meter.load_profile.reset_pointers()
        if wanted in (1, 6, 7):
            self._meter.event("list_pointers_reset")
            self._meter.log.reset_pointers()
        return _DONE

    def _demand_reset(self, _arguments: dict[str, object]) -> Answer:
        self._meter.recorder.reset_demand()
        self._meter.demand_resets += 1
        self._meter.event("demand_reset")
        return Result.COMPLETED, {"SUCCESS_FLAGS": {"DEMAND_RESET_FLAG": 0}}  # 0 means: it was done

    def _set_clock(self, arguments: dict[str, object]) -> Answer:
        meter = self._meter
        mask = cast("dict[str, int]", arguments["SET_MASK"])
        given, old = cast("MeterTime", arguments["DATE_TIME"]), meter.local_time()
        new = old
        if mask["SET_DATE_FLAG"]:
            new = replace(new, year=given.year, month=given.month, day=given.day)
        if mask["SET_TIME_FLAG"]:
            new = replace(new, hour=given.hour, minute=given.minute, second=given.second)
        try:
            moment = new.moment(meter.clock_offset_min)
        except RemoteProtocolError:
            return _REFUSED
        if new != old:
            meter.event("clock_set_old")
            meter.recorder.settle()
            meter.clock.set_utc(moment)
            meter.recorder.clock_was_set()
            meter.event("clock_set_new")
        return Result.COMPLETED, {"DATE_TIME_OLD": old, "DATE_TIME_NEW": new}

    def _move_switch(self, *, close: bool) -> Answer:
        switch = self._meter.switch
        switch.command(close=close)
        # The contacts travel for a while; until they have arrived, ST8 says so.
        return lambda: (Result.ACCEPTED if switch.is_moving else Result.COMPLETED, {})

    def _read_module_status(self, _arguments: dict[str, object]) -> Answer:
        tables = self._meter.tables
        octets = tables.read(_MODULE_STATUS)
        if not isinstance(octets, bytes):
            return Result.CONFLICT, {}
        names = ("STATE_CODE", "ERROR_CODE", "COVERAGE", "RSSI")
        places = {name: tables.place(_MODULE_STATUS, name) for name in names}
        return Result.COMPLETED, {name: octets[place.offset] for name, place in places.items()}
