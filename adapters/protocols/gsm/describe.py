"""PDUs as lines for a person: who to whom, which part, what."""

from __future__ import annotations

from adapters.errors import ProtocolError
from adapters.protocols.gsm.pdu import Deliver, StatusReport, Submit, decode_submit, decode_to_mobile
from adapters.protocols.gsm.pdu import without_centre as _without_centre
from adapters.protocols.gsm.user_data import Coding, UserData


def describe(octets: bytes, *, from_host: bool) -> str:
    """Return what a PDU with its service centre says; of one that cannot be read, why."""
    try:
        _, tpdu = _without_centre(octets)
        return describe_message(decode_submit(tpdu) if from_host else decode_to_mobile(tpdu))
    except ProtocolError as error:
        return f"unreadable PDU: {error}"


def describe_message(message: Submit | Deliver | StatusReport) -> str:
    """Return one line."""
    match message:
        case Submit():
            report = ", asks for a report" if message.wants_report else ""
            return f"SUBMIT to {message.to}{report}: {_data(message.data)}"
        case Deliver():
            return f"DELIVER from {message.sender} {message.sent_at.isoformat()}: {_data(message.data)}"
        case StatusReport():
            state = "delivered" if message.delivered else f"status {message.status:02X}"
            return f"STATUS-REPORT {message.reference} for {message.recipient}: {state}"


def _data(data: UserData) -> str:
    part = data.part
    where = "" if part is None else f"part {part.number}/{part.total} of {part.reference}, "
    if data.coding is Coding.OCTETS:
        return f"{where}{len(data.payload)} octets {data.payload.hex()}"
    return f"{where}{data.text!r}"
