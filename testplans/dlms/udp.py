"""DLMS over UDP: what becomes of an association whose peer nobody hangs up on."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.roles import DlmsMeter, PowerSource
from harness.actions import procedure
from harness.steps import Steps

_GET_ENERGY = bytes.fromhex("C001C1 0003 0100010800FF 02 00")
_LAB = "lab"


@dataclass(frozen=True, kw_only=True)
class AfterPowerCut:
    """What the same GET came to before the power cut, after it, and in a new association.

    ``after`` is ``get`` only where the old association is still served.
    """

    before: str
    after: str
    again: str


@procedure("udp_after_power_cut", hurts=("energise",))
def udp_after_power_cut(
    run: Steps, *, meter: DlmsMeter, source: PowerSource, link: str, off_s: int, boot_s: int
) -> AfterPowerCut:
    """Cut the supply under an open association and go on in it, from the same socket, as if nothing was."""
    meter.associate("management", link, _LAB, mechanism="lls")
    before = meter.send_datagram(_GET_ENERGY, _LAB).kind
    with run.step("power failure", seconds=off_s):
        source.switch_off()
        try:
            run.clock.sleep_s(off_s)
        finally:
            source.switch_on()
    run.clock.sleep_s(boot_s)
    after = meter.send_datagram(_GET_ENERGY, _LAB).kind
    meter.forget(_LAB)
    meter.associate("management", link, _LAB, mechanism="lls")
    again = meter.send_datagram(_GET_ENERGY, _LAB).kind
    meter.release(_LAB)
    return AfterPowerCut(before=before, after=after, again=again)
