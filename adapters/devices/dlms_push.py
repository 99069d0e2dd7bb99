"""Push setups (class 40) of a meter on a bench: written, read back and read."""

from __future__ import annotations

from functools import partial

from adapters.devices import dlms_values
from adapters.devices.dlms_services import DlmsServices
from adapters.errors import BenchError, RemoteProtocolError
from adapters.profiles.model import obis_text
from adapters.protocols.dlms import data as typed
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.roles.push import PushColumn, PushSetupRead, SetupTransport

_SERVICES = {"tcp": 0, "udp": 1, "sms": 4}
_NAMES = {0: "tcp", 1: "udp", 4: "sms"}
_AXDR = 0  # message type: A-XDR encoded APDU


class PushConfiguration(DlmsServices):
    """The capability ``MeterPush``."""

    def configure_push(
        self,
        setup: str,
        destination: str,
        transport: SetupTransport = "tcp",
        retries: int = 0,
        repetition_delay_s: int = 0,
        randomisation_s: int = 0,
        window_start: str = "",
        window_end: str = "",
        association: str = "",
    ) -> PushSetupRead:
        """Write a push setup and read it back (see the role)."""
        if bool(window_start) != bool(window_end):
            raise BenchError("a communication window has a start and an end")
        windows: tuple[Data, ...] = ()
        if window_start:
            windows = (typed.structure(_time_of_day(window_start), _time_of_day(window_end)),)
        wanted = {
            "send_destination_and_method": typed.structure(
                typed.enum(_SERVICES[transport]),
                typed.octet_string(destination.encode("ascii")),
                typed.enum(_AXDR),
            ),
            "communication_window": typed.array(*windows),
            "randomisation_start_interval": dlms_values.typed_value(
                "long-unsigned", randomisation_s, what="randomisation_s"
            ),
            "number_of_retries": dlms_values.typed_value("unsigned", retries, what="retries"),
            "repetition_delay": dlms_values.typed_value(
                "long-unsigned", repetition_delay_s, what="repetition_delay_s"
            ),
        }
        opened, target = self._connections.find(association), self._target(setup)
        self._permit(target, write=True)
        for name, data in wanted.items():
            self._asked(opened, partial(opened.set, target, target.attribute(name), data, True, None))
        return self.read_push_setup(setup, association)

    def write_push_list(self, setup: str, columns: str = "", association: str = "") -> PushSetupRead:
        """Write what a setup pushes, or put back what it pushed before (see the role)."""
        opened, target = self._connections.find(association), self._target(setup)
        self._permit(target, write=True)
        number, replaced = target.attribute("push_object_list"), self._connections.push_lists
        if columns:
            wanted = typed.array(*(self._listed(column) for column in columns.split()))
            if setup not in replaced:
                read = self._asked(opened, lambda: opened.get(target, number, None)).data
                assert read is not None
                replaced[setup] = read
        else:
            if setup not in replaced:
                raise BenchError(f"no list of {setup} has been replaced")
            wanted = replaced[setup]
        self._asked(opened, lambda: opened.set(target, number, wanted, True, None))
        if not columns:
            del replaced[setup]
        return self.read_push_setup(setup, association)

    def _listed(self, column: str) -> Data:
        name, mark, attribute = column.partition("#")
        if not mark:
            raise BenchError(f"{column!r} names no attribute; write object#attribute")
        target = self._target(name)
        return typed.structure(
            typed.long_unsigned(target.class_id),
            typed.octet_string(target.instance_id),
            typed.integer(target.attribute(attribute)),
            typed.long_unsigned(0),  # the whole attribute
        )

    def read_push_setup(self, setup: str, association: str = "") -> PushSetupRead:
        """Read a push setup (see the role)."""
        opened, target = self._connections.find(association), self._target(setup)

        def read(name: str) -> Data:
            number = target.attribute(name)
            data = self._asked(opened, lambda: opened.get(target, number, None)).data
            assert data is not None
            return data

        destination = read("send_destination_and_method").items()
        if len(destination) != 3:
            raise RemoteProtocolError("send_destination_and_method has 3 elements", clause="class 40")
        service = destination[0].integer()
        return PushSetupRead(
            setup=setup,
            columns=tuple(self._pushed_column(each) for each in read("push_object_list").items()),
            destination=destination[1].octets().decode("ascii", "replace"),
            transport=_NAMES.get(service, str(service)),
            windows=len(read("communication_window").items()),
            randomisation_s=read("randomisation_start_interval").integer(),
            retries=read("number_of_retries").integer(),
            repetition_delay_s=read("repetition_delay").integer(),
        )

    def _pushed_column(self, column: Data) -> PushColumn:
        fields = column.items()
        if len(fields) < 4 or len(fields[1].octets()) != 6:
            raise RemoteProtocolError("an element of push_object_list has 4 elements", clause="class 40")
        class_id, obis = fields[0].integer(), obis_text(fields[1].octets())
        names = {(entry.class_id, entry.obis): entry.name for entry in self.profile.objects}
        name = names.get((class_id, obis), f"{class_id}/{obis}")
        return PushColumn(object=name, class_id=class_id, obis=obis, attribute=fields[2].integer())


def _time_of_day(text: str) -> Data:
    try:
        hour, minute, second = (int(part) for part in text.split(":"))
    except ValueError:
        raise BenchError(f"{text!r} is no time of the day HH:MM:SS") from None
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        raise BenchError(f"{text!r} is no time of the day HH:MM:SS")
    moment = CosemDateTime(
        year=None, month=None, day=None, weekday=None, hour=hour, minute=minute, second=second,
        hundredths=None, deviation_min=None, status=None,
    )  # fmt: skip
    return typed.octet_string(moment.octets())
