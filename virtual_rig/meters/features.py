"""What an MCS301 has beside clock, registers and logs: one feature a file, each with its own objects.

A feature takes the objects of the profile that are its own; what no feature takes is served by the meter
itself. Features are plain state like the meter: power, time and supply reach them through the meter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from virtual_rig.meters.activation_schedule import ActivationSchedule
from virtual_rig.meters.alarms import AlarmMonitor
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.demand import Demand
from virtual_rig.meters.firmware import Firmware
from virtual_rig.meters.limiter import Limiter
from virtual_rig.meters.load_profile import LoadProfiles
from virtual_rig.meters.port_setup import PortSetup
from virtual_rig.meters.push import PushFeature
from virtual_rig.meters.schedules import Schedules
from virtual_rig.meters.tariffs import Tariffs

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301


class Feature(Protocol):
    """A part of the meter that serves objects of its own."""

    def bind(self, name: str, live: LiveObject) -> bool:
        """Bind the attributes and methods of ``live`` if it is one of ours, and return whether it is."""
        ...

    def start(self) -> None:
        """Begin to work: called once, when every object of the meter is bound."""
        ...


def features_of(meter: Mcs301) -> tuple[Feature, ...]:
    """Return the features of ``meter``, in the order in which they are asked."""
    schedules = Schedules(meter)
    profiles, demand = LoadProfiles(meter), Demand(meter)

    def end_billing() -> None:
        if meter.world.obeys("DLX-PROF-21"):
            profiles.end_billing()
            demand.end_billing()
        else:  # the row is of the period that begins
            demand.end_billing()
            profiles.end_billing()

    schedules.script("billing_script", 1, end_billing)
    firmware = Firmware(meter, meter.firmware_traits)
    alarms = AlarmMonitor(meter)
    return (
        firmware,
        ActivationSchedule(meter, firmware),
        profiles,
        demand,
        Limiter(meter, schedules),
        schedules,
        PortSetup(meter),
        alarms,
        PushFeature(meter, alarms),
        meter.security,
        Tariffs(meter, schedules),
    )
