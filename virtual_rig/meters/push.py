"""Push: the meter speaks first (Blue Book 4.4.8, class 40; MCS301 manual 1.25, p. 125).

A trigger (method push, an alarm, power, the scheduler's period) starts the process of a setup: wait for a
communication window, then a random part of the start interval, then read the listed attributes and send them
as one DataNotification. Where nobody takes it, the same values are sent again after the repetition delay, as
often as the setup says; then the meter gives up and logs it. A trigger that comes meanwhile starts one more
round afterwards. A power cut ends every process; the descriptor of an alarm survives it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from adapters.errors import LabError
from adapters.profiles.model import PushEntry
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.apdu_other import DataNotification
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult, DataType
from virtual_rig.meters.alarms import AlarmMonitor
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.push_window import check_windows, opens_in_s
from virtual_rig.wire import Timer

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301

MAX_COLUMNS = 32
MAX_DESTINATION_OCTETS = 64


class TransportService(IntEnum):
    """How a push travels (Blue Book 4.4.8.2, transport_service_type), as far as a meter here can do it."""

    TCP = 0
    UDP = 1
    SMS = 4


class Sender(Protocol):
    """One way out of the meter. ``protects`` says that the way has keys of its own and takes plain APDUs."""

    protects: bool

    def send(self, apdu: bytes, to: bytes) -> bool:
        """Send ``apdu`` to destination ``to``; False where the sender knows that it was not taken."""
        ...


class PushFeature:
    """The push setups of a meter. ``senders`` by transport service are plugged in where the meter is wired.

    ``protect`` turns a DataNotification into what the security policy demands.
    """

    def __init__(self, meter: Mcs301, alarms: AlarmMonitor) -> None:
        self.meter, self.alarms = meter, alarms
        self.senders: dict[int, Sender] = {}
        self.protect: Callable[[bytes], bytes] = lambda apdu: apdu
        self.setups: dict[str, PushSetup] = {}
        self.period_s = 0
        self._round: Timer | None = None
        self._invoke = 0
        alarms.raised = lambda: self._trigger("alarm")
        meter.on_power(self._power)

    def start(self) -> None:
        """Nothing begins by itself."""

    def bind(self, name: str, live: LiveObject) -> bool:
        """Bind push setups and the scheduler's period."""
        if name == "push_period":
            live.attribute("value", lambda: dlms.double_long_unsigned(self.period_s), self._set_period)
            return True
        if live.entry.class_id != 40:
            return False
        entry = self.meter.profile.pushes.get(name) or PushEntry(columns=(), assumed=True)
        self.setups[name] = PushSetup(self, name, live, entry)
        return True

    def next_invoke(self) -> int:
        """Return the next long-invoke-id."""
        self._invoke = (self._invoke + 1) & 0xFF_FFFF
        return self._invoke

    def _trigger(self, why: str) -> None:
        for setup in self.setups.values():
            if why in setup.entry.on or not self.meter.world.obeys("DLX-PUSH-23"):
                setup.trigger()

    def _set_period(self, value: Data) -> DataAccessResult:
        if value.tag is not DataType.DOUBLE_LONG_UNSIGNED:
            return DataAccessResult.TYPE_UNMATCHED
        self.period_s = value.integer()
        self._plan_round()
        return DataAccessResult.SUCCESS

    def _plan_round(self) -> None:
        if self._round is not None:
            self._round.cancel()
            self._round = None
        if self.period_s and self.meter.powered:
            self._round = self.meter.world.scheduler.call_later(self.period_s, self._next_round)

    def _next_round(self) -> None:
        self._round = None
        if self.meter.world.obeys("DLX-PUSH-16"):
            self._plan_round()
        self._trigger("interval")

    def _power(self, up: bool) -> None:
        for setup in self.setups.values():
            setup.stop()
            if up and not self.meter.world.obeys("DLX-PUSH-21"):
                setup.forget_terms()
        self._plan_round()
        if up and self.meter.world.obeys("DLX-PUSH-14"):
            self._trigger("power-up")


