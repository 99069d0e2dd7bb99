"""An ANSI meter on real wires: the role ``ansi_meter`` over C12.18 sessions and C12.19 tables.

What tables, registers and procedures are called, and where they are, the profile says. What the meter
declines becomes ``Refused`` with the name of its response code; a procedure that is not carried out is a
result, as ST8 tells it. A capability that the profile does not have (a switch, a log) is ``NotPermitted``,
and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from adapters.devices import ansi_values
from adapters.devices.ansi_connections import Connections, OpenSession
from adapters.devices.ansi_procedures import ProcedureRun
from adapters.devices.ansi_transcript import Transcriber
from adapters.errors import BenchError, NotPermitted, Refused, RemoteProtocolError
from adapters.profiles.ansi import AnsiProfile, AnsiSwitch, FieldOf
from adapters.profiles.loader import load_profile_as
from adapters.protocols.c1219 import MANUFACTURER, MeterTime
from adapters.registry import AdapterContext
from adapters.roles import (
    ClockReading,
    EventsRead,
    FieldRead,
    Identity,
    ProcedureDone,
    RegisterReading,
    SessionFlaw,
    SessionOpened,
    SwitchState,
    TableRead,
    TableSize,
    TablesListed,
    TableWritten,
)
from adapters.yaml_messages import suggest

_CLOCKS = ("clock", "clock_state")
_ZONE_TABLE, _ZONE_FIELD, _SUMMER_FIELD = "time_offset", "TIME_ZONE_OFFSET", "DST_TIME_AMT"
_FIRMWARE = ("FW_VERSION_NUMBER", "FW_REVISION_NUMBER")


class AnsiMeter:
    """A meter on a bench. Sessions open when they are first needed."""

    role: ClassVar[str] = "ansi_meter"

    def __init__(self, context: AdapterContext) -> None:
        if not context.profile:
            raise BenchError(f"device {context.name}: an ANSI meter needs a profile")
        self._context, self._clock = context, context.clock
        self.profile = load_profile_as(context.profile, AnsiProfile)
        self._connections = Connections(context, self.profile)
        self._sequence = context.random_octets(1)[0]

    @classmethod
    def transcript(cls, options: object) -> Callable[[str, bytes], Sequence[str]]:
        """Return the decoder that turns this adapter's wire bytes into lines a person can read."""
        return Transcriber()

    # --- Device ---------------------------------------------------------------------------------------

    def identify(self) -> Identity:
        """Read who the meter is, in the session there is or, where that may not, in one at the default level.

        Where identifications are packed decimal the field is filled up with zeros; they are left out.
        """
        opened = self._connections.find()
        try:
            return self._identity(opened)
        except Refused:
            if opened.level == self.default_level():
                raise
        # A plan may be in a session that may read next to nothing; it goes on there afterwards.
        with self._connections.at_default_level(opened.link) as aside:
            return self._identity(aside)

    def _identity(self, opened: OpenSession) -> Identity:
        identity = self.profile.identity
        serial = str(self._field(opened, identity.serial)).strip()
        if opened.tables.known.formats.id_is_bcd:
            serial = serial.lstrip("0")
        if not serial:
            raise RemoteProtocolError(f"{self._context.name} tells no serial number", frame_intact=True)
        model = str(self._field(opened, identity.model)).strip()
        return Identity(serial=serial, model=model, firmware=self._firmware(opened))

    def end_case(self) -> None:
        """End what the case left open; a meter that does not answer is simply let go."""
        self._connections.end_all()

    def make_safe(self) -> None:
        """End what is open; a meter that does not answer is simply let go."""
        self._connections.end_all()

    def close(self) -> None:
        """End what is open and close every wire."""
        self._connections.close()

    # --- sessions and what the profile says -------------------------------------------------------------

    def open_session(self, link: str = "", level: str = "", flaw: SessionFlaw = "") -> SessionOpened:
        """Identify, negotiate, log on and give the password (see the role)."""
        return self._connections.open(link, level, flaw)

    def end_session(self, link: str = "") -> None:
        """Log off and terminate."""
        self._connections.end(link)

    def drop_all_links(self) -> None:
        """Close every link without a word."""
        self._connections.drop_all()

    def default_level(self) -> str:
        """Return the password level that is used where none is named."""
        return self._connections.default_level()

    def profile_tables(self) -> tuple[str, ...]:
        """Return the names of the tables the profile lists."""
        return tuple(self.profile.tables)

    def profile_registers(self) -> tuple[str, ...]:
        """Return the names of the registers the profile lists."""
        return tuple(self.profile.registers)

    # --- tables -------------------------------------------------------------------------------------------

    def list_tables(self, link: str = "") -> TablesListed:
        """Read ST0 (see the role)."""
        fields = self._connections.find(link).tables.fields(self._connections.target("ST0"))
        return TablesListed(
            tables=_both(fields, "STD_TBLS_USED", "MFG_TBLS_USED"),
            procedures=_both(fields, "STD_PROC_USED", "MFG_PROC_USED"),
            writable=_both(fields, "STD_TBLS_WRITE", "MFG_TBLS_WRITE"),
        )

    def table_size(self, table: str, link: str = "") -> TableSize:
        """Work out how long a table ought to be (see the role)."""
        target = self._connections.target(table)
        size = self._connections.find(link).tables.expected_size(target)
        return TableSize(table=target.name, number=target.number, octets=-1 if size is None else size)

    def read_table(self, table: str, offset: int = 0, count: int = 0, link: str = "") -> TableRead:
        """Read a table whole, or a part of it (see the role)."""
        target = self._connections.target(table)
        tables = self._connections.find(link).tables
        if count:
            octets = tables.read_part(target, offset, count)
            return TableRead(table=target.name, octets=octets.hex(), count=len(octets))
        if offset:
            raise BenchError(f"read_table {table}: an offset needs a count")
        octets = tables.read(target)
        fields = {name: ansi_values.plain(value) for name, value in tables.fields(target, octets).items()}
        return TableRead(table=target.name, octets=octets.hex(), count=len(octets), fields=fields)

    def read_field(self, table: str, field: str, link: str = "") -> FieldRead:
        """Read one field of a table (see the role)."""
        target = self._connections.target(table)
        value = self._connections.find(link).tables.value(target, field)
        return FieldRead(table=target.name, field=field, value=ansi_values.plain(value))

    def write_field(self, table: str, field: str, value: str, link: str = "") -> TableWritten:
        """Write one field of a table (see the role)."""
        target = self._connections.target(table)
        self._context.permit("configure")
        tables = self._connections.find(link).tables
        count = tables.write(target, field, lambda place: ansi_values.typed(place, value))
        return TableWritten(table=target.name, count=count)

    # --- procedures and the switch ------------------------------------------------------------------------

    def run_procedure(self, procedure: str, arguments: str = "", link: str = "") -> ProcedureDone:
        """Run a procedure of the profile (see the role)."""
        entry = self.profile.procedures.get(procedure)
        if entry is None:
            hint = suggest(procedure, self.profile.procedures)
            raise BenchError(f"the profile {self.profile.profile} has no procedure {procedure!r}; {hint}")
        try:
            octets = bytes.fromhex(arguments or entry.octets)
        except ValueError:
            raise BenchError(f"{procedure}: arguments are octets in hexadecimal, not {arguments!r}") from None
        if entry.hurts:
            self._context.permit(entry.hurts)
        self._sequence = (self._sequence + 1) % 256
        run = ProcedureRun(self._connections.find(link).tables, self._clock, self._context.name)
        answer = run.result_of(entry.number, self._sequence, octets)
        return ProcedureDone(
            procedure=procedure,
            result=answer.result.label,
            sequence=answer.sequence,
            octets=answer.data.hex(),
        )

    def switch_state(self, link: str = "") -> SwitchState:
        """Read the state of the service switch."""
        switch = self._switch()
        tables = self._connections.find(link).tables
        target = self._connections.target(switch.table)
        state = tables.value(target, switch.field)
        operations = tables.value(target, switch.operations) if switch.operations else -1
        if not isinstance(operations, int):
            raise BenchError(f"the profile's {switch.operations} of {switch.table} is no count")
        return SwitchState(closed=state == switch.closed, operations=operations)

    def disconnect_supply(self, link: str = "") -> ProcedureDone:
        """Open the service switch."""
        return self.run_procedure(self._switch().open_procedure, link=link)

    def reconnect_supply(self, link: str = "") -> ProcedureDone:
        """Close the service switch."""
        return self.run_procedure(self._switch().close_procedure, link=link)

    # --- clock, registers, events -------------------------------------------------------------------------

    def read_clock(self, link: str = "") -> ClockReading:
        """Read the clock and compare it with ours, half-way between asking and being answered."""
        name = next((name for name in _CLOCKS if name in self.profile.tables), "")
        if not name:
            raise NotPermitted(f"the profile {self.profile.profile} has no clock table")
        opened = self._connections.find(link)
        target = self._connections.target(name)
        opened.tables.expected_size(target)  # reads what the layout depends on before the time is taken
        asked = self._clock.utc_now()
        octets = opened.tables.read(target)
        ours = asked + (self._clock.utc_now() - asked) / 2
        fields = opened.tables.fields(target, octets)
        shown = fields.get("CLOCK_CALENDAR")
        if not isinstance(shown, MeterTime):
            raise RemoteProtocolError(f"table {name} holds no date and time", data=octets, frame_intact=True)
        qualifier = fields.get("TIME_DATE_QUAL")
        device_time = shown.moment(self._ahead_of_utc_min(opened, qualifier))
        return ClockReading(
            device_time=device_time,
            our_time=ours,
            drift_s=round((device_time - ours).total_seconds(), 6),
            status="" if not isinstance(qualifier, Mapping) else _flags(qualifier),
            resolution_s=1.0,
        )

    def read_register(self, name: str, link: str = "") -> RegisterReading:
        """Read a register of the profile."""
        register = self.profile.registers.get(name)
        if register is None:
            hint = suggest(name, self.profile.registers)
            raise BenchError(f"the profile {self.profile.profile} has no register {name!r}; {hint}")
        target = self._connections.target(register.table)
        value = self._connections.find(link).tables.value(target, register.field)
        return ansi_values.register_reading(name, register, value)

    def read_events(self, link: str = "") -> EventsRead:
        """Read the event log."""
        log = self.profile.events
        if log is None:
            raise NotPermitted(f"the profile {self.profile.profile} has no event log")
        fields = self._connections.find(link).tables.fields(self._connections.target(log.table))
        return ansi_values.events(fields, log.names())

    # --- inside -------------------------------------------------------------------------------------------

    def _switch(self) -> AnsiSwitch:
        if self.profile.switch is None:
            raise NotPermitted(f"the profile {self.profile.profile} has no service switch")
        return self.profile.switch

    def _field(self, opened: OpenSession, where: FieldOf) -> object:
        return ansi_values.plain(opened.tables.value(self._connections.target(where.table), where.field))

    def _firmware(self, opened: OpenSession) -> str:
        """Return version and revision of the firmware, where ST1 may be read and has them."""
        try:
            fields = opened.tables.fields(self._connections.target("ST1"))
        except Refused:
            return ""
        return ".".join(str(fields[name]) for name in _FIRMWARE if name in fields)

    def _ahead_of_utc_min(self, opened: OpenSession, qualifier: object) -> int:
        """Return how far the clock shows local time ahead of UTC, as far as the meter tells.

        Summer time counts where the clock says that it is in effect and that it has been added.
        """
        flags = qualifier if isinstance(qualifier, Mapping) else {}
        if flags.get("GMT_FLAG"):
            return 0
        if _ZONE_TABLE not in self.profile.tables:
            return self.profile.clock_offset_min
        target, tables = self._connections.target(_ZONE_TABLE), opened.tables
        try:
            tables.learn(target.number)  # once a session: a zone does not change while we look
        except Refused:
            return self.profile.clock_offset_min
        zone = tables.known.fields(target.number)
        offset, summer = zone.get(_ZONE_FIELD), zone.get(_SUMMER_FIELD)
        if not isinstance(offset, int):
            return self.profile.clock_offset_min
        in_summer = flags.get("DST_FLAG") and flags.get("DST_APPLIED_FLAG")
        return offset + (summer if in_summer and isinstance(summer, int) else 0)


def _both(fields: Mapping[str, object], standard: str, manufacturer: str) -> tuple[int, ...]:
    """Return the numbers two sets of ST0 name, the manufacturer's above 2048."""
    return (
        *_numbers(fields[standard]),
        *(MANUFACTURER + number for number in _numbers(fields[manufacturer])),
    )


def _numbers(members: object) -> tuple[int, ...]:
    return tuple(sorted(int(each) for each in members)) if isinstance(members, tuple | frozenset) else ()


def _flags(qualifier: Mapping[object, object]) -> str:
    """Return the flags that are set, in words."""
    return " ".join(str(name) for name, value in qualifier.items() if str(name).endswith("_FLAG") and value)
