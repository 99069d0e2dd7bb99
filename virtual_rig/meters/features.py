"""What an MCS301 has beside clock, registers and logs: one feature a file, each with its own objects.

A feature takes the objects of the profile that are its own; what no feature takes is served by the meter
itself. Features are plain state like the meter: power, time and supply reach them through the meter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from virtual_rig.meters.alarms import AlarmMonitor
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.push import PushFeature

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301


class Feature(Protocol):
    """A part of the meter that serves objects of its own."""

    def bind(self, name: str, live: LiveObject) -> bool:
        """Bind the attributes and methods of ``live`` if it is one of ours, and return whether it is."""
        ...


def features_of(meter: Mcs301) -> tuple[Feature, ...]:
    """Return the features of ``meter``, in the order in which they are asked."""
    alarms = AlarmMonitor(meter)
    return (alarms, PushFeature(meter, alarms))
