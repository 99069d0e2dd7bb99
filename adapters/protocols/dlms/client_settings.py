"""How a client wants to associate: addresses apart, everything it has to know about the other side."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.errors import LocalProtocolError
from adapters.protocols.dlms.apdu_gbt import WINDOW
from adapters.protocols.dlms.enums import Conformance, MechanismId
from adapters.protocols.dlms.general_cipher import AgreementKeys, KeyWay
from adapters.protocols.dlms.hls import HlsCredentials
from adapters.protocols.dlms.security import SUITES, TITLE_OCTETS, Keys, SecurityControl

PROPOSED = (
    Conformance.GENERAL_PROTECTION
    | Conformance.PRIORITY_MGMT_SUPPORTED
    | Conformance.ATTRIBUTE0_SUPPORTED_WITH_GET
    | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
    | Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.GENERAL_BLOCK_TRANSFER
    | Conformance.DATA_NOTIFICATION
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
)
"""The conformance block a client proposes unless told otherwise: what this engine speaks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientSettings:
    """Settings of one client association. Secrets appear in no ``repr``.

    ``secret`` is the LLS password. ``keys`` and ``system_title`` (8 octets) are needed for HLS-GMAC and for
    ciphering; ``server_system_title`` only where no AARE tells it (pre-established and ciphered).
    ``control`` is the protection applied and demanded, ``general`` chooses general-glo-ciphering,
    ``dedicated_key`` is proposed in the AARQ. ``invocation_counter`` is the next one to send,
    ``server_counter_minimum`` the lowest one accepted. ``max_pdu`` in octets, as offered to the server.
    ``suite`` is the number of the security suite; ``hls`` what the mechanisms other than GMAC need.
    ``protect_release`` puts the ciphered InitiateRequest into the RLRQ of a ciphered association, as the
    standard asks; a few meters want the bare RLRQ. ``window`` is how many general blocks we take in a row;
    above 0 requests go out in general blocks, so that the answers come so, wherever that was agreed on.
    ``key_way`` sends services in general-ciphering, each under a key come by that way; ``agreement`` is
    needed for the ways that agree on one.
    """

    mechanism: MechanismId = MechanismId.NONE
    secret: bytes = field(default=b"", repr=False)
    keys: Keys | None = None
    system_title: bytes = b""
    server_system_title: bytes = b""
    ciphered: bool = False
    control: SecurityControl = SecurityControl.AUTHENTICATED_ENCRYPTED
    general: bool = False
    dedicated_key: bytes | None = field(default=None, repr=False)
    invocation_counter: int = 0
    server_counter_minimum: int = 0
    conformance: Conformance = PROPOSED
    max_pdu: int = 1024
    pre_established: bool = False
    user_id: int | None = None
    protect_release: bool = True
    window: int = 0
    suite: int = 0
    hls: HlsCredentials = field(default_factory=HlsCredentials, repr=False)
    key_way: KeyWay | None = None
    agreement: AgreementKeys | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        needs_keys = self.ciphered or self.mechanism is MechanismId.HLS_GMAC
        if needs_keys and self.keys is None:
            raise LocalProtocolError("ciphering and HLS-GMAC need an encryption and an authentication key")
        if needs_keys and len(self.system_title) != TITLE_OCTETS:
            raise LocalProtocolError("ciphering and HLS-GMAC need a client system title of 8 octets")
        if not self.hls.suffices_for(self.mechanism):
            raise LocalProtocolError(f"{self.mechanism.label} needs an HLS secret, or for ECDSA both keys")
        if self.suite not in SUITES:
            raise LocalProtocolError(f"there is no security suite {self.suite}")
        if self.pre_established and self.ciphered and len(self.server_system_title) != TITLE_OCTETS:
            raise LocalProtocolError("a ciphered pre-established association needs the server's system title")
        if self.ciphered and not self.control & SecurityControl.AUTHENTICATED_ENCRYPTED:
            raise LocalProtocolError("a ciphered association needs authentication, encryption or both")
        if self.key_way is not None and (not self.ciphered or self.pre_established):
            raise LocalProtocolError("general-ciphering needs a ciphered association that is negotiated")
        if self.key_way not in (None, KeyWay.IDENTIFIED) and self.agreement is None:
            raise LocalProtocolError(
                f"general-ciphering by a {self.key_way} key needs keys for key agreement"
            )
        if not 0 <= self.window <= WINDOW:
            raise LocalProtocolError(f"a window of {self.window} general blocks does not fit 6 bits")
        if not 0 <= self.max_pdu <= 0xFFFF:
            raise LocalProtocolError(f"a max PDU of {self.max_pdu} does not fit 16 bits")
