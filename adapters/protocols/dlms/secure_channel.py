"""Both directions of one ciphered association: which tag an APDU gets, whose title and counter it carries."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.axdr import length_octets, read_octets
from adapters.protocols.dlms.enums import ApduTag
from adapters.protocols.dlms.general_cipher import GeneralCipher
from adapters.protocols.dlms.security import (
    HEADER_OCTETS,
    CounterReplayed,
    CounterWindow,
    InvocationCounter,
    SecurityControl,
    SecurityMissing,
    Suite,
)

GLOBAL_TAG: dict[int, int] = {
    plain.value: ApduTag["GLO_" + plain.name].value
    for plain in ApduTag
    if "GLO_" + plain.name in ApduTag.__members__
}
"""Plain tag to the tag of its service-specific global ciphering."""

DEDICATED_TAG: dict[int, int] = {
    plain.value: ApduTag["DED_" + plain.name].value
    for plain in ApduTag
    if "DED_" + plain.name in ApduTag.__members__
}
"""Plain tag to the tag of its service-specific dedicated ciphering."""

_LAST_INITIATE = ApduTag.GLO_INITIATE_RESPONSE
# Tag, length, security header, authentication tag; general-glo-ciphering names the system title as well.
_OVERHEAD = 1 + 3 + 5 + 12 + 1 + 8
_PLAIN_OF_GLOBAL = {ciphered: plain for plain, ciphered in GLOBAL_TAG.items()}
_PLAIN_OF_DEDICATED = {ciphered: plain for plain, ciphered in DEDICATED_TAG.items()}


@dataclass(frozen=True, slots=True)
class Unprotected:
    """A verified APDU and how it was protected.

    ``expected`` is the lowest counter of the global key that was acceptable before this APDU: what an HLS
    proof inside it is checked against.
    """

    apdu: bytes = field(repr=False)
    control: int
    counter: int
    expected: int


class SecureChannel:
    """Protects what we send and verifies what the peer sends.

    ``control`` is the protection we apply and, unless ``least`` says less, the least we accept.
    ``general`` chooses general-glo-ciphering over the service-specific tags. ``dedicated`` is the suite with
    the dedicated key, once the association has one; ``peer_title`` may be set later, when an AARE told it.
    ``cipher`` is there where general-ciphering may be used, once that is agreed on; ``by_cipher`` sends
    services that way.
    """

    __slots__ = (
        "by_cipher", "cipher", "control", "dedicated", "dedicated_received", "dedicated_send", "general",
        "least", "own_title", "peer_title", "received", "send", "suite",
    )  # fmt: skip

    def __init__(
        self,
        *,
        suite: Suite,
        own_title: bytes,
        peer_title: bytes = b"",
        send: InvocationCounter | None = None,
        received: CounterWindow | None = None,
        control: int = SecurityControl.AUTHENTICATED_ENCRYPTED,
        general: bool = False,
        dedicated: Suite | None = None,
        least: int | None = None,
    ) -> None:
        self.suite, self.own_title, self.peer_title = suite, own_title, peer_title
        self.send = InvocationCounter() if send is None else send
        self.received = CounterWindow() if received is None else received
        self.control, self.general, self.dedicated = int(control), general, dedicated
        self.least = self.control & 0x30 if least is None else least
        self.dedicated_received = CounterWindow()
        self.dedicated_send = InvocationCounter(1)
        self.cipher: GeneralCipher | None = None
        self.by_cipher = False

    @property
    def overhead(self) -> int:
        """How many octets protection adds to an APDU, at most."""
        return self.cipher.overhead if self.by_cipher and self.cipher is not None else _OVERHEAD

    def ciphers(self, apdu: bytes) -> bool:
        """Return whether ``apdu`` goes out in general-ciphering: services do, the initiate exchange not."""
        return self.by_cipher and self.cipher is not None and GLOBAL_TAG.get(apdu[0], 0) > _LAST_INITIATE

    def use_dedicated(self, suite: Suite) -> None:
        """Cipher services with a new dedicated key from now on; its counters start afresh."""
        self.dedicated = suite
        self.dedicated_received = CounterWindow()
        self.dedicated_send = InvocationCounter(1)

    def counter_for(self, apdu: bytes, general: bool | None = None) -> InvocationCounter:
        """Return the counter ``apdu`` would be sent with: each key has its own."""
        return self.dedicated_send if self._uses_dedicated(apdu[0], general) else self.send

    def _uses_dedicated(self, tag: int, general: bool | None) -> bool:
        if self.dedicated is None:
            return False
        if self.general if general is None else general:
            return True
        return tag in DEDICATED_TAG and tag > ApduTag.RLRE  # the initiate exchange stays with the global key

    def protect(
        self,
        apdu: bytes,
        *,
        counter: int | None = None,
        suite: Suite | None = None,
        general: bool | None = None,
        control: int | None = None,
    ) -> bytes:
        """Return ``apdu`` ciphered, with the next invocation counter of the key it is ciphered with.

        ``counter``, ``suite`` and ``control`` override the channel's own, for those who want a wrong one.
        Raises LocalProtocolError for an APDU that has no ciphered form.
        """
        if general is None and suite is None and self.ciphers(apdu):
            assert self.cipher is not None
            return self.cipher.protect(apdu, counter=counter, control=control)
        general = self.general if general is None else general
        if self.dedicated is None or not self._uses_dedicated(apdu[0], general):
            suite, send, tags = suite or self.suite, self.send, GLOBAL_TAG
        else:
            suite, send, tags = suite or self.dedicated, self.dedicated_send, DEDICATED_TAG
        tag = tags.get(apdu[0])
        if tag is None and not general:
            raise LocalProtocolError(f"APDU {apdu[0]:02X} has no service-specific ciphering")
        if counter is None:
            counter = send.take()
        body = suite.protect(apdu, self.own_title, counter, self.control if control is None else control)
        if general:
            head = b"\xdb" if tags is GLOBAL_TAG else b"\xdc"
            return head + b"\x08" + self.own_title + length_octets(len(body)) + body
        assert tag is not None
        size = len(body)
        if size < 0x80:
            return bytes((tag, size)) + body
        return bytes((tag,)) + length_octets(size) + body

    def unprotect(self, apdu: bytes) -> Unprotected:
        """Verify a ciphered ``apdu`` and return what is in it; only then the counter moves.

        Raises CounterReplayed, DecipheringFailed, SecurityMissing (protected less than the channel
        demands), RemoteProtocolError for anything malformed.
        """
        tag = apdu[0] if apdu else 0
        if tag == ApduTag.GENERAL_CIPHERING:
            return self._opened(apdu)
        title, position = self.peer_title, 1
        if tag == 0xDB or tag == 0xDC:
            sender, position = read_octets(apdu, 1)
            if sender and title and sender != title:
                raise RemoteProtocolError(
                    f"system title {sender.hex()} where {title.hex()} is expected", data=apdu
                )
            title = title or sender
        body, end = read_octets(apdu, position)
        if end != len(apdu):
            raise RemoteProtocolError(f"{len(apdu) - end} octets follow the ciphered APDU", data=apdu)
        suite, window = self.suite, self.received
        inner = _PLAIN_OF_GLOBAL.get(tag) or _PLAIN_OF_DEDICATED.get(tag)
        if inner is None and tag != 0xDB and tag != 0xDC:
            raise RemoteProtocolError(f"{tag:02X} is no tag of a ciphered APDU", data=apdu)
        if tag == 0xDC or tag in _PLAIN_OF_DEDICATED:
            if self.dedicated is None:
                raise RemoteProtocolError("dedicated ciphering without a dedicated key", data=apdu)
            suite, window = self.dedicated, self.dedicated_received
        if len(body) < HEADER_OCTETS:
            raise RemoteProtocolError("a ciphered APDU without a whole security header", data=apdu)
        if body[0] & self.least != self.least:
            raise SecurityMissing(
                f"security control {body[0]:02X} where {self.least:02X} is demanded", data=apdu
            )
        counter = int.from_bytes(body[1:HEADER_OCTETS], "big")
        expected = self.received.expected
        if counter < window.expected:
            try:
                window.check(counter)
            except CounterReplayed as replayed:
                # A tag that fits vouches for the bytes as well as a checksum would: it is the sender's doing.
                with suppress(RemoteProtocolError):
                    suite.unprotect(body, title)
                    replayed.frame_intact = bool(body[0] & SecurityControl.AUTHENTICATED)
                raise
        plain, control, counter = suite.unprotect(body, title)
        if not plain or (inner is not None and plain[0] != inner):
            raise RemoteProtocolError(
                "the ciphered tag and the APDU inside do not belong together", data=apdu
            )
        window.expected = counter + 1
        if not self.peer_title:
            self.peer_title = title  # told by the general header, now vouched for by the tag
        return Unprotected(plain, control, counter, expected)

    def _opened(self, apdu: bytes) -> Unprotected:
        if self.cipher is None:
            raise RemoteProtocolError("general-ciphering where it was not agreed on", data=apdu)
        expected = self.received.expected
        opened = self.cipher.open(apdu, self.least)
        return Unprotected(opened.apdu, opened.control, opened.counter, expected)
