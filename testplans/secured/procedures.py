"""The procedures of the plans for secured endpoints; see ``testplans.dlms.procedures`` for the pattern."""

from testplans.secured import endpoint_state, hostile, levels, matrix, permissions, replays, sessions, upkeep

__all__ = ["endpoint_state", "hostile", "levels", "matrix", "permissions", "replays", "sessions", "upkeep"]
