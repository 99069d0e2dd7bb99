"""The MCS301: one logical device with its registers, clock, logs and supply switch.

Plain state, no I/O: ports (``ports.py``) bring it APDUs, the association table (``associations.py``)
decides who may do what, and the supply (``virtual_rig.supply``) tells it what flows and when it dies.
A power cut ends every association and every link; the clock, the registers and the logs go on.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.profiles.model import EventLogs, Profile
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.axdr import encode_data
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import ActionResult, ClockStatus, DataAccessResult, DataType
from adapters.protocols.dlms.security import InvocationCounter
from adapters.protocols.dlms.units import unit_code
from virtual_rig.meters.cosem import LiveObject, ObjectModel
from virtual_rig.meters.disconnector import ControlState, Disconnector, SwitchCommand
from virtual_rig.meters.event_log import EventLog
from virtual_rig.meters.features import features_of
from virtual_rig.meters.firmware import FirmwareTraits
from virtual_rig.meters.guarded import GuardedWindow
from virtual_rig.meters.identity import MeterIdentity
from virtual_rig.meters.load_profile import LoadProfiles
from virtual_rig.meters.meter_clock import MeterClock
from virtual_rig.meters.metrology import Metrology, register_value
from virtual_rig.meters.moments import Moments
from virtual_rig.meters.security_setup import SecuritySetups
from virtual_rig.meters.selective_access import Column, Selector
from virtual_rig.supply import Supply
from virtual_rig.wire import Timer
from virtual_rig.world import World

NOTE_OCTETS = 32
_LOG_NAMES = ("standard", "fraud", "disconnector", "communication", "power_failure")


class Mcs301:
    """A virtual MCS301 on ``supply``, shaped by ``profile``."""

    def __init__(
        self,
        *,
        world: World,
        supply: Supply,
        profile: Profile,
        identity: MeterIdentity | None = None,
        drift_ppm: int = 0,
        time_zone_min: int = -60,
        energy_wh: dict[str, int] | None = None,
        history: dict[str, int] | None = None,
        firmware_traits: FirmwareTraits | None = None,
    ) -> None:
        self.world, self.supply, self.profile = world, supply, profile
        self.moments = Moments(supply)
        self.firmware_traits = firmware_traits
        self.identity = identity or MeterIdentity()
        self.clock = MeterClock(world.scheduler, drift_ppm=drift_ppm, time_zone_min=time_zone_min)
        events = profile.events or EventLogs(assumed=True)
        self._numbers = events.numbers
        self.selector = Selector(world, lambda: self.clock.time_zone_min)
        self.logs = {
            name: EventLog(
                world,
                self.clock,
                self.selector,
                capacity=events.entries.get(name, 100),
                cleared=events.numbers.get(name, {}).get("log_cleared"),
            )
            for name in _LOG_NAMES
        }
        self.disconnector = Disconnector(moved=self._switch_moves)
        self.metrology = Metrology(supply, lambda: self.disconnector.output_on)
        for quantity, value in (energy_wh or {}).items():
            self.metrology.energies.preset_wh(quantity, value)
        # Of the meter, not of an association: they survive associations and power cuts.
        self.received_counters = {name: GuardedWindow(world) for name in profile.clients}
        self.sent_counters = {name: InvocationCounter(1) for name in profile.clients}
        self.security = SecuritySetups(self)
        self._cut_at_s: float | None = None
        self._last_failure_s = 0
        self._note_writes = 0
        self._power_listeners: list[Callable[[bool], None]] = []
        self._switch_listeners: list[Callable[[], None]] = []
        self._link_listeners: list[Callable[[bool], None]] = []
        self._restart: Timer | None = None
        self._event_listeners: list[Callable[[str, str], None]] = []
        self.send_sms: Callable[[bytes, str], None] | None = None  # APDU and number; set by the SMS port
        self.model = ObjectModel(profile.objects)
        self.features = features_of(self)
        self._bind()
        supply.on_power(self._power)
        for feature in self.features:
            feature.start()
            if isinstance(feature, LoadProfiles):
                feature.preset(history or {})

    @property
    def powered(self) -> bool:
        """Whether the meter is alive: it has supply and does not restart just now."""
        return self.supply.powered and self._restart is None

    def on_power(self, listener: Callable[[bool], None]) -> None:
        """Call ``listener(up)`` after the meter has come up or gone down."""
        self._power_listeners.append(listener)

    def on_switch(self, listener: Callable[[], None]) -> None:
        """Call ``listener()`` right before the supply switch moves."""
        self._switch_listeners.append(listener)

    def on_links(self, listener: Callable[[bool], None]) -> None:
        """Call ``listener(up)`` after the meter came up or went down, a restart under supply included."""
        self._link_listeners.append(listener)

    def restart(self, duration_s: float, booted: Callable[[], None]) -> None:
        """Restart the processor: links are gone for ``duration_s``; ``booted`` is called as they come back.

        A power cut meanwhile is the end of it: the meter comes up with its supply, ``booted`` is not called.
        """

        def done() -> None:
            self.moments.passed()
            if self._restart is None:  # the supply went at this very moment
                return
            self._restart = None
            booted()
            for listener in self._link_listeners:
                listener(True)
            self.moments.passed()

        self._restart = self.world.scheduler.call_later(duration_s, done)
        for listener in self._link_listeners:
            listener(False)

    def restart_counters(self, client: str) -> None:
        """Count anew both ways: ``client`` has a new encryption key, and its counters are the key's."""
        self.received_counters[client] = GuardedWindow(self.world)
        self.sent_counters[client] = InvocationCounter(1)

    def on_event(self, listener: Callable[[str, str], None]) -> None:
        """Call ``listener(log, event)`` after an event has been recorded, by the profile's names."""
        self._event_listeners.append(listener)

    def record(self, log: str, event: str) -> None:
        """Write ``event`` to ``log`` by the names the profile gives them; unknown ones are not logged."""
        number = self._numbers.get(log, {}).get(event)
        if number is not None:
            self.logs[log].record(number)
        for listener in self._event_listeners:
            listener(log, event)

    def press_button(self, command: SwitchCommand = SwitchCommand.MANUAL_RECONNECT) -> bool:
        """Press the button of the supply switch at the meter; return whether it moved."""
        return self.disconnector.command(command)

    # --- power -------------------------------------------------------------------------------------------

    def _power(self, up: bool) -> None:
        now_s = self.world.scheduler.now_s()
        for log in self.logs.values():
            log.power(up)
        if up:
            if self._cut_at_s is not None:
                logged_s, self._last_failure_s = self._last_failure_s, int(now_s - self._cut_at_s)
                if self.world.obeys("DLX-LOG-02"):
                    logged_s = self._last_failure_s
                self.logs["power_failure"].record_value(dlms.double_long_unsigned(logged_s))
            self.record("standard", "power_up")
            if not self.world.obeys("DLX-LIM-12"):
                self.disconnector.state = ControlState.CONNECTED  # where it was is not kept
        else:
            if self._restart is not None:
                self._restart.cancel()
                self._restart = None
            self._cut_at_s = now_s
            if self.world.obeys("DLX-LOG-01"):
                self.record("standard", "power_down")
        self.security.power(up)
        for listener in (*self._power_listeners, *self._link_listeners):
            listener(up)

    def _switch_moves(self, command: SwitchCommand, _after: ControlState) -> None:
        self.metrology.energies.settle()
        if command is SwitchCommand.REMOTE_DISCONNECT and not self.world.obeys("DLX-LOG-07"):
            command = SwitchCommand.MANUAL_DISCONNECT
        self.record("disconnector", command.value)
        for listener in self._switch_listeners:
            listener()

    # --- the object model --------------------------------------------------------------------------------

    def _bind(self) -> None:
        by_class: dict[int, Callable[[str, LiveObject], None]] = {
            1: self._bind_data,
            3: self._bind_register,
            7: self._bind_log,
            8: self._bind_clock,
            17: self._bind_sap_assignment,
            70: self._bind_disconnect_control,
        }
        for name, live in self.model.by_name.items():
            if any(feature.bind(name, live) for feature in self.features):
                continue
            if live.entry.class_id in by_class:  # class 15 is the association table's
                by_class[live.entry.class_id](name, live)

    def _bind_data(self, name: str, live: LiveObject) -> None:
        identity = self.identity
        fixed = {
            "logical_device_name": dlms.octet_string(identity.logical_device_name),
            "device_id": dlms.visible_string(identity.device_id),
        }
        if name in fixed:
            live.constant("value", fixed[name])
        elif name.startswith("invocation_counter_"):
            windows, whose = (
                self.received_counters,
                name.removeprefix("invocation_counter_").replace("_", "-"),
            )
            live.attribute("value", lambda: dlms.double_long_unsigned(max(windows[whose].expected - 1, 0)))
        elif name.endswith("_event") and (log := self.logs.get(name.removesuffix("_event"))):
            live.attribute("value", lambda: dlms.unsigned(log.last))
        elif name == "installation_note":
            self._store(live, dlms.octet_string(b"not installed"), changed=self._note_written)
        else:
            self._store(live, _zero(live.entry.type))

    def _bind_register(self, name: str, live: LiveObject) -> None:
        entry = live.entry
        unit = unit_code(entry.unit)
        live.constant("scaler_unit", dlms.structure(dlms.integer(entry.scaler), dlms.enum(unit)))
        live.method("reset", _method_denied)
        tag = DataType.from_label(entry.type or "double-long-unsigned")
        energies = {
            "energy_import": "A+",
            "energy_export": "A-",
            "reactive_import": "R+",
            "reactive_export": "R-",
        }
        if name in energies:
            read_wh = partial(self.metrology.energies.read_wh, energies[name])
            live.attribute("value", lambda: Data(tag, read_wh() % (1 << 32)))
        elif (measure := self._measured(name)) is not None:
            live.attribute("value", lambda: Data(tag, register_value(measure(), entry.scaler)))
        elif name == "power_failure_duration":
            live.attribute("value", lambda: Data(tag, self._last_failure_s))
        elif name == "note_counter":
            live.attribute("value", lambda: Data(tag, self._note_writes))
            live.method("reset", self._reset_note_counter)
        elif name == "sag_threshold":
            self._store(live, Data(tag, register_value(Decimal("195.5"), entry.scaler)))
        else:
            self._store(live, _zero(entry.type))

    def _measured(self, name: str) -> Callable[[], Decimal] | None:
        metrology = self.metrology
        per_phase = {
            "voltage": metrology.voltage_v,
            "current": metrology.current_a,
            "power": metrology.power_w,
        }
        quantity, _, phase = name.rpartition("_l")
        if quantity in per_phase and phase in {"1", "2", "3"}:
            return partial(per_phase[quantity], int(phase) - 1)
        whole: dict[str, Callable[[], Decimal]] = {
            "power_import": lambda: max(metrology.total_w(), Decimal(0)),
            "power_export": lambda: max(-metrology.total_w(), Decimal(0)),
            "frequency": metrology.frequency_hz,
            "power_factor": metrology.power_factor,
        }
        return whole.get(name)

    def _bind_log(self, name: str, live: LiveObject) -> None:
        log = self.logs[name.removesuffix("_event_log").removesuffix("_log")]
        beside = {"power_failure_log": "power_failure_duration"}.get(name, name.removesuffix("_log"))
        column = self.model.by_name[beside]
        log.bind(
            live,
            self.model.by_name["clock"].logical_name,
            Column(class_id=column.entry.class_id, logical_name=column.logical_name),
        )

    def _bind_clock(self, _name: str, live: LiveObject) -> None:
        clock = self.clock
        live.attribute("time", lambda: dlms.octet_string(clock.octets()), self._set_time)
        live.attribute("time_zone", lambda: dlms.long(clock.time_zone_min), self._set_time_zone)
        live.attribute("status", lambda: dlms.unsigned(int(clock.status)))
        never = dlms.octet_string(bytes.fromhex("FFFFFFFFFFFFFFFFFF800000"))
        live.constant("daylight_savings_begin", never)
        live.constant("daylight_savings_end", never)
        live.constant("daylight_savings_deviation", dlms.integer(60))
        live.constant("daylight_savings_enabled", dlms.boolean(False))
        live.constant("clock_base", dlms.enum(1))  # internal crystal
        live.method("adjust_to_quarter", lambda _: self._adjust(900))
        live.method("adjust_to_minute", lambda _: self._adjust(60))
        live.method("shift_time", self._shift_time)

    def _bind_sap_assignment(self, _name: str, live: LiveObject) -> None:
        device = dlms.structure(
            dlms.long_unsigned(self.profile.logical_device.sap),
            dlms.octet_string(self.identity.logical_device_name),
        )
        live.constant("sap_assignment_list", dlms.array(device))

    def _bind_disconnect_control(self, _name: str, live: LiveObject) -> None:
        switch = self.disconnector
        live.attribute("output_state", lambda: dlms.boolean(switch.output_on))
        live.attribute("control_state", lambda: dlms.enum(int(switch.state)))
        live.attribute("control_mode", lambda: dlms.enum(switch.control_mode), self._set_control_mode)
        for command in (SwitchCommand.REMOTE_DISCONNECT, SwitchCommand.REMOTE_RECONNECT):
            live.method(command.value, partial(self._switch, command))

    # --- what a client can change ------------------------------------------------------------------------

    def _store(self, live: LiveObject, initial: Data, changed: Callable[[], None] | None = None) -> None:
        """Serve attribute ``value`` from memory; it can be written with the type it has."""
        held = [initial]

        def write(value: Data) -> DataAccessResult:
            if value.tag is not held[0].tag:
                return DataAccessResult.TYPE_UNMATCHED
            if isinstance(value.value, bytes | str) and len(value.value) > NOTE_OCTETS:
                return DataAccessResult.OTHER_REASON
            try:
                encode_data(value)
            except LocalProtocolError:
                return DataAccessResult.TYPE_UNMATCHED
            held[0] = value
            if changed is not None:
                changed()
            return DataAccessResult.SUCCESS

        live.attribute("value", lambda: held[0], write)

    def _note_written(self) -> None:
        self._note_writes += 1

    def _reset_note_counter(self, _argument: Data | None) -> tuple[ActionResult, Data | None]:
        self._note_writes = 0
        return ActionResult.SUCCESS, None

    def _set_time(self, value: Data) -> DataAccessResult:
        if value.tag not in (DataType.OCTET_STRING, DataType.DATE_TIME):
            return DataAccessResult.TYPE_UNMATCHED
        try:
            given = CosemDateTime.from_octets(value.octets()).utc(self.clock.time_zone_min)
        except RemoteProtocolError:
            return DataAccessResult.OTHER_REASON
        if self.world.obeys("DLX-LOG-08"):
            self.record("standard", "clock_adjusted_old")
            self.clock.set_utc(given)
        else:
            self.clock.set_utc(given)
            self.record("standard", "clock_adjusted_old")
        self.record("standard", "clock_adjusted_new")
        return DataAccessResult.SUCCESS

    def _set_time_zone(self, value: Data) -> DataAccessResult:
        if value.tag is not DataType.LONG:
            return DataAccessResult.TYPE_UNMATCHED
        if not -720 <= value.integer() <= 840:
            return DataAccessResult.OTHER_REASON
        self.clock.time_zone_min = value.integer()
        return DataAccessResult.SUCCESS

    def _adjust(self, period_s: int) -> tuple[ActionResult, Data | None]:
        self.record("standard", "clock_adjusted_old")
        self.clock.adjust_to(period_s)
        self.clock.status &= ~ClockStatus.INVALID_VALUE
        self.record("standard", "clock_adjusted_new")
        return ActionResult.SUCCESS, None

    def _shift_time(self, argument: Data | None) -> tuple[ActionResult, Data | None]:
        if argument is None or argument.tag is not DataType.LONG:
            return ActionResult.TYPE_UNMATCHED, None
        try:
            self.clock.shift(argument.integer())
        except RemoteProtocolError:
            return ActionResult.OTHER_REASON, None
        self.record("standard", "clock_adjusted_new")
        return ActionResult.SUCCESS, None

    def _set_control_mode(self, value: Data) -> DataAccessResult:
        if value.tag is not DataType.ENUM:
            return DataAccessResult.TYPE_UNMATCHED
        done = self.disconnector.set_mode(value.integer())
        return DataAccessResult.SUCCESS if done else DataAccessResult.OTHER_REASON

    def _switch(self, command: SwitchCommand, argument: Data | None) -> tuple[ActionResult, Data | None]:
        if argument is None or argument.tag is not DataType.INTEGER:
            return ActionResult.TYPE_UNMATCHED, None
        done = self.disconnector.command(command)
        if command is SwitchCommand.REMOTE_RECONNECT and not self.world.obeys("DLX-LIM-11"):
            self.disconnector.command(SwitchCommand.MANUAL_RECONNECT)  # no waiting for the button
        return (ActionResult.SUCCESS if done else ActionResult.OTHER_REASON), None


def _method_denied(_argument: Data | None) -> tuple[ActionResult, Data | None]:
    return ActionResult.READ_WRITE_DENIED, None


def _zero(label: str) -> Data:
    tag = DataType.from_label(label or "double-long-unsigned")
    if tag is DataType.OCTET_STRING:
        return dlms.octet_string(b"")
    if tag in (DataType.VISIBLE_STRING, DataType.UTF8_STRING):
        return Data(tag, "")
    return Data(tag, False if tag is DataType.BOOLEAN else 0)
