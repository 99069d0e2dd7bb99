"""What a client association reports. An event with ``reply`` wants these bytes sent before anything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from adapters.protocols.dlms.acse import Diagnostic
from adapters.protocols.dlms.apdu_action import ActionOutcome
from adapters.protocols.dlms.apdu_other import (
    ConfirmedServiceError,
    DataNotification,
    EventNotification,
    ExceptionResponse,
)
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import (
    ActionResult,
    AssociationResult,
    Conformance,
    DataAccessResult,
    DiagnosticSource,
    MechanismId,
    ReleaseReason,
)


class Spoil(Enum):
    """One thing a negative test may have done wrong on purpose; everything else stays right."""

    WRONG_PASSWORD = "wrong-password"
    LONGER_PASSWORD = "longer-password"
    NO_AUTHENTICATION = "no-authentication"
    WRONG_KEY = "wrong-key"
    DAMAGED_TAG = "damaged-tag"
    REPLAYED_COUNTER = "replayed-counter"
    LOWER_COUNTER = "lower-counter"
    UNCIPHERED = "unciphered"
    WRONG_CHALLENGE_RESPONSE = "wrong-challenge-response"
    REFLECTED_CHALLENGE = "reflected-challenge"
    WRONG_BLOCK_NUMBER = "wrong-block-number"
    BLOCK_ABORT = "block-abort"
    OTHER_SUITE = "other-suite"
    WEAKER_PROTECTION = "weaker-protection"
    FORGED_EPHEMERAL_KEY = "forged-ephemeral-key"
    OTHER_RECIPIENT = "other-recipient"
    UNAUTHENTICATED = "unauthenticated"


@dataclass(frozen=True, kw_only=True, slots=True)
class Negotiated:
    """What client and server agreed on. ``max_pdu`` is the longest APDU the server takes; 0 = no limit."""

    conformance: Conformance
    max_pdu: int
    server_system_title: bytes
    mechanism: MechanismId
    ciphered: bool
    dlms_version: int = 6
    quality_of_service: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AssociationAccepted:
    """The association is open."""

    negotiated: Negotiated


@dataclass(frozen=True, kw_only=True, slots=True)
class AssociationRejected:
    """The server refused the association, with its diagnostic and, at times, an initiate error."""

    result: AssociationResult
    source: DiagnosticSource
    diagnostic: Diagnostic
    service_error: ConfirmedServiceError | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HlsChallenge:
    """The server wants our proof (pass 3); ``reply`` holds it."""

    reply: bytes = field(repr=False)
    negotiated: Negotiated


@dataclass(frozen=True, kw_only=True, slots=True)
class HlsConfirmed:
    """Both sides proved that they hold the keys: the association is open."""

    negotiated: Negotiated


@dataclass(frozen=True, kw_only=True, slots=True)
class HlsRejected:
    """The server did not take our proof."""

    result: ActionResult


@dataclass(frozen=True, kw_only=True, slots=True)
class GetAnswered:
    """A GET came to its end: ``data``, or None and the reason in ``result``. ``blocks`` counts a long GET.

    Where the encoding itself was asked for (``raw``), it is in ``octets`` and ``data`` is None.
    """

    data: Data | None
    result: DataAccessResult = DataAccessResult.SUCCESS
    ciphered: bool = False
    blocks: int = 0
    octets: bytes | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MoreBlocks:
    """A transfer in blocks goes on: ``reply`` asks for the next block, or is the next block.

    An empty ``reply`` (general block transfer) means that the server goes on by itself. ``octets`` counts
    what has come, or gone, so far.
    """

    reply: bytes = field(repr=False)
    block_number: int
    octets: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SetAnswered:
    """A SET came to its end."""

    result: DataAccessResult
    ciphered: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionAnswered:
    """An ACTION came to its end, with what the method returned (or why it returned nothing)."""

    result: ActionResult
    data: Data | None = None
    data_result: DataAccessResult | None = None
    ciphered: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class GetListAnswered:
    """A GET with a list came to its end: a value or a reason for each attribute, in the order asked for."""

    results: tuple[Data | DataAccessResult, ...]
    ciphered: bool = False
    blocks: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SetListAnswered:
    """A SET with a list came to its end: what became of each attribute."""

    results: tuple[DataAccessResult, ...]
    ciphered: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionListAnswered:
    """An ACTION with a list came to its end: what became of each method."""

    outcomes: tuple[ActionOutcome, ...]
    ciphered: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceRefused:
    """The server answered with an ExceptionResponse or a ConfirmedServiceError."""

    refusal: ExceptionResponse | ConfirmedServiceError
    ciphered: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Released:
    """The association is closed by agreement."""

    reason: ReleaseReason | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Notified:
    """The server sent something on its own."""

    notification: DataNotification | EventNotification
    ciphered: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class StaleReply:
    """The answer to a request that was given up came after all; it is nobody's answer now."""

    invoke_id: int


ClientEvent: TypeAlias = (
    AssociationAccepted | AssociationRejected | HlsChallenge | HlsConfirmed | HlsRejected | GetAnswered
    | MoreBlocks | SetAnswered | ActionAnswered | GetListAnswered | SetListAnswered | ActionListAnswered
    | ServiceRefused | Released | Notified | StaleReply
)  # fmt: skip
