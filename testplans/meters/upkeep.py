"""Supply interruptions."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.roles import Meter, PowerSource
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps


@dataclass(frozen=True, kw_only=True)
class PowerCut:
    """A supply interruption as it was made."""

    off_s: float


@procedure("cut_power", hurts=("energise",))
def cut_power(
    run: Steps, *, source: PowerSource, meter: Meter, off: Duration, settling_time: Duration
) -> PowerCut:
    """Take the supply away for ``off``, give it back and wait until the meter has started."""
    meter.drop_all_links()
    source.switch_off()
    run.clock.sleep_s(off)
    source.switch_on()
    run.clock.sleep_s(settling_time)
    return PowerCut(off_s=off)
