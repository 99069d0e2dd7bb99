"""The line of a modem: what comes in one breath with something else is not lost."""

from __future__ import annotations

from datetime import UTC, datetime

from adapters.clock import WallClock
from adapters.devices.gsm_line import GsmLine
from adapters.errors import ReadTimeout
from adapters.protocols.gsm.pdu import DELIVERED, Deliver, StatusReport, Submit, with_centre
from adapters.protocols.gsm.user_data import UserData
from adapters.transports.scripted import ScriptedStream
from adapters.transports.stream import NoTap

NUMBER, AT_NOON = "+4915100000001", datetime(2026, 1, 5, 12, tzinfo=UTC)
REPORT = StatusReport(
    reference=7, recipient=NUMBER, sent_at=AT_NOON, settled_at=AT_NOON, status=DELIVERED
).encode()
MESSAGE = Deliver(sender=NUMBER, data=UserData(payload=b"answer"), sent_at=AT_NOON).encode()


def pdu(tpdu: bytes) -> bytes:
    """Return a PDU as a modem writes it."""
    return with_centre(tpdu).hex().upper().encode()


def told(tpdu: bytes) -> bytes:
    """Return a report as a modem hands it on at once."""
    return b"\r\n+CDS: %d\r\n%s\r\n" % (len(tpdu), pdu(tpdu))


def line(*reads: bytes) -> GsmLine:
    """Return a line whose modem says ``reads`` and then nothing more."""
    return GsmLine("modem", ScriptedStream((*reads, ReadTimeout("silence"))), WallClock(), NoTap())


def test_report_in_one_read_with_the_answer_is_heard() -> None:
    """A quick network: the reference of a message and the report of its delivery come together."""
    modem = line(b"\r\n> ", b"\r\n+CMGS: 7\r\n\r\nOK\r\n" + told(REPORT))
    reference = modem.send(Submit(to=NUMBER, data=UserData(payload=b"x"), wants_report=True))
    assert modem.wait_for_report(reference, NUMBER, 5.0)


def test_report_before_the_answer_of_a_fetch_is_heard() -> None:
    """The report comes while a message is being fetched, before the modem answers that."""
    modem = line(
        b'\r\n+CMTI: "SM",1\r\n',
        told(REPORT) + b"\r\n+CMGR: 0,,%d\r\n%s\r\n\r\nOK\r\n" % (len(MESSAGE), pdu(MESSAGE)),
        b"\r\nOK\r\n",
    )
    assert modem.wait_for_report(7, NUMBER, 5.0)


def test_report_behind_a_message_that_is_fetched_is_heard() -> None:
    """The meter's answer is announced before the report: fetching it must not swallow the report."""
    modem = line(
        b'\r\n+CMTI: "SM",1\r\n',
        b"\r\n+CMGR: 0,,%d\r\n%s\r\n\r\nOK\r\n" % (len(MESSAGE), pdu(MESSAGE)),
        b"\r\nOK\r\n" + told(REPORT),
    )
    assert modem.wait_for_report(7, NUMBER, 5.0)
    message = modem.receive(0.0)
    assert message is not None
    assert message.data.payload == b"answer"
