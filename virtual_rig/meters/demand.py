"""Demand: the average power of a period (class 5) and its maximum with the time it was taken (class 4).

Both hang on the borders of the period by the meter's clock (Blue Book 4.3.3 and 4.3.4). The average is the
energy of the period over its length, so a period with half an hour of load in it shows that. A reset of
the maximum is the end of a billing period; it starts again from zero.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import ActionResult
from adapters.protocols.dlms.units import unit_code
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.periods import MeterAlarm, next_border

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301

PERIOD_S: Final = 900
_MW_NS_PER_W_S = 1000 * 1_000_000_000


class Demand:
    """Average and maximum import demand of a meter, in W."""

    def __init__(self, meter: Mcs301) -> None:
        self._meter = meter
        self.last_w = self.maximum_w = 0
        now = meter.clock.utc()
        self._began, self._captured, self._maximum_at = now, now, now
        self._began_mw_ns = meter.metrology.energies.exact_mw_ns("A+")

    def bind(self, name: str, live: LiveObject) -> bool:
        """Serve the demand register and the maximum demand."""
        if name not in ("demand_import", "max_demand_import"):
            return False
        unit = dlms.structure(dlms.integer(live.entry.scaler), dlms.enum(unit_code(live.entry.unit)))
        live.constant("scaler_unit", unit)
        live.constant("status", dlms.unsigned(0))
        if name == "demand_import":
            live.attribute("current_average_value", lambda: dlms.double_long_unsigned(self._running_w()))
            live.attribute("last_average_value", lambda: dlms.double_long_unsigned(self.last_w))
            live.attribute("capture_time", lambda: self._octets(self._captured))
            live.attribute("start_time_current", lambda: self._octets(self._began))
            live.constant("period", dlms.double_long_unsigned(PERIOD_S))
            live.constant("number_of_periods", dlms.long_unsigned(1))
        else:
            live.attribute("value", lambda: dlms.double_long_unsigned(self.maximum_w))
            live.attribute("capture_time", lambda: self._octets(self._maximum_at))
            live.method("reset", self._reset)
        return True

    def start(self) -> None:
        """Begin to wait for the borders of the period."""
        MeterAlarm(
            self._meter,
            due=lambda after: next_border(after, PERIOD_S, self._meter.clock.time_zone_min),
            reached=self._border,
        )

    def end_billing(self) -> None:
        """Start the maximum again from zero."""
        if self._meter.world.obeys("DLX-PROF-20"):
            self.maximum_w = 0
        self._maximum_at = self._meter.clock.utc()

    # --- inside ------------------------------------------------------------------------------------------

    def _border(self, moment: datetime) -> None:
        self.last_w = self._running_w()
        if not self._meter.world.obeys("DLX-PROF-19"):
            self.last_w = max(int(self._meter.metrology.total_w()), 0)  # what flows at the border, no average
        self._captured = self._began = moment
        self._began_mw_ns = self._meter.metrology.energies.exact_mw_ns("A+")
        if self.last_w > self.maximum_w:
            self.maximum_w, self._maximum_at = self.last_w, moment
        elif not self._meter.world.obeys("DLX-PROF-18"):
            self._maximum_at = moment

    def _running_w(self) -> int:
        # The energy so far over the length of the whole period: it rises towards the average.
        energy = self._meter.metrology.energies.exact_mw_ns("A+") - self._began_mw_ns
        return energy // (PERIOD_S * _MW_NS_PER_W_S)

    def _octets(self, moment: datetime) -> Data:
        zone_min = self._meter.clock.time_zone_min
        shown = CosemDateTime.from_datetime(moment, status=self._meter.clock.status, deviation_min=zone_min)
        return dlms.octet_string(shown.octets())

    def _reset(self, _argument: Data | None) -> tuple[ActionResult, Data | None]:
        self.end_billing()
        return ActionResult.SUCCESS, None
