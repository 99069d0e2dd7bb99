"""General-ciphering within one association, either end: each APDU names sender, recipient and key.

    identified   the global unicast key both sides have; the invocation counter goes on as everywhere
    one-pass     a key of this APDU's own: an ephemeral key pair of the sender, which the sender signs, and
                 the static key pair of the recipient; suites 1 and 2
    static       a key of this transaction's own, from the static key pairs of both; suites 1 and 2

A message whose key is its own has no counter to be old by. What tells a copy is what the key came from: the
ephemeral key, or the transaction id; the last ``REMEMBERED`` of them are kept. Green Book edition 8,
9.2.3.4.6 and 9.2.7.2.4.8.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.general_protection import (
    STATIC_UNIFIED,
    AgreedKey,
    GeneralCiphering,
    Header,
    IdentifiedKey,
    KeyInformation,
    decode_ciphering,
    one_pass_key,
    one_pass_key_received,
    static_key,
)
from adapters.protocols.dlms.security import (
    HEADER_OCTETS,
    SUITES,
    CounterWindow,
    InvocationCounter,
    Keys,
    SecurityMissing,
    Suite,
)
from adapters.protocols.dlms.signatures import SigningKey, VerifyingKey

REMEMBERED = 4096
TRANSACTION_OCTETS = 8
_HEAD_OCTETS = 1 + (1 + TRANSACTION_OCTETS) + 2 * 9 + 2 + 3 + 3 + HEADER_OCTETS + 12


class KeyWay(StrEnum):
    """How sender and recipient come by the key of an APDU."""

    IDENTIFIED = "identified"
    ONE_PASS = "one-pass"
    STATIC = "static"


@dataclass(frozen=True, kw_only=True, slots=True)
class AgreementKeys:
    """What key agreement needs.

    ``ours`` and ``theirs`` are the static keys for it, ``signing`` vouches for our ephemeral keys, ``signer``
    for theirs. ``random`` returns fresh octets.
    """

    ours: SigningKey
    theirs: VerifyingKey
    signing: SigningKey
    signer: VerifyingKey | None
    random: Callable[[int], bytes] = field(repr=False)

    def ephemeral(self) -> SigningKey:
        """Return a fresh key pair on the curve of the suite."""
        while True:
            try:
                return SigningKey(self.random(self.ours.curve.octets))
            except LocalProtocolError:  # not below the order of the curve: once in four thousand million
                continue


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A verified message: what was in it and how it was protected."""

    apdu: bytes = field(repr=False)
    control: int
    counter: int


