"""The procedures that serve meters of any protocol."""

from testplans.meters import metrology, upkeep

__all__ = ["metrology", "upkeep"]
