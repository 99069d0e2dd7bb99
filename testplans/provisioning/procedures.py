"""The procedures of the provisioning plans: typed Python a plan step can call by name."""

from testplans.provisioning import completion, data, placing, stalls, states, troubleshooting

__all__ = ["completion", "data", "placing", "stalls", "states", "troubleshooting"]
