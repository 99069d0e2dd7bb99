"""Driving the IEC 62056-21 sign-on on a serial line until it speaks HDLC (mode E)."""

from __future__ import annotations

from adapters.base import Clock, LineSettings
from adapters.errors import BenchError, ConnectError, ReadTimeout
from adapters.protocols.iec62056_21 import (
    NEED_DATA,
    Confirmation,
    HandedOver,
    IdentificationReceived,
    LineChange,
    MessageRejected,
    ModeEClient,
    SignOnFailed,
)
from adapters.registry import OpenedLink

RESPONSE_TIMEOUT_S = 1.5  # the standard's longest reaction time
WRITE_TIMEOUT_S = 5.0


def sign_on(name: str, opened: OpenedLink, clock: Clock) -> bytes:
    """Sign on and hand over to HDLC; return octets that came early.

    Options of the link: ``mode_e_address``, ``mode_e_baud`` (sign-on speed, default 300), ``max_baud`` and
    ``confirmation`` (old-speed, new-speed, none). Raises ConnectError when the meter does not identify
    itself or offers no HDLC, BenchError on a link that is not serial.
    """
    if opened.serial is None:
        raise BenchError(f"link {name}: mode_e needs a serial transport")
    serial, tap, options = opened.serial, opened.tap, opened.options
    engine = ModeEClient(
        options.get("mode_e_address", ""),
        max_baud=int(options.get("max_baud", 19200)),
        confirmation=Confirmation(options.get("confirmation", Confirmation.OLD_SPEED)),
        settings=LineSettings(
            baud=int(options.get("mode_e_baud", 300)), data_bits=7, parity="E", stop_bits=1
        ),
    )
    reaction_s = 0.0
    engine.start()
    while True:
        while (event := engine.next_event()) is not NEED_DATA:
            data = engine.data_to_send()
            if data and not isinstance(event, IdentificationReceived):
                serial.write(data, WRITE_TIMEOUT_S)
            match event:
                case LineChange():
                    serial.configure(event.settings)
                case IdentificationReceived():
                    reaction_s = event.delay_s
                    clock.sleep_s(reaction_s)
                    if data:
                        serial.write(data, WRITE_TIMEOUT_S)
                case HandedOver():
                    # Both ends change their speed now; the reaction time keeps our first frame out of it.
                    clock.sleep_s(reaction_s)
                    return event.rest
                case SignOnFailed():
                    raise ConnectError(f"link {name}: sign-on failed: {event.why}", received=event.data)
                case MessageRejected():
                    tap.note(f"sign-on: {event.why}")
        data = engine.data_to_send()
        if data:
            serial.write(data, WRITE_TIMEOUT_S)
        try:
            engine.receive_data(serial.read(256, RESPONSE_TIMEOUT_S))
        except ReadTimeout:
            engine.response_timeout()
