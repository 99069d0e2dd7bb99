"""Leaving a meter as it was found."""

from __future__ import annotations

from adapters.roles import DlmsMeter, ServiceDone
from harness.actions import procedure
from harness.steps import Steps


@procedure("restore_value")
def restore_value(
    run: Steps, *, meter: DlmsMeter, link: str, object: str, value: str, attribute: str = "value"
) -> ServiceDone:
    """Write a value back through a Management association of its own."""
    meter.release_all()
    meter.associate("management", link, "restore")
    try:
        return meter.set(object, value, attribute, association="restore")
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
