"""The requests of C12.18 (and of C12.21 where it adds some) as values. See ``services``."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeAlias

from adapters.errors import LocalProtocolError
from adapters.protocols.c1218.codes import BAUD_CODES, Service
from adapters.protocols.c1218.responses import counted, packed, token_octets

PASSWORD_OCTETS: Final = 20
USER_OCTETS: Final = 10
MAX_INDEXES: Final = 9

READ_LAYOUT = struct.Struct(">BH")
OFFSET_READ_LAYOUT = struct.Struct(">BHBHH")
OFFSET_WRITE_LAYOUT = struct.Struct(">BHBH")
LOGON_LAYOUT = struct.Struct(">BH10s")
NEGOTIATE_LAYOUT = struct.Struct(">BHB")
WORD_LAYOUT = struct.Struct(">H")
TWO_LAYOUT = struct.Struct(">BB")
TIMING_LAYOUT = struct.Struct(">BBBBB")


@dataclass(frozen=True, kw_only=True, slots=True)
class Identify:
    """Who are you? Begins every session."""

    service: ClassVar[Service] = Service.IDENTIFY

    def encode(self) -> bytes:
        """Return the octets."""
        return b"\x20"


@dataclass(frozen=True, kw_only=True, slots=True)
class Terminate:
    """End the session; the device goes back to its base state and default settings."""

    service: ClassVar[Service] = Service.TERMINATE

    def encode(self) -> bytes:
        """Return the octets."""
        return b"\x21"


@dataclass(frozen=True, kw_only=True, slots=True)
class Disconnect:
    """End the session and drop the carrier (C12.21)."""

    service: ClassVar[Service] = Service.DISCONNECT

    def encode(self) -> bytes:
        """Return the octets."""
        return b"\x22"


@dataclass(frozen=True, kw_only=True, slots=True)
class FullRead:
    """Read a whole table."""

    service: ClassVar[Service] = Service.READ
    table: int

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError."""
        return packed(READ_LAYOUT, "table", 0x30, self.table)


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexRead:
    """Read ``count`` elements from the one the ``indexes`` lead to, outermost first; one to nine of them."""

    service: ClassVar[Service] = Service.READ
    table: int
    indexes: tuple[int, ...]
    count: int

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError."""
        head = packed(READ_LAYOUT, "table", 0x30 + _depth(self.indexes), self.table)
        return head + _words(self.indexes) + packed(WORD_LAYOUT, "count of elements", self.count)


@dataclass(frozen=True, kw_only=True, slots=True)
class DefaultRead:
    """Read the device's default table."""

    service: ClassVar[Service] = Service.READ

    def encode(self) -> bytes:
        """Return the octets."""
        return b"\x3e"


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetRead:
    """Read ``octets`` octets of a table from ``offset``."""

    service: ClassVar[Service] = Service.READ
    table: int
    offset: int
    octets: int

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError, also beyond 65535 octets."""
        offset = self.offset
        values = 0x3F, self.table, offset >> 16, offset & 0xFFFF, self.octets
        return packed(OFFSET_READ_LAYOUT, "offset read", *values)


@dataclass(frozen=True, kw_only=True, slots=True)
class FullWrite:
    """Write a whole table."""

    service: ClassVar[Service] = Service.WRITE
    table: int
    data: bytes

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError, also beyond 65535 octets."""
        return packed(READ_LAYOUT, "table", 0x40, self.table) + counted(self.data)


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexWrite:
    """Write elements from the one the ``indexes`` lead to, outermost first; one to nine of them."""

    service: ClassVar[Service] = Service.WRITE
    table: int
    indexes: tuple[int, ...]
    data: bytes

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError, also beyond 65535 octets."""
        head = packed(READ_LAYOUT, "table", 0x40 + _depth(self.indexes), self.table)
        return head + _words(self.indexes) + counted(self.data)


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetWrite:
    """Write octets into a table from ``offset``."""

    service: ClassVar[Service] = Service.WRITE
    table: int
    offset: int
    data: bytes

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError, also beyond 65535 octets."""
        offset = self.offset
        head = packed(OFFSET_WRITE_LAYOUT, "offset write", 0x4F, self.table, offset >> 16, offset & 0xFFFF)
        return head + counted(self.data)


