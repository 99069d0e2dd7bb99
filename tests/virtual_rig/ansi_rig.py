"""A virtual ANSI meter without wires: its model on a supply of a virtual clock, read as a client would."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adapters.profiles.ansi import AnsiProfile
from adapters.profiles.layout import TableLayout
from adapters.profiles.loader import load_profile_as
from adapters.protocols.c1218.codes import ResponseCode
from adapters.protocols.c1219 import Known, ProcedureRequest, ProcedureResponse, decode, encode
from virtual_rig.clock import VirtualClock
from virtual_rig.meters.ansi.identity import AnsiIdentity
from virtual_rig.meters.ansi.model import AnsiMeterModel
from virtual_rig.supply import Supply, balanced
from virtual_rig.world import World

DIMENSIONS = (
    "general_configuration",
    "actual_registers",
    "actual_load_profile",
    "load_profile_control",
    "actual_log",
)
USER = 7


class AnsiRig:
    """A meter of ``profile``; use it as a context manager. Its loads are 240 V, 60 Hz."""

    def __init__(self, profile: str = "i210", current_a: str = "10", **options: Any) -> None:
        self.clock = VirtualClock()
        self.world = World(scheduler=self.clock)
        self.supply = Supply(self.clock, balanced(Decimal(240), Decimal(current_a), frequency_hz=Decimal(60)))
        self.profile = load_profile_as(profile, AnsiProfile)
        self.meter = AnsiMeterModel(
            world=self.world,
            supply=self.supply,
            profile=self.profile,
            identity=AnsiIdentity(serial="61234567"),
            passwords={level: f"{level} word".encode() for level in self.profile.levels},
            **options,
        )
        self.master = list(self.profile.levels)[-1]
        self.known = Known()
        self._sequence = 0
        for name in DIMENSIONS:
            if name in self.profile.tables:
                self.known.learn(self.number(name), self.fields(name))

    def __enter__(self) -> AnsiRig:
        return self

    def __exit__(self, *_: object) -> None:
        self.clock.close()

    def number(self, table: str) -> int:
        """Return a table's number."""
        return self.profile.tables[table].number

    def octets(self, table: str, level: str | None = None) -> bytes:
        """Return a table's octets, which must be there."""
        read = self.meter.read(self.number(table), self.master if level is None else level)
        assert isinstance(read, bytes), read
        return read

    def fields(self, table: str) -> Mapping[str, Any]:
        """Return a table's fields."""
        layout = self.profile.layout_of(table)
        assert layout is not None
        return decode(layout, self.octets(table), self.known)

    def run(
        self, procedure: str, fields: Mapping[str, object] | None = None, level: str | None = None
    ) -> ProcedureResponse:
        """Run a procedure of the profile and return what ST8 says right afterwards."""
        entry = self.profile.procedures[procedure]
        arguments = bytes.fromhex(entry.octets)
        if entry.arguments:
            arguments += encode(TableLayout(fields=entry.arguments, assumed=True), fields or {}, self.known)
        return self.write_st7(entry.number, arguments, level)

    def write_st7(self, number: int, arguments: bytes, level: str | None = None) -> ProcedureResponse:
        """Write ST7 and return what ST8 says."""
        self._sequence += 1
        order = self.known.formats.order
        request = ProcedureRequest(number=number, sequence=self._sequence, arguments=arguments)
        who = self.master if level is None else level
        assert ResponseCode.OK is self.meter.write(7, who, USER, request.octets(order))
        return ProcedureResponse.of(self.octets("procedure_response", who), order)

    def events(self) -> list[str]:
        """Return the names of the events in the log, oldest first."""
        assert self.profile.events is not None
        names = self.profile.events.names()
        return [names[entry.code] for entry in self.meter.log.entries]
