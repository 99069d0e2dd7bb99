"""Fields of short message PDUs: addresses, time stamps and validity periods.

3GPP TS 23.040: 9.1.2.5 (addresses), 9.2.3.11 (service centre time stamp), 9.2.3.12 (validity period).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.gsm import alphabet

INTERNATIONAL, UNKNOWN, ALPHANUMERIC = 0x91, 0x81, 0xD0
LONGEST_ADDRESS = 20  # semi-octets
TIMESTAMP_OCTETS = 7
_DIGITS = "0123456789*#abc"
_ADDRESS = "3GPP TS 23.040 9.1.2.5"
_STAMP = "3GPP TS 23.040 9.2.3.11"


class Reader:
    """Takes fields from a PDU one after the other. Raises RemoteProtocolError where it ends too early."""

    def __init__(self, octets: bytes) -> None:
        self.octets, self.position = octets, 0

    def octet(self) -> int:
        """Return the next octet."""
        return self.take(1)[0]

    def take(self, count: int) -> bytes:
        """Return the next ``count`` octets."""
        end = self.position + count
        if end > len(self.octets):
            raise RemoteProtocolError(
                f"the PDU ends after {len(self.octets)} octets; {end} are announced",
                data=self.octets,
                clause="3GPP TS 23.040 9.2",
            )
        taken = self.octets[self.position : end]
        self.position = end
        return taken

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self.octets) - self.position)


def encode_digits(digits: str) -> bytes:
    """Return digits as swapped semi-octets, filled up with F. Raises LocalProtocolError for no digit."""
    codes = [_DIGITS.find(digit) for digit in digits]
    if min(codes, default=0) < 0:
        raise LocalProtocolError(f"{digits!r} is no telephone number", clause=_ADDRESS)
    if len(codes) % 2:
        codes.append(0xF)
    return bytes(low | high << 4 for low, high in zip(codes[::2], codes[1::2], strict=True))


def decode_digits(octets: bytes, count: int) -> str:
    """Return ``count`` digits of swapped semi-octets. Raises RemoteProtocolError for a fill in between."""
    codes = [code for octet in octets for code in (octet & 0x0F, octet >> 4)][:count]
    if len(codes) < count or 0xF in codes:
        raise RemoteProtocolError("an address with a gap among its digits", data=octets, clause=_ADDRESS)
    return "".join(_DIGITS[code] for code in codes)


def encode_address(number: str) -> bytes:
    """Return an address: ``+49...`` international, digits alone of unknown kind, else alphanumeric."""
    digits = number.removeprefix("+")
    if digits and all(digit in _DIGITS for digit in digits):
        if len(digits) > LONGEST_ADDRESS:
            raise LocalProtocolError(f"{number!r} has more than {LONGEST_ADDRESS} digits", clause=_ADDRESS)
        kind = INTERNATIONAL if number.startswith("+") else UNKNOWN
        return bytes((len(digits), kind)) + encode_digits(digits)
    septets = alphabet.septets_of(number)
    packed = alphabet.pack(septets)
    if not septets or len(packed) > LONGEST_ADDRESS // 2:
        raise LocalProtocolError(f"{number!r} is no address of 1 to 11 characters", clause=_ADDRESS)
    return bytes(((len(septets) * 7 + 3) // 4, ALPHANUMERIC)) + packed


def decode_address(reader: Reader) -> str:
    """Return the next address: ``+`` and digits where it is international. Raises RemoteProtocolError."""
    count, kind = reader.octet(), reader.octet()
    if count > LONGEST_ADDRESS + 2 or not kind & 0x80:
        raise RemoteProtocolError(
            f"an address of {count} semi-octets and kind {kind:02X}", data=reader.octets, clause=_ADDRESS
        )
    octets = reader.take((count + 1) // 2)
    if (kind >> 4) & 0x7 == 0x5:
        return alphabet.text_of(alphabet.unpack(octets, count * 4 // 7))
    return ("+" if (kind >> 4) & 0x7 == 0x1 else "") + decode_digits(octets, count)


def encode_centre(number: str) -> bytes:
    """Return a service centre address as AT commands carry it before a TPDU; empty: the modem's own."""
    if not number:
        return b"\x00"
    digits = encode_digits(number.removeprefix("+"))
    return bytes((len(digits) + 1, INTERNATIONAL if number.startswith("+") else UNKNOWN)) + digits


def decode_centre(reader: Reader) -> str:
    """Return the service centre address before a TPDU, or an empty text. Raises RemoteProtocolError."""
    length = reader.octet()
    if length == 0:
        return ""
    if length > LONGEST_ADDRESS // 2 + 1:
        raise RemoteProtocolError(f"a service centre address of {length} octets", data=reader.octets)
    kind, octets = reader.octet(), reader.take(length - 1)
    filled = bool(octets) and octets[-1] >> 4 == 0xF
    digits = decode_digits(octets, 2 * len(octets) - filled)
    return ("+" if kind == INTERNATIONAL else "") + digits


def _two_digits(octet: int) -> int:
    low, high = octet & 0x0F, octet >> 4
    if low > 9 or high > 9:
        raise RemoteProtocolError(f"{octet:02X} is no pair of decimal digits", clause=_STAMP)
    return low * 10 + high


def encode_timestamp(moment: datetime) -> bytes:
    """Return a time stamp with its zone in quarters of an hour; ``moment`` is aware, 1970 to 2069."""
    offset = moment.utcoffset()
    if offset is None:
        raise LocalProtocolError("a time stamp needs a time with its zone", clause=_STAMP)
    quarters = int(offset.total_seconds()) // 900
    parts = (moment.year % 100, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    out = bytearray(part % 10 << 4 | part // 10 for part in parts)
    zone = abs(quarters)
    out.append(zone % 10 << 4 | zone // 10 | (0x08 if quarters < 0 else 0))
    return bytes(out)


def decode_timestamp(reader: Reader) -> datetime:
    """Return the next time stamp, aware, in its own zone. Raises RemoteProtocolError for none."""
    octets = reader.take(TIMESTAMP_OCTETS)
    year, month, day, hour, minute, second = (_two_digits(octet) for octet in octets[:6])
    quarters = _two_digits(octets[6] & ~0x08) * (-1 if octets[6] & 0x08 else 1)
    try:
        zone = timezone(timedelta(minutes=15 * quarters)) if quarters else UTC
        return datetime(year + (1900 if year >= 70 else 2000), month, day, hour, minute, second, tzinfo=zone)
    except ValueError as error:
        raise RemoteProtocolError(f"a time stamp that is none: {error}", data=octets, clause=_STAMP) from None


def encode_validity(period_s: int) -> int:
    """Return the relative validity period that covers ``period_s``, rounded up (5 minutes to 63 weeks)."""
    minutes = -(-period_s // 60)
    if period_s <= 0:
        raise LocalProtocolError(f"a validity period of {period_s} s", clause="3GPP TS 23.040 9.2.3.12.1")
    for limit, step, base, offset in ((720, 5, -1, 0), (1440, 30, 143, 720), (43200, 1440, 166, 0)):
        if minutes <= limit:
            return base + -(-(minutes - offset) // step)
    return min(192 + -(-minutes // 10080), 255)


def validity_s(octet: int) -> int:
    """Return a relative validity period in seconds (3GPP TS 23.040 9.2.3.12.1)."""
    if octet <= 143:
        return (octet + 1) * 300
    if octet <= 167:
        return 12 * 3600 + (octet - 143) * 1800
    if octet <= 196:
        return (octet - 166) * 86400
    return (octet - 192) * 604800
