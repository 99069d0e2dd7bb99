"""Which kind of material a command needs, by the endpoint's level: ISM, server and handhelds agree on it.

Read off the page on security levels; where it leaves a choice, as ``virtual_rig.secured.permissions`` has it.
"""

from __future__ import annotations

from adapters.protocols.endpoint_link.material import Kind
from adapters.protocols.endpoint_link.words import Command, Level
from virtual_rig.secured.permissions import SECURED, SWITCHING

AUTHORIZATIONS_AT_ONCE = {Level.NETWORK_MODE: 2}
"""How many signed authorizations a device gets before the next sync, where not one (Close Session page)."""


def kind_needed(level: Level, command: Command) -> Kind | None:
    """Return what has to be on the handheld for a command, None where nothing has."""
    if level not in SECURED or command is Command.CLOSE_SESSION:
        return None
    if level is Level.NETWORK_MODE or command is Command.OPEN_SESSION:
        return Kind.AUTHORIZATION
    if command in SWITCHING:
        return Kind.COMMAND
    if command is Command.READ:
        return Kind.READING_KEY if level is Level.FULL_SECURITY else None
    return Kind.AUTHORIZATION
