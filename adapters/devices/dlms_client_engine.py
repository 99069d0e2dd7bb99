"""What a bench and a profile make of a client: its keys, its proofs, and the engine that speaks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from adapters.devices.dlms_link import DlmsLink
from adapters.errors import BenchError, ProtocolError
from adapters.profiles.model import Client
from adapters.protocols.dlms.client import ClientAssociation
from adapters.protocols.dlms.client_settings import PROPOSED, ClientSettings
from adapters.protocols.dlms.enums import Conformance
from adapters.protocols.dlms.general_cipher import AgreementKeys, KeyWay
from adapters.protocols.dlms.hls import MECHANISMS, HlsCredentials
from adapters.protocols.dlms.security import SUITES, InvocationCounter, Keys, SecurityControl
from adapters.protocols.dlms.signatures import SigningKey, VerifyingKey

_CONTROL = {
    "none": SecurityControl.AUTHENTICATED_ENCRYPTED,  # what a client applies of itself: the most there is
    "authenticated": SecurityControl.AUTHENTICATED,
    "encrypted": SecurityControl.ENCRYPTED,
    "authenticated-encrypted": SecurityControl.AUTHENTICATED_ENCRYPTED,
}
CHALLENGE_OCTETS = 16


def is_ciphered(entry: Client, mechanism: str) -> bool:
    """Return whether a client's association by ``mechanism`` is ciphered: its own way, and any other HLS."""
    return entry.ciphered and (mechanism == entry.mechanism or MECHANISMS[mechanism].is_hls)


def _keys(secrets: Mapping[str, bytes], suite: int) -> Keys:
    """Return the two keys of a client. Raises BenchError where they have not the suite's length."""
    pair, octets = (secrets["encryption_key"], secrets["authentication_key"]), SUITES[suite].key_octets
    if any(len(key) != octets for key in pair):
        raise BenchError(
            f"suite {suite} takes keys of {octets} octets; the bench gives {len(pair[0])} and {len(pair[1])}"
        )
    return Keys(encryption_key=pair[0], authentication_key=pair[1])


def _credentials(secrets: Mapping[str, bytes]) -> HlsCredentials:
    """Return what the mechanisms other than GMAC need, as far as the bench gives it.

    Raises BenchError, without the octets, where a key of the bench is none.
    """
    own, peer = secrets.get("signing_key", b""), secrets.get("meter_public_key", b"")
    try:
        return HlsCredentials(
            secret=secrets.get("hls_secret", b""),
            signing_key=SigningKey(own) if own else None,
            peer_key=VerifyingKey(peer) if peer else None,
        )
    except ProtocolError:
        raise BenchError(
            f"signing_key ({len(own)} octets) or meter_public_key ({len(peer)}) is no key of suite 1 or 2"
        ) from None


def _agreement(secrets: Mapping[str, bytes], random: Callable[[int], bytes]) -> AgreementKeys | None:
    """Return what key agreement needs, None where the bench gives less than all of it. Raises BenchError."""
    try:
        private, public = secrets["agreement_key"], secrets["meter_agreement_public_key"]
        signing, signer = secrets["signing_key"], secrets["meter_public_key"]
    except KeyError:
        return None
    try:
        return AgreementKeys(
            ours=SigningKey(private),
            theirs=VerifyingKey(public),
            signing=SigningKey(signing),
            signer=VerifyingKey(signer),
            random=random,
        )
    except ProtocolError:
        raise BenchError(
            f"agreement_key ({len(private)} octets) or meter_agreement_public_key ({len(public)})"
            " is no key of suite 1 or 2"
        ) from None


def client_engine(
    entry: Client,
    mechanism: str,
    line: DlmsLink,
    *,
    secrets: Mapping[str, bytes],
    system_title: bytes,
    random: Callable[[int], bytes],
    counter: InvocationCounter,
    heard: int = 0,
    key_way: KeyWay | None = None,
) -> ClientAssociation:
    """Return the engine of one association by ``mechanism``; nothing has been sent yet.

    ``counter`` is shared: one counter for a key and system title, however many associations use them at once.
    ``heard`` is the lowest counter the meter may use: it must not come back to one of an earlier association.
    ``key_way`` sends services in general-ciphering.
    """
    security, numbered = line.profile.security, MECHANISMS[mechanism]
    ciphered = is_ciphered(entry, mechanism)
    keys = None
    if mechanism == "hls-gmac" or (ciphered and mechanism != "pre-established"):
        keys = _keys(secrets, security.suite)
    settings = ClientSettings(
        mechanism=numbered,
        secret=secrets.get("password", b"") if mechanism == "lls" else b"",
        keys=keys,
        system_title=system_title if keys is not None or numbered.is_hls else b"",
        ciphered=ciphered and keys is not None,
        control=_CONTROL[security.policy],
        general=security.general_ciphering,
        suite=security.suite,
        dedicated_key=(
            random(len(keys.encryption_key))
            if security.dedicated_key and ciphered and keys is not None
            else None
        ),
        hls=_credentials(secrets) if numbered.is_hls else HlsCredentials(),
        conformance=Conformance.from_labels(entry.conformance) if entry.conformance else PROPOSED,
        max_pdu=entry.max_pdu,
        pre_established=mechanism == "pre-established",
        server_counter_minimum=heard,
        key_way=key_way,
        agreement=_agreement(secrets, random) if key_way is not None else None,
        window=int(line.opened.options.get("general_blocks", 0)),
    )
    application = ClientAssociation(settings, random(CHALLENGE_OCTETS))
    if application.channel is not None:
        application.channel.send = counter
    return application
