"""The supply switch: class 70 as one table of transitions per control mode (Blue Book 4.5.8).

    states: 0 disconnected, 1 connected, 2 ready for reconnection

      (0) --a remote reconnect--> (1)      (1) --b remote disconnect--> (0)
      (2) --c remote disconnect-> (0)      (0) --d remote reconnect---> (2)
      (2) --e manual reconnect--> (1)      (1) --f manual disconnect--> (2)
      (1) --g local disconnect--> (2)      (2) --h local reconnect----> (1)

A control mode is the set of transitions it allows. A remote command that the mode has no transition for
is refused; one that asks for the state already reached succeeds and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, StrEnum


class ControlState(IntEnum):
    """Attribute 3 of class 70."""

    DISCONNECTED = 0
    CONNECTED = 1
    READY_FOR_RECONNECTION = 2


class SwitchCommand(StrEnum):
    """What may ask the switch to move: the head end, a button, or the meter's own limiter."""

    REMOTE_DISCONNECT = "remote_disconnect"
    REMOTE_RECONNECT = "remote_reconnect"
    MANUAL_DISCONNECT = "manual_disconnect"
    MANUAL_RECONNECT = "manual_reconnect"
    LOCAL_DISCONNECT = "local_disconnect"
    LOCAL_RECONNECT = "local_reconnect"


_S, _C = ControlState, SwitchCommand
_TRANSITION = {
    "a": (_S.DISCONNECTED, _C.REMOTE_RECONNECT, _S.CONNECTED),
    "b": (_S.CONNECTED, _C.REMOTE_DISCONNECT, _S.DISCONNECTED),
    "c": (_S.READY_FOR_RECONNECTION, _C.REMOTE_DISCONNECT, _S.DISCONNECTED),
    "d": (_S.DISCONNECTED, _C.REMOTE_RECONNECT, _S.READY_FOR_RECONNECTION),
    "e": (_S.READY_FOR_RECONNECTION, _C.MANUAL_RECONNECT, _S.CONNECTED),
    "f": (_S.CONNECTED, _C.MANUAL_DISCONNECT, _S.READY_FOR_RECONNECTION),
    "g": (_S.CONNECTED, _C.LOCAL_DISCONNECT, _S.READY_FOR_RECONNECTION),
    "h": (_S.READY_FOR_RECONNECTION, _C.LOCAL_RECONNECT, _S.CONNECTED),
}
_ALLOWED = {0: "", 1: "bcdefg", 2: "abcefg", 3: "bcdeg", 4: "abceg", 5: "bcdefgh", 6: "bcdegh"}

TRANSITIONS: dict[int, dict[tuple[ControlState, SwitchCommand], ControlState]] = {
    mode: {(before, command): after for before, command, after in (_TRANSITION[letter] for letter in letters)}
    for mode, letters in _ALLOWED.items()
}
"""Control mode -> (state, command) -> next state; a missing key is not allowed in that mode."""

_REACHED = {
    SwitchCommand.REMOTE_DISCONNECT: {ControlState.DISCONNECTED},
    SwitchCommand.REMOTE_RECONNECT: {ControlState.CONNECTED, ControlState.READY_FOR_RECONNECTION},
}


class Disconnector:
    """A supply switch with its state; ``moved`` hears of every transition right before it takes effect."""

    def __init__(
        self, *, control_mode: int = 4, moved: Callable[[SwitchCommand, ControlState], None]
    ) -> None:
        self.state = ControlState.CONNECTED
        self.control_mode = control_mode
        self._moved = moved

    @property
    def output_on(self) -> bool:
        """Whether the contacts are closed."""
        return self.state is ControlState.CONNECTED

    def command(self, command: SwitchCommand) -> bool:
        """Carry out ``command``; return False where the control mode does not allow it in this state."""
        after = TRANSITIONS[self.control_mode].get((self.state, command))
        if after is None:
            return self.control_mode != 0 and self.state in _REACHED.get(command, set())
        self._moved(command, after)
        self.state = after
        return True

    def set_mode(self, control_mode: int) -> bool:
        """Change the control mode; return False for one that does not exist."""
        if control_mode not in TRANSITIONS:
            return False
        self.control_mode = control_mode
        return True
