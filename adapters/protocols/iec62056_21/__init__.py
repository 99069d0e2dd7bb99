"""IEC 62056-21, the optical port: sign-on and hand-over to HDLC (mode E), both roles, and 7E1 in software.

Mode C (readout and programming) has its place here and is not built yet: a meter reports such a choice as
``OptionSelected``.
"""

from adapters.protocols.iec62056_21.events import (
    NEED_DATA,
    Confirmation,
    HandedOver,
    IdentificationReceived,
    LineChange,
    MessageRejected,
    OptionSelected,
    RequestReceived,
    SignOnEvent,
    SignOnFailed,
)
from adapters.protocols.iec62056_21.messages import (
    BAUD_RATES,
    SIGN_ON_SETTINGS,
    Identification,
    OptionSelect,
    Request,
    parse_message,
)
from adapters.protocols.iec62056_21.mode_e import ModeEClient, ModeEServer, SignOnState
from adapters.protocols.iec62056_21.seven_bit import from_7e1, to_7e1

__all__ = [
    "BAUD_RATES",
    "NEED_DATA",
    "SIGN_ON_SETTINGS",
    "Confirmation",
    "HandedOver",
    "Identification",
    "IdentificationReceived",
    "LineChange",
    "MessageRejected",
    "ModeEClient",
    "ModeEServer",
    "OptionSelect",
    "OptionSelected",
    "Request",
    "RequestReceived",
    "SignOnEvent",
    "SignOnFailed",
    "SignOnState",
    "from_7e1",
    "parse_message",
    "to_7e1",
]
