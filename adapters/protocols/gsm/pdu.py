"""Short message PDUs: SUBMIT, DELIVER and STATUS-REPORT (3GPP TS 23.040, 9.2.2).

A mobile sends SUBMIT and receives DELIVER and STATUS-REPORT; a network the other way round. Both directions
are encoded and decoded here, so that a modem and a virtual network share one codec. AT commands put the
address of the service centre before the PDU (``with_centre`` and ``without_centre``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.gsm.fields import (
    Reader,
    decode_address,
    decode_centre,
    decode_timestamp,
    encode_address,
    encode_centre,
    encode_timestamp,
    encode_validity,
    validity_s,
)
from adapters.protocols.gsm.user_data import UserData, decode_user_data

MAX_PDU_OCTETS = 256
_DELIVER, _SUBMIT, _STATUS = 0, 1, 2
_HEADER, _REPORT, _NO_MORE, _RELATIVE = 0x40, 0x20, 0x04, 0x10
_CLAUSE = "3GPP TS 23.040 9.2.2"
DELIVERED = 0x00


@dataclass(frozen=True, kw_only=True, slots=True)
class Submit:
    """A message on its way to the service centre. ``validity_s`` 0 leaves the period to the centre.

    ``wants_report`` asks for a STATUS-REPORT; ``reference`` is the sender's number of the message.
    """

    to: str
    data: UserData
    reference: int = 0
    wants_report: bool = False
    validity_s: int = 0
    protocol: int = 0

    def encode(self) -> bytes:
        """Return the TPDU. Raises LocalProtocolError for what does not fit."""
        first = _SUBMIT | (_HEADER if self.data.elements else 0) | (_REPORT if self.wants_report else 0)
        first |= _RELATIVE if self.validity_s else 0
        out = bytes((first, self.reference)) + encode_address(self.to)
        out += bytes((self.protocol, self.data.scheme))
        if self.validity_s:
            out += bytes((encode_validity(self.validity_s),))
        return out + self.data.encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Deliver:
    """A message as its receiver gets it; ``sent_at`` is the service centre's time stamp."""

    sender: str
    data: UserData
    sent_at: datetime
    more_waiting: bool = False
    protocol: int = 0

    def encode(self) -> bytes:
        """Return the TPDU. Raises LocalProtocolError for what does not fit."""
        first = _DELIVER | (_HEADER if self.data.elements else 0) | (0 if self.more_waiting else _NO_MORE)
        out = bytes((first,)) + encode_address(self.sender) + bytes((self.protocol, self.data.scheme))
        return out + encode_timestamp(self.sent_at) + self.data.encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusReport:
    """What became of a message: ``status`` 0 is delivered, 20-3F still trying, 40 and above given up."""

    reference: int
    recipient: str
    sent_at: datetime
    settled_at: datetime
    status: int = DELIVERED

    @property
    def delivered(self) -> bool:
        """Whether the message has reached its receiver (3GPP TS 23.040 9.2.3.15)."""
        return self.status <= 0x02

    def encode(self) -> bytes:
        """Return the TPDU."""
        out = bytes((_STATUS | _NO_MORE, self.reference)) + encode_address(self.recipient)
        return (
            out + encode_timestamp(self.sent_at) + encode_timestamp(self.settled_at) + bytes((self.status,))
        )


Received = Deliver | StatusReport


def decode_to_mobile(tpdu: bytes) -> Received:
    """Return a PDU a mobile receives. Raises RemoteProtocolError for anything else."""
    reader = _reader(tpdu)
    first = reader.octet()
    if first & 3 == _DELIVER:
        sender = decode_address(reader)
        protocol, scheme = reader.octet(), reader.octet()
        sent_at = decode_timestamp(reader)
        message = Deliver(
            sender=sender,
            sent_at=sent_at,
            data=decode_user_data(reader, scheme, has_header=bool(first & _HEADER)),
            more_waiting=not first & _NO_MORE,
            protocol=protocol,
        )
        _ends(reader)
        return message
    if first & 3 == _STATUS:
        reference = reader.octet()
        recipient = decode_address(reader)
        sent_at, settled_at = decode_timestamp(reader), decode_timestamp(reader)
        # What may follow (parameter indicator and user data) is of no use here.
        return StatusReport(
            reference=reference,
            recipient=recipient,
            sent_at=sent_at,
            settled_at=settled_at,
            status=reader.octet(),
        )
    raise RemoteProtocolError(f"message type {first & 3} does not go to a mobile", data=tpdu, clause=_CLAUSE)


def decode_submit(tpdu: bytes) -> Submit:
    """Return a SUBMIT. Raises RemoteProtocolError for anything else."""
    reader = _reader(tpdu)
    first = reader.octet()
    if first & 3 != _SUBMIT:
        raise RemoteProtocolError(f"message type {first & 3} is no SUBMIT", data=tpdu, clause=_CLAUSE)
    reference = reader.octet()
    to = decode_address(reader)
    protocol, scheme = reader.octet(), reader.octet()
    period_s = 0
    match (first >> 3) & 3:
        case 2:
            period_s = validity_s(reader.octet())
        case 1 | 3:  # absolute and enhanced: both seven octets, neither of use here
            reader.take(7)
    message = Submit(
        to=to,
        reference=reference,
        wants_report=bool(first & _REPORT),
        validity_s=period_s,
        protocol=protocol,
        data=decode_user_data(reader, scheme, has_header=bool(first & _HEADER)),
    )
    _ends(reader)
    return message


def numbered(message: Submit, reference: int) -> Submit:
    """Return ``message`` with the reference its modem gave it."""
    return replace(message, reference=reference)


def with_centre(tpdu: bytes, centre: str = "") -> bytes:
    """Return a TPDU as AT+CMGS takes it, behind the address of the service centre (empty: the modem's)."""
    if len(tpdu) > MAX_PDU_OCTETS:
        raise LocalProtocolError(f"a PDU of {len(tpdu)} octets")
    return encode_centre(centre) + tpdu


def without_centre(octets: bytes) -> tuple[str, bytes]:
    """Return service centre and TPDU of what AT commands carry. Raises RemoteProtocolError."""
    reader = _reader(octets)
    return decode_centre(reader), reader.rest()


def _reader(octets: bytes) -> Reader:
    if len(octets) > MAX_PDU_OCTETS:
        raise RemoteProtocolError(f"a PDU of {len(octets)} octets", data=octets, clause=_CLAUSE)
    return Reader(octets)


def _ends(reader: Reader) -> None:
    if rest := reader.rest():
        raise RemoteProtocolError(f"{len(rest)} octets follow the PDU", data=reader.octets, clause=_CLAUSE)