class PushSetup:
    """One push setup and its process."""

    def __init__(self, feature: PushFeature, name: str, live: LiveObject, entry: PushEntry) -> None:
        self.name, self.entry = name, entry
        self._feature, self._meter, self._world = feature, feature.meter, feature.meter.world
        self._random = self._world.random_for(f"{self._meter.identity.serial}/push/{name}")
        self._objects = dlms.array(*(self._column(column) for column in entry.columns))
        self._destination = dlms.structure(dlms.enum(0), dlms.octet_string(b""), dlms.enum(0))
        self._windows = dlms.array()
        self._randomisation_s = self._retries = self._delay_s = 0
        self._timer: Timer | None = None
        self._again = False
        self._bind(live)

    def trigger(self) -> bool:
        """Begin to push, or note that one more is due; False where the setup has no destination."""
        if not self._destination.items()[1].octets():
            return False
        if self._timer is not None:
            self._again = "alarm" not in self.entry.on or self._world.obeys("DLX-PUSH-20")
            return True
        wait_s = opens_in_s(self._windows, self._meter.clock.utc(), self._meter.clock.time_zone_min)
        if wait_s == float("inf"):
            return True  # its windows are over for good
        if wait_s and not self._world.obeys("DLX-PUSH-08"):
            wait_s = 0.0
        wait_s += self._random_part_s()
        early = None if self._world.obeys("DLX-PUSH-03") else self._apdu()
        self._timer = self._world.scheduler.call_later(wait_s, self._first_attempt, early)
        return True

    def stop(self) -> None:
        """The meter dies, or has just come up: nothing is under way."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._again = None, False

    def forget_terms(self) -> None:
        """Push as a meter does that was never told how."""
        self._windows = dlms.array()
        self._randomisation_s = self._retries = self._delay_s = 0

    def _random_part_s(self) -> float:
        if not self._randomisation_s or not self._world.obeys("DLX-PUSH-06"):
            return 0.0
        drawn_s = self._random.uniform(0, self._randomisation_s)
        return drawn_s if self._world.obeys("DLX-PUSH-07") else self._randomisation_s + drawn_s

    def _first_attempt(self, early: bytes | None) -> None:
        retries = self._retries if self._world.obeys("DLX-PUSH-04") else max(0, self._retries - 1)
        self._attempt(early or self._apdu(), retries)

    def _attempt(self, apdu: bytes, retries: int) -> None:
        self._timer = None
        service, to, _message = self._destination.items()
        sender = self._feature.senders.get(service.integer())
        if sender is not None and not sender.protects:
            apdu_out = self._feature.protect(apdu)
        else:
            apdu_out = apdu
        if sender is not None and sender.send(apdu_out, to.octets()):
            if "alarm" in self.entry.on:
                self._feature.alarms.pushed()
        elif retries:
            delay_s = self._delay_s if self._world.obeys("DLX-PUSH-05") else 2 * self._delay_s
            self._timer = self._world.scheduler.call_later(delay_s, self._attempt, apdu, retries - 1)
            return
        elif self._world.obeys("DLX-PUSH-15"):
            self._meter.record("communication", "push_given_up")
        if self._again:
            self._again = False
            self.trigger()

    def _apdu(self) -> bytes:
        columns = list(self._objects.items())
        if not self._world.obeys("DLX-PUSH-02"):
            columns.sort(key=lambda column: column.items()[1].octets())
        return DataNotification(
            long_invoke=self._feature.next_invoke(),
            date_time=self._meter.clock.octets(),
            body=dlms.structure(*(self._value(column) for column in columns)),
        ).encode()

    def _value(self, column: Data) -> Data:
        class_id, logical_name, attribute, _index = column.items()
        live = self._meter.model.find(class_id.integer(), logical_name.octets())
        if not isinstance(live, LiveObject) or attribute.integer() not in live.getters:
            return dlms.null()
        return live.getters[attribute.integer()]()

    def _column(self, column: str) -> Data:
        name, _, attribute = column.partition(".")
        live = self._meter.model.by_name[name]
        return dlms.structure(
            dlms.long_unsigned(live.entry.class_id),
            dlms.octet_string(live.logical_name),
            dlms.integer(live.table.attribute_number(attribute)),
            dlms.long_unsigned(0),
        )

    # --- the object --------------------------------------------------------------------------------------

    def _bind(self, live: LiveObject) -> None:
        live.attribute("push_object_list", lambda: self._objects, self._set_objects)
        live.attribute("send_destination_and_method", lambda: self._destination, self._set_destination)
        live.attribute("communication_window", lambda: self._windows, self._set_windows)
        live.attribute(
            "randomisation_start_interval",
            lambda: dlms.long_unsigned(self._randomisation_s),
            lambda value: self._set_number("_randomisation_s", value, DataType.LONG_UNSIGNED),
        )
        live.attribute(
            "number_of_retries",
            lambda: dlms.unsigned(self._retries),
            lambda value: self._set_number("_retries", value, DataType.UNSIGNED),
        )
        live.attribute(
            "repetition_delay",
            lambda: dlms.long_unsigned(self._delay_s),
            lambda value: self._set_number("_delay_s", value, DataType.LONG_UNSIGNED),
        )
        live.method("push", self._push)

    def _push(self, _argument: Data | None) -> tuple[ActionResult, Data | None]:
        if not self._world.obeys("DLX-PUSH-01"):
            return ActionResult.SUCCESS, None
        if not self.trigger():
            return ActionResult.TEMPORARY_FAILURE, None
        return ActionResult.SUCCESS, None

    def _set_number(self, name: str, value: Data, tag: DataType) -> DataAccessResult:
        if value.tag is not tag:
            return DataAccessResult.TYPE_UNMATCHED
        setattr(self, name, value.integer())
        return DataAccessResult.SUCCESS

    def _set_objects(self, value: Data) -> DataAccessResult:
        try:
            columns = value.items()
            if len(columns) > MAX_COLUMNS:
                return DataAccessResult.OTHER_REASON
            for column in columns:
                class_id, logical_name, attribute, index = column.items()
                class_id.integer(), attribute.integer(), index.integer()
                if len(logical_name.octets()) != 6:
                    return DataAccessResult.OTHER_REASON
        except (LabError, ValueError):
            return DataAccessResult.TYPE_UNMATCHED
        self._objects = value
        return DataAccessResult.SUCCESS

    def _set_destination(self, value: Data) -> DataAccessResult:
        try:
            service, to, message = value.items()
            if message.integer() != 0 or service.integer() not in set(TransportService):
                return DataAccessResult.OTHER_REASON
            if len(to.octets()) > MAX_DESTINATION_OCTETS:
                return DataAccessResult.OTHER_REASON
        except (LabError, ValueError):
            return DataAccessResult.TYPE_UNMATCHED
        before = self._destination.items()
        if before[1].octets() and to.octets() and not self._world.obeys("DLX-PUSH-22"):
            value = dlms.structure(before[0], to, message)
        self._destination = value
        if not to.octets():
            self.stop()  # turned off: what waits has nowhere to go
        return DataAccessResult.SUCCESS

    def _set_windows(self, value: Data) -> DataAccessResult:
        try:
            check_windows(value)
        except (LabError, ValueError):
            return DataAccessResult.TYPE_UNMATCHED
        self._windows = value
        return DataAccessResult.SUCCESS
