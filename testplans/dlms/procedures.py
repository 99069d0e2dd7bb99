"""The procedures of the DLMS plans: what needs logic, as typed Python a plan step can call by name.

Each takes the run's step API first, then devices and values by name, and returns a small frozen record
whose fields the plan's ``expect`` may check.
"""

from testplans.dlms import (
    access,
    alarm_channels,
    any_profile,
    demand,
    identification,
    images,
    keys,
    limiter,
    metrology,
    mode_c,
    negatives,
    preestablished,
    profile_rows,
    profile_selection,
    push,
    push_alarms,
    push_timing,
    sms,
    sms_outgoing,
    tariffs,
    udp,
    upkeep,
)

__all__ = [
    "access",
    "alarm_channels",
    "any_profile",
    "demand",
    "identification",
    "images",
    "keys",
    "limiter",
    "metrology",
    "mode_c",
    "negatives",
    "preestablished",
    "profile_rows",
    "profile_selection",
    "push",
    "push_alarms",
    "push_timing",
    "sms",
    "sms_outgoing",
    "tariffs",
    "udp",
    "upkeep",
]
