"""Supply interruptions, and leaving a meter as it was found."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.roles import DlmsMeter, PowerSource, ServiceDone
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps


@dataclass(frozen=True, kw_only=True)
class PowerCut:
    """A supply interruption as it was made."""

    off_s: float


@procedure("cut_power", hurts=("energise",))
def cut_power(
    run: Steps, *, source: PowerSource, meter: DlmsMeter, off: Duration, settling_time: Duration
) -> PowerCut:
    """Take the supply away for ``off``, give it back and wait until the meter has started."""
    meter.drop_all_links()
    source.switch_off()
    run.clock.sleep_s(off)
    source.switch_on()
    run.clock.sleep_s(settling_time)
    return PowerCut(off_s=off)


@procedure("restore_value")
def restore_value(run: Steps, *, meter: DlmsMeter, link: str, object: str, value: str) -> ServiceDone:
    """Write a value back through a Management association of its own."""
    meter.release_all()
    meter.associate("management", link, "restore")
    try:
        return meter.set(object, value, association="restore")
    finally:
        meter.release("restore")


@procedure("leave_supply_connected", hurts=("disconnect",))
def leave_supply_connected(run: Steps, *, meter: DlmsMeter, link: str = "") -> ServiceDone:
    """Close the supply switch again, through whatever association can be had."""
    meter.release_all()
    meter.associate("management", link, "clean-up")
    try:
        if meter.get("disconnect_control", "control_state", "clean-up").value != 1:
            return meter.reconnect_supply("clean-up")
        return ServiceDone(service="reconnect", object="disconnect_control", acknowledged=True)
    finally:
        meter.release("clean-up")
