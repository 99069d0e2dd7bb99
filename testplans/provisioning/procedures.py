"""The procedures of the provisioning plans: typed Python a plan step can call by name."""

from testplans.provisioning import data, stalls, states

__all__ = ["data", "stalls", "states"]
