"""Who a virtual meter is: its serial number and what is derived from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MeterIdentity:
    """Names and numbers of one meter. ``serial`` has eight digits."""

    serial: str = "30112345"
    manufacturer: str = "MCS"
    type_code: int = 0x31
    firmware: str = "1.25.0"
    firmware_metrology: str = "1.25.0-M"
    firmware_communication: str = "1.25.0-C"

    @property
    def system_title(self) -> bytes:
        """Eight octets: manufacturer, type and serial number (manual p. 42; how they are packed is ours)."""
        return (
            self.manufacturer.encode("ascii") + bytes((self.type_code,)) + int(self.serial).to_bytes(4, "big")
        )

    @property
    def logical_device_name(self) -> bytes:
        """Sixteen octets (manual p. 42): manufacturer, type and the serial number padded with zeros."""
        return f"{self.manufacturer}{self.type_code:02X}".encode("ascii") + self.serial.zfill(11).encode(
            "ascii"
        )

    @property
    def device_id(self) -> str:
        """What object 1-0:0.0.0.255 says: the serial number a lab finds on the name plate."""
        return self.serial
