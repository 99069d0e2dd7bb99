"""What a DLMS server asks its device: who may open, on which terms, and what the services do.

``ServerAssociation`` (``server.py``) speaks the protocol; a ``ServerPolicy`` decides. One policy object
belongs to one client at one link. None of its methods may raise for what a client sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from adapters.protocols.dlms.acse import Aarq, Diagnostic
from adapters.protocols.dlms.apdu import AttributeDescriptor, MethodDescriptor, SelectiveAccess
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import (
    AcseProviderDiagnostic,
    AcseUserDiagnostic,
    ActionResult,
    AssociationResult,
    Conformance,
    DataAccessResult,
    DiagnosticSource,
    MechanismId,
)
from adapters.protocols.dlms.general_cipher import REMEMBERED, AgreementKeys, GeneralCipher
from adapters.protocols.dlms.hls import HlsCredentials
from adapters.protocols.dlms.security import CounterWindow, InvocationCounter, Suite


class Service(StrEnum):
    """The three services a client asks for."""

    GET = "get"
    SET = "set"
    ACTION = "action"


class SecurityEvent(StrEnum):
    """What a meter writes to its fraud log."""

    AUTHENTICATION_FAILED = "authentication_failure"  # wrong password or wrong proof
    DECIPHERING_FAILED = "decryption_failure"  # wrong key or damaged tag
    COUNTER_REPLAYED = "replay"  # invocation counter not above the last one accepted


@dataclass(frozen=True, kw_only=True)
class Denial:
    """Why an association is not opened, as the AARE says it."""

    result: AssociationResult = AssociationResult.REJECTED_PERMANENT
    source: DiagnosticSource = DiagnosticSource.ACSE_SERVICE_USER
    diagnostic: Diagnostic = AcseUserDiagnostic.NO_REASON_GIVEN


BUSY = Denial(
    result=AssociationResult.REJECTED_TRANSIENT,
    source=DiagnosticSource.ACSE_SERVICE_PROVIDER,
    diagnostic=AcseProviderDiagnostic.NO_REASON_GIVEN,
)
"""Not now: the port has no association left."""


@dataclass(frozen=True, kw_only=True)
class Ciphering:
    """The keys and counters that the server and one client share; they outlive associations.

    ``agreement`` is there where keys can be agreed on, ``cipher`` makes what handles general-ciphering, and
    ``seen`` remembers messages whose keys were their own.
    """

    suite: Suite
    authentication_key: bytes = field(repr=False)
    send: InvocationCounter
    received: CounterWindow
    control: int = 0x30  # what every APDU must carry: authentication 10, encryption 20
    least: int | None = None  # what is demanded of the client, where that is less
    agreement: AgreementKeys | None = None
    cipher: Callable[..., GeneralCipher] = GeneralCipher
    seen: deque[bytes] = field(default_factory=lambda: deque(maxlen=REMEMBERED), repr=False)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the server offers one client.

    ``ciphered`` lists the mechanisms that go with a ciphered application context only; the others go with
    either, where there are keys (``ciphering``). ``serves_plain`` serves what comes in the clear although
    ciphering was agreed, as no meter should.
    """

    mechanisms: frozenset[MechanismId]
    ciphered: frozenset[MechanismId] = frozenset()
    conformance: Conformance
    max_pdu: int = 1024
    password: bytes = field(default=b"", repr=False)
    ciphering: Ciphering | None = None
    confirmed_services: bool = True
    serves_plain: bool = False
    hls: HlsCredentials = field(default_factory=HlsCredentials, repr=False)


class ServerPolicy(Protocol):
    """One client at one link, as the device sees it."""

    @property
    def system_title(self) -> bytes:
        """The server's system title, eight octets."""
        ...

    def terms(self) -> Terms:
        """Return what this client is offered here and now."""
        ...

    def denial(self, request: Aarq) -> Denial | None:
        """Return why this client must not open an association here, or None; asked before anything else."""
        ...

    def claim(self) -> Denial | None:
        """Take a place for an association that is about to be granted, or return why there is none."""
        ...

    def associated(self, request: Aarq) -> None:
        """Take note that the association is open (after the last pass, with HLS)."""
        ...

    def ended(self, released: bool) -> None:
        """Give the place back; ``released`` tells a release from a lost link or a failed proof."""
        ...

    def challenge(self) -> bytes:
        """Return a fresh challenge of 8 to 64 octets."""
        ...

    def accepts_proof(self, correct: bool, reflected: bool = False) -> bool:
        """Return whether the HLS proof just received, which is ``correct`` or not, opens the association.

        ``reflected``: it is our own challenge sent back, which proves nothing.
        """
        ...

    def serves_unassociated(self, service: Service) -> bool:
        """Return whether ``service`` is carried out without an association (a correct meter: never)."""
        ...

    def serves_pre_established(self, service: Service, confirmed: bool) -> bool:
        """Return whether the pre-established association carries out ``service`` here and now."""
        ...

    def get(
        self, attribute: AttributeDescriptor, selection: SelectiveAccess | None
    ) -> Data | DataAccessResult:
        """Return the value of an attribute, or why there is none."""
        ...

    def set(
        self, attribute: AttributeDescriptor, value: Data, selection: SelectiveAccess | None
    ) -> DataAccessResult:
        """Write an attribute."""
        ...

    def action(self, method: MethodDescriptor, argument: Data | None) -> tuple[ActionResult, Data | None]:
        """Invoke a method; the second part is what it returns."""
        ...

    def security_event(self, event: SecurityEvent) -> None:
        """Take note of an attempt that security stopped."""
        ...
