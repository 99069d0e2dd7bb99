"""The registers of a virtual ANSI meter: what its metrology measures, as the numbers its profile asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from functools import partial

from adapters.errors import BenchError
from adapters.profiles.ansi import AnsiProfile
from virtual_rig.meters.ansi.intervals import DIRECTIONS, MW_NS_PER_WH, IntervalRecorder
from virtual_rig.meters.ansi.tables import TableSet
from virtual_rig.meters.metrology import Metrology

ENERGIES = dict(
    zip(("energy_import", "energy_export", "reactive_import", "reactive_export"), DIRECTIONS, strict=True)
)
_FOUR_DECIMALS = 4  # NI_FORMAT 4 has as many
_ARRAYS = {
    "NBR_SUMMATIONS": r"SUMMATIONS\[(\d+)\]",
    "NBR_DEMANDS": r"DEMANDS\[(\d+)\]",
    "NBR_PRESENT_DEMANDS": r"PRESENT_DEMAND\[(\d+)\]",
    "NBR_PRESENT_VALUES": r"PRESENT_VALUE\[(\d+)\]",
}


class Registers:
    """Every register of a profile, measured now. Raises BenchError for one that nothing measures."""

    def __init__(
        self, profile: AnsiProfile, tables: TableSet, metrology: Metrology, recorder: IntervalRecorder
    ) -> None:
        self._profile, self._tables = profile, tables
        self._metrology, self._recorder = metrology, recorder
        self._measures = {name: self._measure(name) for name in profile.registers}

    def dimensions(self) -> dict[str, object]:
        """Return the numbers of ST21 that the profile's registers ask for."""
        counts = dict.fromkeys(_ARRAYS, 0)
        for register in self._profile.registers.values():
            for name, pattern in _ARRAYS.items():
                for index in re.findall(pattern, register.field):
                    counts[name] = max(counts[name], int(index) + 1)
        demands = bool(counts["NBR_DEMANDS"])
        return {
            "REG_FUNC1_FLAGS": {"DATE_TIME_FIELD_FLAG": int(demands), "DEMAND_RESET_CTR_FLAG": 1},
            **counts,
            "NBR_OCCUR": int(demands),
        }

    def bind(self) -> None:
        """Show the registers in their tables."""
        for table in {register.table for register in self._profile.registers.values()}:
            self._tables.overlay(table, partial(self._values_of, table))

    def now(self) -> Mapping[str, int]:
        """Return every register as a whole number of 10**scaler of its unit, cut."""
        return {
            name: int((self._measures[name]()).scaleb(-register.scaler).to_integral_value(ROUND_FLOOR))
            for name, register in self._profile.registers.items()
        }

    def _values_of(self, table: str) -> list[tuple[str, object]]:
        return [
            (register.field, self._number(name))
            for name, register in self._profile.registers.items()
            if register.table == table
        ]

    def _number(self, name: str) -> Decimal:
        """Return the number that stands in the table: energies are cut as a counter cuts them."""
        register, formats = self._profile.registers[name], self._tables.known.formats
        entry = self._tables.place(register.table, register.field).node.entry
        code = {"ni1": formats.ni_format1, "ni2": formats.ni_format2}.get(entry.type)
        step = Decimal(1).scaleb(-_FOUR_DECIMALS) if code == _FOUR_DECIMALS else Decimal(1)
        rounding = ROUND_FLOOR if name in ENERGIES else ROUND_HALF_EVEN
        return self._measures[name]().scaleb(-register.scaler).quantize(step, rounding)

    def _measure(self, name: str) -> Callable[[], Decimal]:
        metrology = self._metrology
        if name in ENERGIES:
            return lambda: Decimal(metrology.energies.exact_mw_ns(ENERGIES[name])) / MW_NS_PER_WH
        per_phase = {
            "voltage": metrology.voltage_v,
            "current": metrology.current_a,
            "power": metrology.power_w,
        }
        quantity, _, phase = name.rpartition("_l")
        if quantity in per_phase and phase in ("1", "2", "3"):
            return partial(per_phase[quantity], int(phase) - 1)
        whole: dict[str, Callable[[], Decimal]] = {
            "power_import": lambda: max(metrology.total_w(), Decimal(0)),
            "power_export": lambda: max(-metrology.total_w(), Decimal(0)),
            "frequency": metrology.frequency_hz,
            "power_factor": metrology.power_factor,
            "max_demand_import": self._max_demand_w,
        }
        if name not in whole:
            raise BenchError(f"virtual meter {self._profile.profile}: nothing measures register {name}")
        return whole[name]

    def _max_demand_w(self) -> Decimal:
        self._recorder.settle()
        return Decimal(self._recorder.max_demand_w)
