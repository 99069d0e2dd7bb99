"""What a modem's error numbers mean: +CMS ERROR (3GPP TS 27.005 3.2.5) and +CME ERROR (27.007 9.2)."""

from __future__ import annotations

MEMORY_FULL, INVALID_INDEX, INVALID_PARAMETER, NO_NETWORK = 322, 321, 304, 331

_CMS = {
    1: "unassigned number",
    8: "barred by the operator",
    21: "short message transfer rejected",
    27: "destination out of service",
    28: "unidentified subscriber",
    38: "network out of order",
    41: "temporary failure",
    42: "congestion",
    47: "resources unavailable",
    50: "requested facility not subscribed",
    69: "requested facility not implemented",
    95: "invalid message",
    111: "protocol error",
    300: "mobile equipment failure",
    301: "SMS service of the equipment reserved",
    302: "operation not allowed",
    303: "operation not supported",
    304: "invalid PDU mode parameter",
    305: "invalid text mode parameter",
    310: "SIM not inserted",
    311: "SIM PIN required",
    313: "SIM failure",
    314: "SIM busy",
    315: "SIM wrong",
    316: "SIM PUK required",
    320: "memory failure",
    321: "invalid memory index",
    322: "memory full",
    330: "service centre address unknown",
    331: "no network service",
    332: "network time-out",
    340: "no acknowledgement of a new message expected",
    500: "unknown error",
}
_CME = {
    0: "phone failure",
    1: "no connection to phone",
    3: "operation not allowed",
    4: "operation not supported",
    10: "SIM not inserted",
    11: "SIM PIN required",
    12: "SIM PUK required",
    13: "SIM failure",
    14: "SIM busy",
    15: "SIM wrong",
    16: "incorrect password",
    20: "memory full",
    21: "invalid index",
    22: "not found",
    30: "no network service",
    31: "network time-out",
    32: "emergency calls only",
    50: "incorrect parameters",
    100: "unknown",
}


def meaning(kind: str, code: int) -> str:
    """Return the words for a code of ``kind`` CMS or CME; manufacturers have codes of their own."""
    return (_CMS if kind == "CMS" else _CME).get(code, "a code of the manufacturer's")
