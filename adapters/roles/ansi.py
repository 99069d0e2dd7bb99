"""The role of an ANSI meter: C12.18 sessions, C12.19 tables and procedures, by the names of its profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from adapters.roles.base import Anything, ClockReading, Meter, RegisterReading, harmless_read, hurts

SessionFlaw = Literal["", "wrong-password", "no-security"]


@dataclass(frozen=True, kw_only=True)
class SessionOpened:
    """A C12.18 session as the meter granted it."""

    link: str
    standard: str  # c12.18, c12.21 or c12.22, as the meter says
    version: int
    revision: int
    level: str  # the password level of the profile, empty where no password was given
    packet_octets: int
    packets: int
    baud: int  # 0 on a link without line settings


@dataclass(frozen=True, kw_only=True)
class TableRead:
    """A table, or a part of one, as the meter sent it; ``fields`` are decoded where the layout is known."""

    table: str
    octets: str  # hexadecimal
    count: int
    fields: Mapping[str, Anything] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FieldRead:
    """One field of a table; ``value`` is plain Python (int, str, Decimal, bytes as hexadecimal)."""

    table: str
    field: str
    value: Anything


@dataclass(frozen=True, kw_only=True)
class TableWritten:
    """A table write the meter acknowledged."""

    table: str
    count: int


@dataclass(frozen=True, kw_only=True)
class ProcedureDone:
    """The result of a procedure as ST08 tells it.

    ``result``: completed, accepted, invalid-parameter, conflict, timing-constraint, not-authorized,
    unrecognized.
    """

    procedure: str
    result: str
    sequence: int
    octets: str  # the response data, hexadecimal


@dataclass(frozen=True, kw_only=True)
class SwitchState:
    """The service switch of a meter: ``closed`` means the customer has service."""

    closed: bool
    operations: int  # how often it has moved, where the meter counts that


@dataclass(frozen=True, kw_only=True)
class EventsRead:
    """A meter's event log, oldest first; each entry as ``time code name``."""

    count: int
    codes: tuple[int, ...]
    entries: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TablesListed:
    """The tables and procedures a meter says it has (ST00), by number: ST n is n, MT n is 2048 + n."""

    tables: tuple[int, ...]
    procedures: tuple[int, ...]
    writable: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TableSize:
    """How long a table ought to be by its layout and the meter's own dimensions; -1 where neither tells."""

    table: str
    number: int  # ST n is n, MT n is 2048 + n
    octets: int


class AnsiMeter(Meter, Protocol):
    """A meter that speaks ANSI C12.18 and keeps its data in C12.19 tables.

    ``table`` is a name of the profile or a number written ``ST5`` or ``MT12``; ``link`` a link of the bench
    (empty: its first); a session is opened when it is first needed. Reasons of Refused are the hyphened names
    of the response codes: ``insufficient-security``, ``operation-not-possible``, ``service-not-supported``,
    ``inappropriate-action``, ``busy``, ``data-not-ready``, ``data-locked``, ``renegotiate``,
    ``invalid-service-sequence``, ``error``; and ``silence``.
    """

    def open_session(self, link: str = "", level: str = "", flaw: SessionFlaw = "") -> SessionOpened:
        """Identify, negotiate, log on and give the password of ``level`` (empty: the profile's default)."""
        ...

    def end_session(self, link: str = "") -> None:
        """Log off and terminate; ending what is not open is harmless."""
        ...

    def default_level(self) -> str:
        """Return the password level that is used where none is named; empty where no password is given."""
        ...

    def profile_tables(self) -> tuple[str, ...]:
        """Return the names of the tables the profile lists."""
        ...

    def profile_registers(self) -> tuple[str, ...]:
        """Return the names of the registers the profile lists."""
        ...

    def drop_all_links(self) -> None:
        """Close every link without a word; the next request opens what it needs."""
        ...

    def list_tables(self, link: str = "") -> TablesListed:
        """Read ST00: which tables and procedures the meter has."""
        ...

    def table_size(self, table: str, link: str = "") -> TableSize:
        """Work out how long a table ought to be, from the meter's own dimension tables."""
        ...

    def read_table(self, table: str, offset: int = 0, count: int = 0, link: str = "") -> TableRead:
        """Read a table whole, or ``count`` octets of it from ``offset``."""
        ...

    @harmless_read
    def read_field(self, table: str, field: str, link: str = "") -> FieldRead:
        """Read one field of a table by the name its layout gives it."""
        ...

    def write_field(self, table: str, field: str, value: str, link: str = "") -> TableWritten:
        """Write one field of a table (an offset write); the bench must allow ``configure``."""
        ...

    def run_procedure(self, procedure: str, arguments: str = "", link: str = "") -> ProcedureDone:
        """Run a procedure of the profile; ``arguments`` are octets in hexadecimal.

        The profile says which procedures can hurt and how; the bench must allow that.
        """
        ...

    def read_clock(self, link: str = "") -> ClockReading:
        """Read the clock table and compare it with ours."""
        ...

    @harmless_read
    def read_register(self, name: str, link: str = "") -> RegisterReading:
        """Read a register by the name its profile gives it."""
        ...

    def read_events(self, link: str = "") -> EventsRead:
        """Read the event log."""
        ...

    @harmless_read
    def switch_state(self, link: str = "") -> SwitchState:
        """Read the state of the service switch."""
        ...

    @hurts("disconnect")
    def disconnect_supply(self, link: str = "") -> ProcedureDone:
        """Open the service switch."""
        ...

    @hurts("disconnect")
    def reconnect_supply(self, link: str = "") -> ProcedureDone:
        """Close the service switch."""
        ...
