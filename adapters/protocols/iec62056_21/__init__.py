"""IEC 62056-21, the optical port: sign-on, hand-over to HDLC (mode E), mode C, both roles; 7E1 in software.

A meter reports the choice of mode C as ``OptionSelected``; its owner goes on with a ``ModeCServer``.
"""

from adapters.protocols.iec62056_21.data_messages import (
    Acknowledged,
    Command,
    DataMessage,
    DataSet,
    MessageDamaged,
    MessageStream,
    RepeatRequested,
    bcc,
)
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
from adapters.protocols.iec62056_21.mode_c import (
    CommandDone,
    DataReceived,
    Mode,
    ModeCClient,
    ModeCDevice,
    ModeCServer,
    PasswordAsked,
    RepeatAsked,
    SessionEnded,
)
from adapters.protocols.iec62056_21.mode_e import ModeEClient, ModeEServer, SignOnState
from adapters.protocols.iec62056_21.seven_bit import from_7e1, to_7e1

__all__ = [
    "BAUD_RATES",
    "NEED_DATA",
    "SIGN_ON_SETTINGS",
    "Acknowledged",
    "Command",
    "CommandDone",
    "Confirmation",
    "DataMessage",
    "DataReceived",
    "DataSet",
    "HandedOver",
    "Identification",
    "IdentificationReceived",
    "LineChange",
    "MessageDamaged",
    "MessageRejected",
    "MessageStream",
    "Mode",
    "ModeCClient",
    "ModeCDevice",
    "ModeCServer",
    "ModeEClient",
    "ModeEServer",
    "OptionSelect",
    "OptionSelected",
    "PasswordAsked",
    "RepeatAsked",
    "RepeatRequested",
    "Request",
    "RequestReceived",
    "SessionEnded",
    "SignOnEvent",
    "SignOnFailed",
    "SignOnState",
    "bcc",
    "from_7e1",
    "parse_message",
    "to_7e1",
]
