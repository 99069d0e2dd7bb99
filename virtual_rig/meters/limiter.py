"""The limiter (class 71): opens the supply switch when the load is too high for too long.

The monitored power is compared with the active threshold whenever the load changes; nothing ticks. Over the
threshold for longer than ``min_over_threshold_duration`` the switch is told to disconnect locally, under it
for longer than ``min_under_threshold_duration`` to reconnect locally; its control mode decides what comes
of that (``disconnector``). An emergency profile whose number is in the list of groups replaces the threshold
from its activation time for its duration. Blue Book 4.5.9; thresholds, durations and the link to the switch
are ours.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import DataAccessResult, DataType
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.disconnector import ControlState, SwitchCommand
from virtual_rig.meters.periods import MeterAlarm
from virtual_rig.meters.schedules import Schedules
from virtual_rig.meters.selective_access import Column
from virtual_rig.wire import Timer

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301

NO_LIMIT_W: Final = 0xFFFFFFFF
DISCONNECT, RECONNECT = 3, 4
"""Scripts of the disconnect script table: local disconnect and local reconnect."""


class Limiter:
    """The limiter of a meter. ``threshold_w`` of 2**32 - 1 never limits."""

    def __init__(self, meter: Mcs301, schedules: Schedules) -> None:
        self._meter, self._schedules = meter, schedules
        self.normal_w = self.emergency_w = NO_LIMIT_W
        self.over_s, self.under_s = 60, 60
        self._profile: tuple[int, bytes, int] = (0, bytes(12), 0)  # id, activation time, duration in s
        self._groups: tuple[int, ...] = ()
        self._emergency_from: datetime | None = None
        self._emergency_to: datetime | None = None
        self._pending: Timer | None = None
        self._over: bool | None = None
        self._over_since_s: float | None = None
        self._over_before_s = 0.0
        self._alarm: MeterAlarm | None = None
        for number, command in (
            (1, SwitchCommand.REMOTE_DISCONNECT),
            (2, SwitchCommand.REMOTE_RECONNECT),
            (DISCONNECT, SwitchCommand.LOCAL_DISCONNECT),
            (RECONNECT, SwitchCommand.LOCAL_RECONNECT),
        ):
            schedules.script("disconnect_script", number, partial(self._command, command))

    def start(self) -> None:
        """Begin to watch the load."""
        look_soon = self._look_soon
        self._meter.supply.on_before_change(look_soon)
        self._meter.on_switch(look_soon)
        self._meter.on_power(lambda _up: look_soon())
        self._alarm = MeterAlarm(self._meter, due=self._emergency_change, reached=lambda _: self._look())
        look_soon()

    # --- what the limiter does ---------------------------------------------------------------------------

    @property
    def emergency(self) -> bool:
        """Whether the emergency profile is in force."""
        now = self._meter.clock.utc()
        begins, ends = self._emergency_from, self._emergency_to
        if begins is None or ends is None or now < begins:
            return False
        if self._profile[0] not in self._groups and self._meter.world.obeys("DLX-LIM-13"):
            return False
        return now < ends or not self._meter.world.obeys("DLX-LIM-07")

    @property
    def active_w(self) -> int:
        """The threshold in force, in W."""
        if self.emergency and self._meter.world.obeys("DLX-LIM-08"):
            return self.emergency_w
        return self.normal_w

    def _look_soon(self) -> None:
        # Listeners hear of a change right before it; what flows afterwards is known in the same instant.
        self._meter.world.scheduler.call_later(0, self._look)

    def _look(self) -> None:
        """Compare the load with the threshold; start or stop the time that has to pass."""
        if not self._meter.powered:
            self._forget()
            return
        over = self._meter.metrology.total_w() > self.active_w
        if over == self._over and (not over or self._meter.world.obeys("DLX-LIM-14")):
            return
        self._forget()
        self._over = over
        wait_s = float(self.over_s if over else self.under_s)
        if over:
            self._over_since_s = self._meter.world.scheduler.now_s()
            if not self._meter.world.obeys("DLX-LIM-01"):
                wait_s *= 2
            if not self._meter.world.obeys("DLX-LIM-02"):
                wait_s = min(wait_s, 1)
            if not self._meter.world.obeys("DLX-LIM-03"):
                wait_s = max(wait_s - self._over_before_s, 0)
        elif not self._meter.world.obeys("DLX-LIM-04"):
            wait_s = min(wait_s, 1)
        self._pending = self._meter.world.scheduler.call_later(wait_s, self._act, over)

    def _forget(self) -> None:
        if self._over_since_s is not None:
            self._over_before_s += self._meter.world.scheduler.now_s() - self._over_since_s
        self._over, self._over_since_s = None, None
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

    def _act(self, over: bool) -> None:
        self._pending, self._over_before_s = None, 0.0
        table = self._schedules.table("disconnect_script")
        self._schedules.run(table, DISCONNECT if over else RECONNECT)

    def _command(self, command: SwitchCommand) -> None:
        switch = self._meter.disconnector
        if command is SwitchCommand.LOCAL_DISCONNECT and not self._meter.world.obeys("DLX-LIM-05"):
            if switch.state is ControlState.CONNECTED:
                switch.command(SwitchCommand.REMOTE_DISCONNECT)
            return
        if command is SwitchCommand.LOCAL_RECONNECT and not self._meter.world.obeys("DLX-LIM-06"):
            if switch.state is ControlState.READY_FOR_RECONNECTION:
                switch.command(SwitchCommand.MANUAL_RECONNECT)
            return
        switch.command(command)

    def _emergency_change(self, after: datetime) -> datetime | None:
        moments = (self._emergency_from, self._emergency_to)
        return min((each for each in moments if each is not None and each > after), default=None)

    # --- the object --------------------------------------------------------------------------------------

    def bind(self, name: str, live: LiveObject) -> bool:
        """Serve the limiter of the meter."""
        if name != "limiter":
            return False
        power = self._meter.model.by_name["power_import"]
        monitored = Column(class_id=power.entry.class_id, logical_name=power.logical_name).as_data().items()
        live.constant("monitored_value", dlms.structure(*monitored[:3]))
        live.attribute("threshold_active", lambda: dlms.double_long_unsigned(self.active_w))
        live.attribute("threshold_normal", lambda: dlms.double_long_unsigned(self.normal_w), self._set_normal)
        live.attribute(
            "threshold_emergency", lambda: dlms.double_long_unsigned(self.emergency_w), self._set_emergency
        )
        live.attribute(
            "min_over_threshold_duration", lambda: dlms.double_long_unsigned(self.over_s), self._set_over
        )
        live.attribute(
            "min_under_threshold_duration", lambda: dlms.double_long_unsigned(self.under_s), self._set_under
        )
        live.attribute("emergency_profile", self._emergency_profile, self._set_profile)
        live.attribute(
            "emergency_profile_group_id_list",
            lambda: dlms.array(*(dlms.long_unsigned(group) for group in self._groups)),
            self._set_groups,
        )
        live.attribute("emergency_profile_active", lambda: dlms.boolean(self.emergency))
        table = dlms.octet_string(self._schedules.table("disconnect_script"))
        live.constant(
            "actions",
            dlms.structure(
                dlms.structure(table, dlms.long_unsigned(DISCONNECT)),
                dlms.structure(table, dlms.long_unsigned(RECONNECT)),
            ),
        )
        return True

    def _set_normal(self, value: Data) -> DataAccessResult:
        if value.tag is not DataType.DOUBLE_LONG_UNSIGNED:
            return DataAccessResult.TYPE_UNMATCHED
        self.normal_w = value.integer()
        return self._changed()

    def _set_emergency(self, value: Data) -> DataAccessResult:
        if value.tag is not DataType.DOUBLE_LONG_UNSIGNED:
            return DataAccessResult.TYPE_UNMATCHED
        self.emergency_w = value.integer()
        return self._changed()

    def _set_over(self, value: Data) -> DataAccessResult:
        if value.tag is not DataType.DOUBLE_LONG_UNSIGNED:
            return DataAccessResult.TYPE_UNMATCHED
        self.over_s = value.integer()
        return self._changed()

    def _set_under(self, value: Data) -> DataAccessResult:
        if value.tag is not DataType.DOUBLE_LONG_UNSIGNED:
            return DataAccessResult.TYPE_UNMATCHED
        self.under_s = value.integer()
        return self._changed()

    def _set_groups(self, value: Data) -> DataAccessResult:
        try:
            groups = value.items()
            if value.tag is not DataType.ARRAY or any(
                each.tag is not DataType.LONG_UNSIGNED for each in groups
            ):
                return DataAccessResult.TYPE_UNMATCHED
            self._groups = tuple(each.integer() for each in groups)
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED
        return self._changed()

    def _changed(self) -> DataAccessResult:
        """Start anew under the new rules."""
        self._forget()
        self._over_before_s = 0.0
        self._look()
        return DataAccessResult.SUCCESS

    def _emergency_profile(self) -> Data:
        number, octets, duration_s = self._profile
        return dlms.structure(
            dlms.long_unsigned(number), dlms.octet_string(octets), dlms.double_long_unsigned(duration_s)
        )

    def _set_profile(self, value: Data) -> DataAccessResult:
        try:
            parts = value.items()
            if len(parts) != 3:
                raise RemoteProtocolError(f"an emergency profile has 3 parts, not {len(parts)}")
            number, octets, duration_s = parts[0].integer(), parts[1].octets(), parts[2].integer()
            begins = CosemDateTime.from_octets(octets).utc(self._meter.clock.time_zone_min)
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED
        self._profile = (number, octets, duration_s)
        self._emergency_from, self._emergency_to = begins, begins + timedelta(seconds=duration_s)
        if self._alarm is not None:
            self._alarm.arm()
        return self._changed()
