"""What a module is in: the codes it shows at the meter, and what it remembers without supply.

The codes are those of a sister product (SSI OpenWay 2.0 manual): 0 to 29 are states, 30 to 59 errors. That
the I-210's module counts the same way is assumed. Step 1 of the user guide, before the meter is placed in its
socket, is on a page that is missing; READY is our reading of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class ModuleState(IntEnum):
    """States in the order of the user guide."""

    NOT_CHECKED = 0
    CHECKED_BY_INTEGRATOR = 1
    READY = 2
    PRE_CONFIGURED = 3
    REGISTERING = 4
    PLACED = 5
    PROVISIONED = 6


class ModuleError(IntEnum):
    """What keeps a module from going on; it goes on trying."""

    NONE = 0
    CONFIGURATION_FAILED = 30
    REGISTRATION_FAILED = 31


@dataclass(frozen=True, kw_only=True)
class StateChange:
    """A state the module came to show, and when (seconds of the rig)."""

    at_s: float
    state: ModuleState


@dataclass(kw_only=True)
class Memory:
    """The module's non-volatile memory."""

    parameters: dict[str, str] = field(default_factory=dict)
    registered: bool = False
    provisioned: bool = False
    settings: dict[str, str] = field(default_factory=dict)

    def erase(self) -> None:
        """Leave nothing but what the factory put in."""
        self.parameters.clear()
        self.settings.clear()
        self.registered = self.provisioned = False
