"""The receiving end of a push: wrapped DataNotifications in, verified notifications or findings out.

A notification is unconfirmed: nobody can ask for it again, so one that cannot be trusted is kept as a finding
with its octets instead of being dropped. Each sender (by system title) has its own counter window, which only
moves when a tag was verified. Pushes come from strangers: how many senders and how many octets are kept is
bounded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms.apdu import decode
from adapters.protocols.dlms.apdu_other import DataNotification, GeneralCiphered
from adapters.protocols.dlms.enums import ApduTag
from adapters.protocols.dlms.security import (
    CounterReplayed,
    CounterWindow,
    DecipheringFailed,
    SecurityControl,
    SecurityMissing,
    Suite,
)
from adapters.protocols.dlms.wrapper import WrapperMessage, WrapperStream, decode_datagram

MAX_SENDERS = 1024
Fault = Literal["", "malformed", "unprotected", "deciphering-failed", "replayed-counter", "unknown-sender"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PushSecurity:
    """What a push must be protected with: ``suite`` holds the keys, ``control`` is the least accepted.

    ``titles`` are the senders whose keys these are; empty: whoever can prove it.
    """

    suite: Suite = field(repr=False)
    control: int = SecurityControl.AUTHENTICATED_ENCRYPTED
    titles: frozenset[bytes] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """One push as it arrived. ``fault`` is empty for one that is taken; ``notification`` is None otherwise.

    ``counter`` and ``system_title`` of a push with a fault are claims nobody has verified.
    """

    source: int
    destination: int
    apdu: bytes = field(repr=False)
    fault: Fault = ""
    why: str = ""
    notification: DataNotification | None = None
    system_title: bytes = b""
    counter: int | None = None
    control: int = 0


class PushReceiver:
    """Judges pushes. Without ``security`` plain ones are taken, and ciphered ones cannot be opened."""

    def __init__(self, security: PushSecurity | None = None) -> None:
        self._security = security
        self._windows: dict[bytes, CounterWindow] = {}

    def connection(self) -> PushStream:
        """Return the reader of one more stream."""
        return PushStream(self)

    def datagram(self, data: bytes) -> Push:
        """Judge what one datagram holds."""
        try:
            return self.judge(decode_datagram(data))
        except RemoteProtocolError as error:
            return _faulty(data, "malformed", error)

    def judge(self, message: WrapperMessage) -> Push:
        """Judge one message; counters move only for what is taken."""
        apdu, ends = message.apdu, (message.source, message.destination)
        try:
            outer = decode(apdu)
        except RemoteProtocolError as error:
            return _faulty(apdu, "malformed", error, ends)
        if isinstance(outer, DataNotification):
            if self._security is not None and self._security.control:
                missing = RemoteProtocolError("a plain push where a protected one is demanded")
                return _faulty(apdu, "unprotected", missing, ends)
            return Push(source=ends[0], destination=ends[1], apdu=apdu, notification=outer)
        if not isinstance(outer, GeneralCiphered) or outer.tag is not ApduTag.GENERAL_GLO_CIPHERING:
            return _faulty(apdu, "malformed", RemoteProtocolError("no DataNotification"), ends)
        return self._protected(apdu, outer, ends)

    def _protected(self, apdu: bytes, outer: GeneralCiphered, ends: tuple[int, int]) -> Push:
        security, title, body = self._security, outer.system_title, outer.body
        claimed = int.from_bytes(body[1:5], "big") if len(body) >= 5 else None

        def refuse(fault: Fault, error: RemoteProtocolError) -> Push:
            return _faulty(apdu, fault, error, ends, title, claimed)

        if security is None:
            return refuse("deciphering-failed", RemoteProtocolError("no key to open a protected push with"))
        if len(title) != 8 or (security.titles and title not in security.titles):
            return refuse("unknown-sender", RemoteProtocolError(f"system title {title.hex() or 'absent'}"))
        if body and body[0] & security.control & 0x30 != security.control & 0x30:
            return refuse("unprotected", SecurityMissing(f"security control {body[0]:02X}"))
        window = self._windows.get(title) or CounterWindow()
        try:
            if claimed is not None:
                window.check(claimed)
            plain, control, counter = security.suite.unprotect(body, title)
            inner = decode(plain)
            if not isinstance(inner, DataNotification):
                raise RemoteProtocolError("no DataNotification inside the protection", data=apdu)
        except CounterReplayed as error:
            return refuse("replayed-counter", error)
        except DecipheringFailed as error:
            return refuse("deciphering-failed", error)
        except RemoteProtocolError as error:
            return refuse("malformed", error)
        if title not in self._windows and len(self._windows) >= MAX_SENDERS:
            return refuse("unknown-sender", RemoteProtocolError(f"more than {MAX_SENDERS} senders"))
        window.accept(counter)
        self._windows[title] = window
        return Push(
            source=ends[0], destination=ends[1], apdu=apdu, notification=inner, system_title=title,
            counter=counter, control=control,
        )  # fmt: skip


class PushStream:
    """Pushes in one stream of octets (TCP). One that is out of step yields a finding and then nothing."""

    def __init__(self, receiver: PushReceiver) -> None:
        self._receiver, self._stream = receiver, WrapperStream()
        self._ready: deque[Push] = deque()
        self.broken = False

    def receive_data(self, data: bytes) -> None:
        """Take octets; ``b""`` means that the far end has closed: a rest is a malformed push."""
        if self.broken:
            return
        if not data:
            if rest := self._stream.discard_partial():
                self._ready.append(_faulty(rest, "malformed", RemoteProtocolError("a push was cut short")))
            return
        self._stream.receive_data(data)
        try:
            while (message := self._stream.next_message()) is not None:
                self._ready.append(self._receiver.judge(message))
        except RemoteProtocolError as error:
            self.broken = True
            self._ready.append(_faulty(self._stream.discard_partial(), "malformed", error))

    def next_push(self) -> Push | None:
        """Return the next push, or None."""
        return self._ready.popleft() if self._ready else None


def _faulty(
    apdu: bytes,
    fault: Fault,
    error: RemoteProtocolError,
    ends: tuple[int, int] = (0, 0),
    title: bytes = b"",
    counter: int | None = None,
) -> Push:
    return Push(
        source=ends[0], destination=ends[1], apdu=apdu, fault=fault, why=str(error), system_title=title,
        counter=counter,
    )  # fmt: skip
