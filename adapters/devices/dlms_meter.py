"""A DLMS/COSEM meter on real wires: the role ``dlms_meter`` spoken through the client engine.

The services are those of ``dlms_services``; each further capability (a file beside this one) is a class on
top of them, and ``DlmsMeter`` is all of them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from adapters.devices import dlms_values
from adapters.devices.dlms_association import OpenAssociation
from adapters.devices.dlms_control import DlmsControl
from adapters.devices.dlms_image import DlmsImages
from adapters.devices.dlms_lists import DlmsListServices
from adapters.devices.dlms_mode_c import ModeCReading
from adapters.devices.dlms_probing import Probing
from adapters.devices.dlms_profiles import DlmsProfileReader
from adapters.devices.dlms_push import PushConfiguration
from adapters.devices.dlms_security import SecurityServices
from adapters.devices.dlms_sms import SmsServices
from adapters.devices.dlms_transcript import Transcriber
from adapters.devices.dlms_values import Target
from adapters.devices.gsm_transcript import ModemTranscript
from adapters.errors import BenchError, Refused, RemoteProtocolError
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.roles import ClockReading, Identity, RegisterReading, ServiceDone

CLOCK_FALLBACK = "8/0-0:1.0.0.255"


class DlmsMeter(
    ModeCReading,
    Probing,
    DlmsProfileReader,
    DlmsControl,
    DlmsListServices,
    DlmsImages,
    SecurityServices,
    PushConfiguration,
    SmsServices,
):
    """A meter on a bench. Links open when they are first needed."""

    role: ClassVar[str] = "dlms_meter"

    @classmethod
    def transcript(cls, options: object) -> Callable[[str, bytes], Sequence[str]]:
        """Return the decoder that turns this adapter's wire bytes into lines a person can read."""
        if isinstance(options, Mapping) and options.get("framing") == "sms":
            return ModemTranscript()
        return Transcriber()

    def identify(self) -> Identity:
        """Read who the meter is, through an open association or a short one of the default client."""
        with self._connections.borrowed() as association:
            serial = self._text_of(association, "device_id")
            name = self._text_of(association, "logical_device_name") or self._text_of(
                association, f"1/{self.profile.logical_device.name_object}"
            )
            firmware = self._text_of(association, "firmware_id")
        if not (serial or name):
            raise Refused("object-undefined", "the meter tells neither a device id nor a logical device name")
        return Identity(serial=serial or name, model=name, firmware=firmware)

    def read_clock(self, association: str = "") -> ClockReading:
        """Read the clock and compare it with ours, half-way between asking and being answered."""
        opened = self._connections.find(association)
        name = next((o.name for o in self.profile.objects if o.class_id == 8), CLOCK_FALLBACK)
        target = self._target(name)
        asked = self._clock.utc_now()
        outcome = self._asked(opened, lambda: opened.get(target, 2, None))
        ours = asked + (self._clock.utc_now() - asked) / 2
        assert outcome.data is not None
        stamp = CosemDateTime.from_octets(outcome.data.octets())
        deviation_min = 0
        if stamp.deviation_min is None:
            deviation_min = self._time_zone(opened, target)
        device_time = stamp.utc(deviation_min)
        return ClockReading(
            device_time=device_time,
            our_time=ours,
            drift_s=round((device_time - ours).total_seconds(), 6),
            status="" if stamp.status is None else f"0x{stamp.status:02x}",
            resolution_s=0.01 if stamp.hundredths else 1.0,
        )

    def read_register(self, name: str, association: str = "") -> RegisterReading:
        """Read value, scaler and unit of a register."""
        opened = self._connections.find(association)
        target = self._target(name)
        scaler_at = 4 if target.class_id == 5 else 3  # a demand register has two values in front of it
        scaler_unit = self._asked(opened, lambda: opened.get(target, scaler_at, None)).data
        value = self._asked(opened, lambda: opened.get(target, 2, None)).data
        assert scaler_unit is not None
        assert value is not None
        return dlms_values.register_reading(target.name, value, scaler_unit)

    def disconnect_supply(self, association: str = "") -> ServiceDone:
        """Open the supply switch."""
        return self.action("disconnect_control", "remote_disconnect", 0, association)

    def reconnect_supply(self, association: str = "") -> ServiceDone:
        """Close the supply switch, or make it ready for reconnection."""
        return self.action("disconnect_control", "remote_reconnect", 0, association)

    # --- inside -----------------------------------------------------------------------------------------

    def _time_zone(self, opened: OpenAssociation, clock: Target) -> int:
        """Return the deviation a meter keeps apart from its time (attribute 3), 0 where it tells none."""
        try:
            data = self._asked(opened, lambda: opened.get(clock, 3, None)).data
            return data.integer() if data is not None else 0
        except (Refused, RemoteProtocolError):
            return 0

    def _text_of(self, association: OpenAssociation, name: str) -> str:
        try:
            target = self._target(name)
            return str(self._get(association, target, "2", None).value)
        except (Refused, BenchError):
            return ""