@dataclass(frozen=True, kw_only=True, slots=True)
class Logon:
    """Say who we are: a number and up to ten characters, padded with spaces."""

    service: ClassVar[Service] = Service.LOGON
    user_id: int = 0
    user: str = ""

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError."""
        try:
            user = self.user.encode("latin-1")
        except UnicodeEncodeError:
            raise LocalProtocolError(f"user {self.user!r} has characters that are not Latin-1") from None
        if len(user) > USER_OCTETS:
            raise LocalProtocolError(f"user {self.user!r} is longer than {USER_OCTETS} characters")
        try:
            return LOGON_LAYOUT.pack(0x50, self.user_id, user.ljust(USER_OCTETS))
        except struct.error as error:
            raise LocalProtocolError(f"user id {self.user_id}: {error}") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Security:
    """Give a password, which never shows in text; a shorter one is padded to 20 octets with 0x00.

    Where a device wants spaces instead, hand over 20 octets. ``user_id``: an addition of the 2006 edition.
    """

    service: ClassVar[Service] = Service.SECURITY
    password: bytes = field(repr=False)
    user_id: int | None = None

    def __post_init__(self) -> None:
        """Pad the password, so that both ends hold the same value."""
        object.__setattr__(self, "password", self.password.ljust(PASSWORD_OCTETS, b"\x00"))

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError."""
        if len(self.password) > PASSWORD_OCTETS:
            raise LocalProtocolError(
                f"a password of {len(self.password)} octets; the service has {PASSWORD_OCTETS}"
            )
        octets = b"\x51" + self.password
        return octets if self.user_id is None else octets + packed(WORD_LAYOUT, "user id", self.user_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Logoff:
    """End what the logon began; the device stays identified."""

    service: ClassVar[Service] = Service.LOGOFF

    def encode(self) -> bytes:
        """Return the octets."""
        return b"\x52"


@dataclass(frozen=True, kw_only=True, slots=True)
class Authenticate:
    """Our half of a C12.21 authentication, carried as it is. ``token`` never shows in text."""

    service: ClassVar[Service] = Service.AUTHENTICATE
    token: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError beyond 255 octets."""
        return b"\x53" + token_octets(self.token)


@dataclass(frozen=True, kw_only=True, slots=True)
class Negotiate:
    """Propose octets a packet (header and checksum included), packets a message, and line speeds.

    ``bauds`` are up to eleven speeds in baud, none to keep the present one. The decoder leaves out codes it
    does not know: a device cannot choose them.
    """

    service: ClassVar[Service] = Service.NEGOTIATE
    packet_octets: int
    packets: int
    bauds: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError, also for a speed that has no code."""
        bauds = self.bauds
        if len(bauds) > 11:
            raise LocalProtocolError(f"{len(bauds)} line speeds; negotiate carries 11")
        try:
            codes = bytes(BAUD_CODES[baud] for baud in bauds)
        except KeyError as error:
            raise LocalProtocolError(f"no code for {error.args[0]} baud") from None
        head = packed(NEGOTIATE_LAYOUT, "negotiate", 0x60 + len(bauds), self.packet_octets, self.packets)
        return head + codes


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Keep the session alive through ``seconds`` (up to 255) without traffic, once."""

    service: ClassVar[Service] = Service.WAIT
    seconds: int

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError."""
        return packed(TWO_LAYOUT, "seconds to wait", 0x70, self.seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class TimingSetup:
    """Propose time-outs, in whole seconds (C12.21)."""

    service: ClassVar[Service] = Service.TIMING_SETUP
    channel_s: int
    inter_character_s: int
    response_s: int
    retries: int

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError."""
        values = self.channel_s, self.inter_character_s, self.response_s, self.retries
        return packed(TIMING_LAYOUT, "time-outs", 0x71, *values)


@dataclass(frozen=True, kw_only=True, slots=True)
class RawRequest:
    """A service nobody here knows, or octets a negative test wants to send as they are."""

    service: ClassVar[Service] = Service.UNKNOWN
    octets: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the octets."""
        return self.octets


Request: TypeAlias = (
    Identify
    | Terminate
    | Disconnect
    | FullRead
    | IndexRead
    | DefaultRead
    | OffsetRead
    | FullWrite
    | IndexWrite
    | OffsetWrite
    | Logon
    | Security
    | Logoff
    | Authenticate
    | Negotiate
    | Wait
    | TimingSetup
    | RawRequest
)
"""Any request; each has ``service`` and ``encode()``."""


def _depth(indexes: tuple[int, ...]) -> int:
    if not 1 <= len(indexes) <= MAX_INDEXES:
        raise LocalProtocolError(f"{len(indexes)} indexes; one to {MAX_INDEXES} are possible")
    return len(indexes)


def _words(values: tuple[int, ...]) -> bytes:
    return b"".join(packed(WORD_LAYOUT, "index", value) for value in values)
