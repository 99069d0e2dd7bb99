"""ACSE: AARQ, AARE, RLRQ and RLRE in BER (ISO/IEC 8650, Green Book 9.4).

Reading tolerates what foreign meters do: any order of the fields, fields we do not use, a missing explicit
wrapper around the object identifiers. It does not tolerate a field that comes twice or a length that lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import ber
from adapters.protocols.dlms.budget import DEFAULT, Budget, Work
from adapters.protocols.dlms.enums import (
    AcseProviderDiagnostic,
    AcseUserDiagnostic,
    ApplicationContext,
    AssociationResult,
    DiagnosticSource,
    MechanismId,
    ReleaseReason,
)

_CONTEXT_OID = bytes.fromhex("60857405 0801".replace(" ", ""))  # 2.16.756.5.8.1
_MECHANISM_OID = bytes.fromhex("60857405 0802".replace(" ", ""))  # 2.16.756.5.8.2
_AUTHENTICATION_UNIT = b"\x07\x80"  # bit string with bit 0 (authentication) set, seven bits unused

Diagnostic = AcseUserDiagnostic | AcseProviderDiagnostic


@dataclass(frozen=True, kw_only=True, slots=True)
class Aarq:
    """An association request.

    ``authentication_value`` is the LLS password or the HLS challenge CtoS; ``calling_ap_title`` the client's
    system title; ``user_information`` the InitiateRequest, plain or ciphered. ``acse_requirements`` says
    whether the authentication functional unit is announced; it normally goes with a mechanism.
    """

    context: ApplicationContext = ApplicationContext.LN
    mechanism: MechanismId = MechanismId.NONE
    authentication_value: bytes | None = field(default=None, repr=False)
    acse_requirements: bool | None = None
    calling_ap_title: bytes = b""
    called_ap_title: bytes = b""
    calling_ae_qualifier: bytes = b""
    calling_ae_invocation_id: int | None = None
    user_information: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """Return the APDU, fields in the order of the standard."""
        out = ber.tlv(0xA1, ber.tlv(0x06, _CONTEXT_OID + bytes((self.context,))))
        if self.called_ap_title:
            out += ber.tlv(0xA2, ber.tlv(0x04, self.called_ap_title))
        if self.calling_ap_title:
            out += ber.tlv(0xA6, ber.tlv(0x04, self.calling_ap_title))
        if self.calling_ae_qualifier:
            out += ber.tlv(0xA7, ber.tlv(0x04, self.calling_ae_qualifier))
        if self.calling_ae_invocation_id is not None:
            out += ber.tlv(0xA9, ber.tlv(0x02, _integer_octets(self.calling_ae_invocation_id)))
        announced = self.mechanism is not MechanismId.NONE
        if announced if self.acse_requirements is None else self.acse_requirements:
            out += ber.tlv(0x8A, _AUTHENTICATION_UNIT)
        if announced:
            out += ber.tlv(0x8B, _MECHANISM_OID + bytes((self.mechanism,)))
        if self.authentication_value is not None:
            out += ber.tlv(0xAC, ber.tlv(0x80, self.authentication_value))
        if self.user_information:
            out += ber.tlv(0xBE, ber.tlv(0x04, self.user_information))
        return ber.tlv(0x60, out)


@dataclass(frozen=True, kw_only=True, slots=True)
class Aare:
    """The answer to an association request.

    ``authentication_value`` is the server's challenge StoC, ``responding_ap_title`` its system title and
    ``user_information`` the InitiateResponse or a ConfirmedServiceError, plain or ciphered.
    """

    context: ApplicationContext = ApplicationContext.LN
    result: AssociationResult
    source: DiagnosticSource = DiagnosticSource.ACSE_SERVICE_USER
    diagnostic: Diagnostic = AcseUserDiagnostic.NULL
    responding_ap_title: bytes = b""
    responding_ae_qualifier: bytes = b""
    acse_requirements: bool | None = None
    mechanism: MechanismId = MechanismId.NONE
    authentication_value: bytes | None = field(default=None, repr=False)
    user_information: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """Return the APDU, fields in the order of the standard."""
        out = ber.tlv(0xA1, ber.tlv(0x06, _CONTEXT_OID + bytes((self.context,))))
        out += ber.tlv(0xA2, ber.tlv(0x02, bytes((self.result,))))
        diagnostic = ber.tlv(0x02, bytes((self.diagnostic,)))
        out += ber.tlv(0xA3, ber.tlv(0xA0 | self.source, diagnostic))
        if self.responding_ap_title:
            out += ber.tlv(0xA4, ber.tlv(0x04, self.responding_ap_title))
        if self.responding_ae_qualifier:
            out += ber.tlv(0xA5, ber.tlv(0x04, self.responding_ae_qualifier))
        announced = self.mechanism is not MechanismId.NONE
        if announced if self.acse_requirements is None else self.acse_requirements:
            out += ber.tlv(0x88, _AUTHENTICATION_UNIT)
        if announced:
            out += ber.tlv(0x89, _MECHANISM_OID + bytes((self.mechanism,)))
        if self.authentication_value is not None:
            out += ber.tlv(0xAA, ber.tlv(0x80, self.authentication_value))
        if self.user_information:
            out += ber.tlv(0xBE, ber.tlv(0x04, self.user_information))
        return ber.tlv(0x61, out)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rlrq:
    """A release request; ``user_information`` holds an InitiateRequest where the association is ciphered."""

    reason: ReleaseReason | None = ReleaseReason.NORMAL
    user_information: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """Return the APDU."""
        return ber.tlv(0x62, _release_fields(self.reason, self.user_information))


@dataclass(frozen=True, kw_only=True, slots=True)
class Rlre:
    """The answer to a release request."""

    reason: ReleaseReason | None = ReleaseReason.NORMAL
    user_information: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """Return the APDU."""
        return ber.tlv(0x63, _release_fields(self.reason, self.user_information))


def _release_fields(reason: ReleaseReason | None, user_information: bytes) -> bytes:
    out = b"" if reason is None else ber.tlv(0x80, bytes((reason,)))
    return out + (ber.tlv(0xBE, ber.tlv(0x04, user_information)) if user_information else b"")


def _integer_octets(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


def _fields(buf: bytes, tag: int, name: str) -> dict[int, bytes]:
    parts = ber.elements(buf, 2)
    if len(parts) != 1 or parts[0][0] != tag:
        raise RemoteProtocolError(f"this is not exactly one {name}", data=buf)
    found: dict[int, bytes] = {}
    for key, content in ber.elements(parts[0][1]):
        if key in found:
            raise RemoteProtocolError(f"field {key:02X} of the {name} comes twice", data=buf)
        found[key] = content
    return found


def _oid_arc(content: bytes, prefix: bytes, what: str) -> int:
    # Explicitly wrapped (06 07 60 85 ...) or bare: both are met in the field.
    if content[:1] == b"\x06":
        content = ber.inner(content, 0x06, what)
    if content[:-1] != prefix:
        raise RemoteProtocolError(f"{what} {content.hex()} is none of DLMS", data=content)
    return content[-1]


def _context(fields: dict[int, bytes], name: str) -> ApplicationContext:
    if 0xA1 not in fields:
        raise RemoteProtocolError(f"the {name} has no application context name")
    arc = _oid_arc(fields[0xA1], _CONTEXT_OID, "application context name")
    try:
        return ApplicationContext(arc)
    except ValueError:
        raise RemoteProtocolError(f"unknown application context {arc}") from None


def _mechanism(content: bytes | None) -> MechanismId:
    if content is None:
        return MechanismId.NONE
    arc = _oid_arc(content, _MECHANISM_OID, "mechanism name")
    try:
        return MechanismId(arc)
    except ValueError:
        raise RemoteProtocolError(f"unknown authentication mechanism {arc}") from None


def _authentication(content: bytes | None) -> bytes | None:
    if content is None:
        return None
    parts = ber.elements(content, 2)
    if len(parts) != 1 or parts[0][0] not in (0x80, 0x81):
        raise RemoteProtocolError("the authentication value is neither a character nor a bit string")
    kind, value = parts[0]
    return value if kind == 0x80 else value[1:]  # a bit string starts with its number of unused bits


def _requirements(content: bytes | None) -> bool | None:
    if content is None:
        return None
    return len(content) >= 2 and bool(content[1] & 0x80)


def _title(content: bytes | None, what: str) -> bytes:
    return b"" if content is None else ber.inner(content, 0x04, what)


def _user_information(fields: dict[int, bytes]) -> bytes:
    return _title(fields.get(0xBE), "user-information")


def decode_aarq(buf: bytes, _work: Work) -> Aarq:
    """Read an AARQ. Raises RemoteProtocolError."""
    fields = _fields(buf, 0x60, "AARQ")
    invocation = fields.get(0xA9)
    return Aarq(
        context=_context(fields, "AARQ"),
        mechanism=_mechanism(fields.get(0x8B)),
        authentication_value=_authentication(fields.get(0xAC)),
        acse_requirements=_requirements(fields.get(0x8A)),
        calling_ap_title=_title(fields.get(0xA6), "calling-AP-title"),
        called_ap_title=_title(fields.get(0xA2), "called-AP-title"),
        calling_ae_qualifier=_title(fields.get(0xA7), "calling-AE-qualifier"),
        calling_ae_invocation_id=None if invocation is None else ber.integer(invocation, "calling user id"),
        user_information=_user_information(fields),
    )


def _diagnostic(fields: dict[int, bytes]) -> tuple[DiagnosticSource, Diagnostic]:
    parts = ber.elements(fields.get(0xA3, b""), 2)
    if len(parts) != 1 or parts[0][0] not in (0xA1, 0xA2):
        raise RemoteProtocolError("the AARE has no result-source-diagnostic")
    code = ber.integer(parts[0][1], "result-source-diagnostic")
    try:
        if parts[0][0] == 0xA1:
            return DiagnosticSource.ACSE_SERVICE_USER, AcseUserDiagnostic(code)
        return DiagnosticSource.ACSE_SERVICE_PROVIDER, AcseProviderDiagnostic(code)
    except ValueError:
        raise RemoteProtocolError(f"unknown diagnostic {code} in the AARE") from None


def decode_aare(buf: bytes, _work: Work) -> Aare:
    """Read an AARE. Raises RemoteProtocolError."""
    fields = _fields(buf, 0x61, "AARE")
    if 0xA2 not in fields:
        raise RemoteProtocolError("the AARE has no result", data=buf)
    code = ber.integer(fields[0xA2], "association result")
    try:
        result = AssociationResult(code)
    except ValueError:
        raise RemoteProtocolError(f"unknown association result {code}", data=buf) from None
    source, diagnostic = _diagnostic(fields)
    return Aare(
        context=_context(fields, "AARE"),
        result=result,
        source=source,
        diagnostic=diagnostic,
        responding_ap_title=_title(fields.get(0xA4), "responding-AP-title"),
        responding_ae_qualifier=_title(fields.get(0xA5), "responding-AE-qualifier"),
        acse_requirements=_requirements(fields.get(0x88)),
        mechanism=_mechanism(fields.get(0x89)),
        authentication_value=_authentication(fields.get(0xAA)),
        user_information=_user_information(fields),
    )


def _reason(content: bytes | None) -> ReleaseReason | None:
    if content is None:
        return None
    try:
        return ReleaseReason(content[0] if len(content) == 1 else -1)
    except ValueError:
        raise RemoteProtocolError(f"unknown release reason {content.hex()}") from None


def decode_rlrq(buf: bytes, _work: Work) -> Rlrq:
    """Read an RLRQ. Raises RemoteProtocolError."""
    fields = _fields(buf, 0x62, "RLRQ")
    return Rlrq(reason=_reason(fields.get(0x80)), user_information=_user_information(fields))


def decode_rlre(buf: bytes, _work: Work) -> Rlre:
    """Read an RLRE. Raises RemoteProtocolError."""
    fields = _fields(buf, 0x63, "RLRE")
    return Rlre(reason=_reason(fields.get(0x80)), user_information=_user_information(fields))


_DECODERS: dict[int, Callable[[bytes, Work], Aarq | Aare | Rlrq | Rlre]] = {
    0x60: decode_aarq,
    0x61: decode_aare,
    0x62: decode_rlrq,
    0x63: decode_rlre,
}


def decode(buf: bytes, budget: Budget = DEFAULT) -> Aarq | Aare | Rlrq | Rlre:
    """Read any ACSE APDU. Raises RemoteProtocolError."""
    reader = _DECODERS.get(buf[0]) if buf else None
    if reader is None:
        raise RemoteProtocolError("this is no ACSE APDU", data=buf)
    return reader(buf, Work(budget, len(buf)))
