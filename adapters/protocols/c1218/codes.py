"""The closed sets of C12.18: response codes, services, standards, line speeds."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final


class ResponseCode(IntEnum):
    """First octet of every response; the names are those of the standard (C12.22 adds 0x0B and up)."""

    OK = 0x00
    ERR = 0x01
    SNS = 0x02
    ISC = 0x03
    ONP = 0x04
    IAR = 0x05
    BSY = 0x06
    DNR = 0x07
    DLK = 0x08
    RNO = 0x09
    ISSS = 0x0A
    SME = 0x0B
    UAT = 0x0C
    NETT = 0x0D
    NETR = 0x0E
    RQTL = 0x0F
    RSTL = 0x10
    SGNP = 0x11
    SGERR = 0x12

    @property
    def short(self) -> str:
        """Return the name as the standard writes it: ``isss``."""
        return self.name.lower()

    @property
    def reason(self) -> str:
        """Return the meaning as one hyphenated word: ``invalid-service-sequence``."""
        return _REASONS[self]


_REASONS: Final = {
    ResponseCode.OK: "ok",
    ResponseCode.ERR: "error",
    ResponseCode.SNS: "service-not-supported",
    ResponseCode.ISC: "insufficient-security",
    ResponseCode.ONP: "operation-not-possible",
    ResponseCode.IAR: "inappropriate-action",
    ResponseCode.BSY: "busy",
    ResponseCode.DNR: "data-not-ready",
    ResponseCode.DLK: "data-locked",
    ResponseCode.RNO: "renegotiate",
    ResponseCode.ISSS: "invalid-service-sequence",
    ResponseCode.SME: "security-mechanism-error",
    ResponseCode.UAT: "unknown-application-title",
    ResponseCode.NETT: "network-time-out",
    ResponseCode.NETR: "network-not-reachable",
    ResponseCode.RQTL: "request-too-large",
    ResponseCode.RSTL: "response-too-large",
    ResponseCode.SGNP: "segmentation-not-possible",
    ResponseCode.SGERR: "segmentation-error",
}


class Service(StrEnum):
    """What a request asks for, as far as the sequence of services cares."""

    IDENTIFY = "identify"
    TERMINATE = "terminate"
    DISCONNECT = "disconnect"
    READ = "read"
    WRITE = "write"
    LOGON = "logon"
    SECURITY = "security"
    LOGOFF = "logoff"
    AUTHENTICATE = "authenticate"
    NEGOTIATE = "negotiate"
    WAIT = "wait"
    TIMING_SETUP = "timing setup"
    UNKNOWN = "unknown"


STANDARDS: Final = {0: "c12.18", 2: "c12.21", 3: "c12.22"}
"""What a device says it speaks, by the octet ``std`` of its identification."""

BAUDS: Final = {
    0x01: 300,
    0x02: 600,
    0x03: 1200,
    0x04: 2400,
    0x05: 4800,
    0x06: 9600,
    0x07: 14400,
    0x08: 19200,
    0x09: 28800,
    0x0A: 57600,
    0x0B: 38400,
    0x0C: 115200,
    0x0D: 128000,
    0x0E: 256000,
}
"""Line speeds by their codes. Code 0 leaves the speed as it is; from 0x0A on vendors differ."""

BAUD_CODES: Final = {baud: code for code, baud in BAUDS.items()} | {0: 0}


def table_name(number: int) -> str:
    """Return how people write a table number: ``ST5``, ``MT12`` (2048 + 12)."""
    return f"MT{number - 2048}" if 2048 <= number < 4096 else f"ST{number}"
