"""The procedures of the DLMS plans: what needs logic, as typed Python a plan step can call by name.

Each takes the run's step API first, then devices and values by name, and returns a small frozen record
whose fields the plan's ``expect`` may check.
"""

from testplans.dlms import (
    access,
    any_profile,
    billing,
    demand,
    emergency,
    events,
    identification,
    images,
    keys,
    limiter,
    message_keys,
    metrology,
    mode_c,
    negatives,
    preestablished,
    profile_rows,
    profile_selection,
    profile_whole,
    push,
    sms,
    switch_rules,
    tariffs,
    upkeep,
)

__all__ = [
    "access",
    "any_profile",
    "billing",
    "demand",
    "emergency",
    "events",
    "identification",
    "images",
    "keys",
    "limiter",
    "message_keys",
    "metrology",
    "mode_c",
    "negatives",
    "preestablished",
    "profile_rows",
    "profile_selection",
    "profile_whole",
    "push",
    "sms",
    "switch_rules",
    "tariffs",
    "upkeep",
]
