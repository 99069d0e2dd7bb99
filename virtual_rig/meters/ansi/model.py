"""A virtual ANSI meter: registers, clock, log, load profile, service switch, tables and procedures.

Plain state, no I/O, shaped by a profile. Ports (``port.py``) bring it C12.18 services, the supply tells it
what flows and when it dies. A power cut ends every session; clock, registers, log and memory go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from adapters.profiles.ansi import AnsiLoadProfile, AnsiProfile
from adapters.protocols.c1218.codes import ResponseCode
from adapters.protocols.c1219 import MeterTime
from virtual_rig.meters.ansi import standard_tables
from virtual_rig.meters.ansi.access import Access
from virtual_rig.meters.ansi.actions import Actions
from virtual_rig.meters.ansi.identity import AnsiIdentity
from virtual_rig.meters.ansi.intervals import DIRECTIONS, IntervalRecorder
from virtual_rig.meters.ansi.load_profile import LoadProfile
from virtual_rig.meters.ansi.log import AnsiEventLog
from virtual_rig.meters.ansi.procedures import Procedures
from virtual_rig.meters.ansi.registers import ENERGIES, Registers
from virtual_rig.meters.ansi.switch import ServiceSwitch
from virtual_rig.meters.ansi.tables import TableSet
from virtual_rig.meters.crystal import CrystalClock
from virtual_rig.meters.metrology import Metrology
from virtual_rig.supply import Supply
from virtual_rig.world import World

LOG_ENTRIES, LOG_ARGUMENT_OCTETS = 100, 2
_UNPROFILED = AnsiLoadProfile(blocks=1, intervals=96, minutes=15, channels=("energy_import",), assumed=True)


class AnsiMeterModel:
    """A virtual meter on ``supply``, shaped by ``profile``. ``passwords`` are by the profile's levels."""

    def __init__(
        self,
        *,
        world: World,
        supply: Supply,
        profile: AnsiProfile,
        identity: AnsiIdentity,
        passwords: Mapping[str, bytes] | None = None,
        drift_ppm: int = 0,
        clock_offset_min: int = 0,
        energy_wh: Mapping[str, int] | None = None,
    ) -> None:
        self.world, self.supply, self.profile, self.identity = world, supply, profile, identity
        self.clock = CrystalClock(world.scheduler, drift_ppm=drift_ppm)
        self.clock_offset_min = clock_offset_min
        self.switch = ServiceSwitch(world.scheduler, moves=self._switch_moves)
        self.metrology = Metrology(supply, lambda: self.switch.closed, phases=profile.phases)
        for name, value in (energy_wh or {}).items():
            self.metrology.energies.preset_wh(name, value)
        rules = profile.load_profile or _UNPROFILED
        self.recorder = IntervalRecorder(
            world.scheduler,
            self.clock,
            self.metrology.powers,
            lambda: self.powered,
            minutes=rules.minutes,
            capacity=rules.blocks * rules.intervals,
            start_mw_ns={name: self.metrology.energies.exact_mw_ns(name) for name in DIRECTIONS},
        )
        supply.on_before_change(self.recorder.settle)
        channels = [DIRECTIONS.index(ENERGIES[name]) for name in rules.channels]
        self.load_profile = LoadProfile(rules, self.recorder, channels, clock_offset_min)
        self.log = AnsiEventLog(self.local_time, capacity=LOG_ENTRIES, argument_octets=LOG_ARGUMENT_OCTETS)
        self.access = Access(profile, passwords or {}, world.scheduler, self.event)
        self.tables = TableSet(profile, standard_tables.formats_of(profile))
        self.registers = Registers(profile, self.tables, self.metrology, self.recorder)
        self.demand_resets = 0
        self.procedures = Procedures(
            profile, self.tables.known, self.access, Actions(self).by_name(), self._procedure_invoked
        )
        self._power_listeners: list[Callable[[bool], None]] = []
        standard_tables.show(self)
        supply.on_power(self._power)

    # --- what other parts see ------------------------------------------------------------------------------

    @property
    def powered(self) -> bool:
        """Whether the meter is alive."""
        return self.supply.powered

    def on_power(self, listener: Callable[[bool], None]) -> None:
        """Call ``listener(up)`` after the meter has come up or gone down."""
        self._power_listeners.append(listener)

    def registers_now(self) -> Mapping[str, int]:
        """Return every register as a whole number of 10**scaler of its unit, by the profile's names."""
        return self.registers.now()

    def provide_table(self, name: str, fields: Callable[[], Mapping[str, object]]) -> None:
        """Let a part of the meter show itself as table ``name`` of the profile.

        ``fields`` is called for every read. Raises BenchError where the profile has no such table.
        """
        self.tables.provide_named(name, fields)

    def local_time(self) -> MeterTime:
        """Return what the meter's clock shows."""
        return self.shown(self.clock.utc())

    def shown(self, moment: datetime) -> MeterTime:
        """Return a moment as the meter's clock shows it."""
        return MeterTime.of(moment, self.clock_offset_min)

    def event(self, name: str, *, user: int = 0, argument: bytes = b"") -> None:
        """Log an event by the name the profile gives it; one it has no code for is not logged."""
        codes = self.profile.events.codes if self.profile.events is not None else {}
        if name in codes:
            self.log.record(codes[name], user=user, argument=argument)

    # --- services of a session -----------------------------------------------------------------------------

    def read(
        self, number: int, level: str, offset: int = 0, count: int | None = None
    ) -> bytes | ResponseCode:
        """Return the octets of a table, or a part of it, or why not."""
        name = self.tables.name_of(number)
        if not name:
            return ResponseCode.ONP
        if not self.access.may_read(level, name):
            return ResponseCode.ISC
        octets = self.tables.read(name)
        if isinstance(octets, ResponseCode) or count is None:
            return octets
        if offset + count > len(octets):
            return ResponseCode.IAR
        return octets[offset : offset + count]

    def write(
        self, number: int, level: str, user: int, data: bytes, offset: int | None = None
    ) -> ResponseCode:
        """Write a table, whole or from ``offset`` on, or ask for a procedure."""
        name = self.tables.name_of(number)
        if not name:
            return ResponseCode.ONP
        if not self.access.may_write(level, name):
            return ResponseCode.ISC
        if name == "procedure_initiate":
            return self.procedures.initiate(data, level, user) if not offset else ResponseCode.IAR
        code = self.tables.write(name, data, offset)
        if code is ResponseCode.OK:
            self.event("table_written", user=user, argument=self._as_argument(number))
        return code

    # --- inside --------------------------------------------------------------------------------------------

    def _power(self, up: bool) -> None:
        if not up:
            self.switch.power_lost()
            self.procedures.forget()
        self.event("power_up" if up else "power_down")
        for listener in self._power_listeners:
            listener(up)

    def _switch_moves(self, close: bool) -> None:
        self.metrology.energies.settle()
        self.recorder.settle()
        self.event("switch_closed" if close else "switch_opened")

    def _procedure_invoked(self, number: int, user: int) -> None:
        self.event("procedure_invoked", user=user, argument=self._as_argument(number))

    def _as_argument(self, number: int) -> bytes:
        return number.to_bytes(LOG_ARGUMENT_OCTETS, self.tables.known.formats.order)
