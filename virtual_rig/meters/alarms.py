"""Alarm register, filter and descriptor of a meter (IEC 62056-6-1, 0-0:97.98.x).

An event sets its bit in the register, whatever the filter says. Where the filter lets it pass and the
descriptor does not show it yet, the descriptor shows it from now on and the alarm is worth a push. Both keep
their bits until a client writes them off; writing can only clear. Which event sets which bit is profile data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import DataAccessResult, DataType
from virtual_rig.meters.cosem import LiveObject

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301

ALL = 0xFFFF_FFFF


class AlarmMonitor:
    """The feature. ``raised`` is called for each alarm that is to be pushed."""

    def __init__(self, meter: Mcs301) -> None:
        self._world = meter.world
        self._bits = dict(meter.profile.alarms.bits) if meter.profile.alarms else {}
        self.register = self.descriptor = 0
        self._known = 0  # alarms that have been pushed or are about to be
        self.filter = ALL
        self.raised: Callable[[], None] = lambda: None
        meter.on_event(self._event)

    def start(self) -> None:
        """Nothing begins by itself."""

    def bind(self, name: str, live: LiveObject) -> bool:
        """Bind the alarm objects."""
        if name == "alarm_register_1":
            live.attribute("value", lambda: dlms.double_long_unsigned(self.register), self._clear_register)
        elif name == "alarm_filter_1":
            live.attribute("value", lambda: dlms.double_long_unsigned(self.filter), self._set_filter)
        elif name == "alarm_descriptor_1":
            live.attribute(
                "value", lambda: dlms.double_long_unsigned(self.descriptor), self._clear_descriptor
            )
        else:
            return False
        return True

    def pushed(self) -> None:
        """The descriptor has been delivered; it stays until somebody writes it off."""
        if not self._world.obeys("DLX-PUSH-11"):
            self.descriptor = 0

    def _event(self, log: str, event: str) -> None:
        bit = self._bits.get(f"{log}.{event}")
        if bit is None:
            return
        mask = 1 << bit
        self.register |= mask
        if not self.filter & mask and self._world.obeys("DLX-PUSH-10"):
            return
        self.descriptor |= mask
        known = self._known & mask
        self._known |= mask
        if not known or not self._world.obeys("DLX-PUSH-09"):
            self.raised()

    def _set_filter(self, value: Data) -> DataAccessResult:
        if value.tag is not DataType.DOUBLE_LONG_UNSIGNED:
            return DataAccessResult.TYPE_UNMATCHED
        self.filter = value.integer()
        return DataAccessResult.SUCCESS

    def _clear_register(self, value: Data) -> DataAccessResult:
        if value.tag is not DataType.DOUBLE_LONG_UNSIGNED:
            return DataAccessResult.TYPE_UNMATCHED
        self.register &= value.integer()
        return DataAccessResult.SUCCESS

    def _clear_descriptor(self, value: Data) -> DataAccessResult:
        if value.tag is not DataType.DOUBLE_LONG_UNSIGNED:
            return DataAccessResult.TYPE_UNMATCHED
        self.descriptor &= value.integer()
        self._known &= value.integer()
        return DataAccessResult.SUCCESS