class GeneralCipher:
    """Protects and verifies general-ciphering APDUs.

    ``way`` is how we come by keys; an answer takes the way and the transaction id of its request. ``seen``
    outlives the association, as counters do: a copy does not become fresh by a new AARQ. ``transactions`` are
    four octets no earlier association began its transaction ids with.
    """

    __slots__ = (
        "_agreement", "_authentication_key", "_own", "_seen", "_suite", "_transaction",
        "_transactions", "_used", "control", "peer_title", "received", "send", "way",
    )  # fmt: skip

    def __init__(
        self,
        *,
        suite: Suite,
        authentication_key: bytes,
        own_title: bytes,
        peer_title: bytes,
        send: InvocationCounter,
        received: CounterWindow,
        control: int,
        seen: deque[bytes],
        agreement: AgreementKeys | None = None,
        way: KeyWay = KeyWay.IDENTIFIED,
        transactions: bytes = b"",
    ) -> None:
        self._suite, self._authentication_key = suite, authentication_key
        self._own, self.peer_title = own_title, peer_title
        self.send, self.received, self.control = send, received, control
        self._agreement, self.way = agreement, way
        first = int.from_bytes(transactions[:4].ljust(4, b"\0"), "big") << 32
        self._transactions = itertools.count(first + 1)
        self._transaction = b""
        self._used: tuple[Header, bytes, KeyInformation] | None = None  # what the last request went out with
        self._seen = seen

    @property
    def overhead(self) -> int:
        """How many octets a message is longer than the APDU in it, at most."""
        if self.way is not KeyWay.ONE_PASS or self._agreement is None:
            return _HEAD_OCTETS + 2
        return _HEAD_OCTETS + 4 + 4 * self._agreement.ours.curve.octets

    def protect(
        self,
        apdu: bytes,
        *,
        counter: int | None = None,
        control: int | None = None,
        keys: Keys | None = None,
        recipient: bytes | None = None,
        forged: bool = False,
        used: bool = False,
    ) -> bytes:
        """Return ``apdu`` for the peer, in a transaction of its own.

        The other arguments are for those who want something wrong: counter, control octet, keys, recipient,
        the signature of the ephemeral key, or the key and transaction of the last request once more. Raises
        LocalProtocolError where that is not possible.
        """
        encryption_key: bytes | None
        if used:
            if self._used is None:
                raise LocalProtocolError("there is no key of a message's own that was used before")
            header, encryption_key, information = self._used
        else:
            self._transaction = next(self._transactions).to_bytes(TRANSACTION_OCTETS, "big")
            header = self._header(self.peer_title if recipient is None else recipient)
            encryption_key, information = self._key_to_send(header)
            self._used = None if encryption_key is None else (header, encryption_key, information)
        if forged:
            information = _forged(information)
        if encryption_key is not None:
            suite = self._suite_of(encryption_key, header, keys)
        elif keys is not None:
            suite = SUITES[self._suite.number](keys, header.encode())
        else:
            suite = self._suite.vouching_for(header.encode())
        content = suite.protect(
            apdu,
            self._own,
            self.send.take() if counter is None else counter,
            self.control if control is None else control,
        )
        return GeneralCiphering(header=header, key=information, content=content).encode()

    def answer(self, apdu: bytes) -> bytes:
        """Return ``apdu`` protected as the request was that it answers, in the same transaction."""
        header = self._header(self.peer_title)
        encryption_key, information = self._key_to_send(header)
        suite = (
            self._suite.vouching_for(header.encode())
            if encryption_key is None
            else self._suite_of(encryption_key, header)
        )
        content = suite.protect(apdu, self._own, self.send.take(), self.control)
        return GeneralCiphering(header=header, key=information, content=content).encode()

    def _header(self, recipient: bytes) -> Header:
        return Header(transaction=self._transaction, originator=self._own, recipient=recipient)

    def open(self, octets: bytes, least: int) -> Opened:
        """Verify a message; only then counter, memory and the way of the answer move.

        ``least`` is the protection demanded. Raises RemoteProtocolError and its kinds, as a channel does.
        """
        message = decode_ciphering(octets)
        header, content = message.header, message.content
        if self.peer_title and header.originator != self.peer_title:
            raise RemoteProtocolError(
                f"system title {header.originator.hex()} where {self.peer_title.hex()} is expected",
                data=octets,
            )
        self.check_recipient(header)
        if len(content) < HEADER_OCTETS:
            raise RemoteProtocolError("a ciphered APDU without a whole security header", data=octets)
        if content[0] & least != least:
            raise SecurityMissing(
                f"security control {content[0]:02X} where {least:02X} is demanded", data=octets
            )
        key = message.key if message.key is not None else IdentifiedKey()
        if isinstance(key, IdentifiedKey):
            if key.key_id:
                raise RemoteProtocolError("an APDU for one meter under a broadcast key", data=octets)
            counter = int.from_bytes(content[1:HEADER_OCTETS], "big")
            if counter < self.received.expected:
                self.received.check(counter)
            suite, way, mark = self._suite.vouching_for(header.encode()), KeyWay.IDENTIFIED, b""
        else:
            encryption_key, way, mark = self._key_received(key, header)
            suite = self._suite_of(encryption_key, header)
        plain, control, counter = suite.unprotect(content, header.originator)
        if not plain:
            raise RemoteProtocolError("a general-ciphering APDU with nothing in it", data=octets)
        if mark:
            self._seen.append(mark)
        else:
            self.received.expected = counter + 1
        self.way, self._transaction = way, header.transaction
        return Opened(apdu=plain, control=control, counter=counter)

    # --- what a careless meter does otherwise -------------------------------------------------------------

    def check_recipient(self, header: Header) -> None:
        """Raise RemoteProtocolError for a message that is meant for another; an empty title means anybody."""
        if header.recipient and header.recipient != self._own:
            raise RemoteProtocolError(f"a message for {header.recipient.hex()}, not for us")

    def check_fresh(self, mark: bytes) -> None:
        """Raise RemoteProtocolError for a message whose key was used before."""
        if mark in self._seen:
            raise RemoteProtocolError("a message with a key that was used before")

    def one_pass(self, key: AgreedKey, header: Header, agreement: AgreementKeys) -> bytes:
        """Return the key of a message by one-pass Diffie-Hellman.

        Raises SignatureWrong where nobody vouches for the ephemeral key, RemoteProtocolError for no key.
        """
        return one_pass_key_received(
            key, suite=self._suite.number, header=header, ours=agreement.ours, signer=agreement.signer
        )

    # --- keys ---------------------------------------------------------------------------------------------

    def _key_to_send(self, header: Header) -> tuple[bytes | None, KeyInformation]:
        if self.way is KeyWay.IDENTIFIED:
            return None, IdentifiedKey()
        agreement, number = self._agreement, self._suite.number
        if agreement is None:
            raise LocalProtocolError(f"general-ciphering by a {self.way} key needs keys for key agreement")
        if self.way is KeyWay.STATIC:
            key = static_key(suite=number, header=header, ours=agreement.ours, theirs=agreement.theirs)
            return key, AgreedKey(scheme=STATIC_UNIFIED, data=b"")
        return one_pass_key(
            suite=number,
            header=header,
            ephemeral=agreement.ephemeral(),
            signer=agreement.signing,
            recipient=agreement.theirs,
        )

    def _key_received(self, key: KeyInformation, header: Header) -> tuple[bytes, KeyWay, bytes]:
        """Return the encryption key, how it came about, and what tells a copy of the message."""
        agreement = self._agreement
        if agreement is None or not isinstance(key, AgreedKey):
            raise RemoteProtocolError("a message under a key of a kind we do not take")
        if key.scheme == STATIC_UNIFIED:
            mark = b"t" + header.transaction
            self.check_fresh(mark)
            if not header.transaction:
                raise RemoteProtocolError("static keys need a transaction id: it is the nonce")
            number = self._suite.number
            found = static_key(suite=number, header=header, ours=agreement.ours, theirs=agreement.theirs)
            return found, KeyWay.STATIC, mark
        mark = b"e" + key.data
        self.check_fresh(mark)
        return self.one_pass(key, header, agreement), KeyWay.ONE_PASS, mark

    def _suite_of(self, encryption_key: bytes, header: Header, wrong: Keys | None = None) -> Suite:
        """Return the suite with a message's own key; ``wrong`` keys give a wrong authentication key."""
        authentication_key = self._authentication_key if wrong is None else wrong.authentication_key
        keys = Keys(encryption_key=encryption_key, authentication_key=authentication_key)
        return SUITES[self._suite.number](keys, header.encode())


def _forged(key: KeyInformation) -> KeyInformation:
    """Return the key information with the signature of its ephemeral key wrong in the last bit."""
    if not isinstance(key, AgreedKey) or not key.data:
        raise LocalProtocolError("there is no ephemeral key whose signature could be wrong")
    return replace(key, data=key.data[:-1] + bytes((key.data[-1] ^ 1,)))
