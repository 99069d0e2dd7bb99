"""An outside witness: the decoders of gurux-dlms alone, without a wire; JSON lines in, JSON lines out.

LICENCE. This script loads gurux-dlms, which is GPL-2.0-only; whoever runs it runs a combination under that
licence. That is why it is a program of its own: the benchmarks start it with subprocess and talk to it over
pipes, and nothing of MeterBench imports it or gurux-dlms (see README.md in this folder).

Octets are in hexadecimal; each is decoded ``count`` times and the clock runs meanwhile:

    {"do": "data", "octets": ..., "count": 10}       -> {"seconds": ..., "cpu_seconds": ..., "value": ...}
    {"do": "frame", "octets": ..., "count": 10}      -> the same; the value is what the frame carries
    {"do": "decipher", "octets": ..., "count": 10, "title": ..., "encryption_key": ...,
     "authentication_key": ...}                      -> the same; the value is the plain APDU
"""

# mypy: disable-error-code="import-untyped"
from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from time import perf_counter, process_time  # noqa: TID251 - this is a process of its own
from typing import Any

from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.AesGcmParameter import AesGcmParameter
from gurux_dlms.enums import Authentication, InterfaceType
from gurux_dlms.GXDLMS import GXDLMS
from gurux_dlms.GXDLMSChippering import GXDLMSChippering
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.internal._GXDataInfo import _GXDataInfo
from gurux_dlms.secure import GXDLMSSecureClient

CLIENT = GXDLMSSecureClient(True, 16, 1, Authentication.NONE, None, InterfaceType.HDLC)


def data(request: dict[str, Any]) -> Callable[[], Any]:
    """Return a decoder of one COSEM value."""
    octets = bytes.fromhex(request["octets"])
    return lambda: _GXCommon.getData(CLIENT.settings, GXByteBuffer(octets), _GXDataInfo())


def frame(request: dict[str, Any]) -> Callable[[], Any]:
    """Return a decoder of one HDLC frame; the value is its information behind the LLC header."""
    octets = bytes.fromhex(request["octets"])

    def decode() -> bytes:
        buffer, reply = GXByteBuffer(octets), GXReplyData()
        GXDLMS.getHdlcData(False, CLIENT.settings, buffer, reply, None)
        if not reply.complete:
            raise ValueError("incomplete frame")
        return bytes(buffer.array()[buffer.position : -3])  # before FCS and closing flag

    return decode


def decipher(request: dict[str, Any]) -> Callable[[], Any]:
    """Return a decoder of one ciphered APDU; its tag is verified."""
    octets, title, encryption, authentication = (
        bytes.fromhex(request[name]) for name in ("octets", "title", "encryption_key", "authentication_key")
    )

    def decode() -> bytes:
        keys = AesGcmParameter(0, bytearray(title), bytearray(encryption), bytearray(authentication))
        return bytes(GXDLMSChippering.decryptAesGcm(CLIENT.settings, keys, GXByteBuffer(octets)))

    return decode


def plain(value: Any) -> Any:
    """Return a gurux value as JSON takes it; octets in hexadecimal."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return int(getattr(value, "value", value)) if value is not None else None


def main() -> None:
    """Serve requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - gurux prints to stdout while it works
    for line in sys.stdin:
        request = json.loads(line)
        try:
            decode = {"data": data, "frame": frame, "decipher": decipher}[request["do"]](request)
            value = plain(decode())
            began_s, cpu_s = perf_counter(), process_time()
            for _ in range(request["count"]):
                decode()
            answer = {
                "seconds": perf_counter() - began_s,
                "cpu_seconds": process_time() - cpu_s,
                "value": value,
            }
        except Exception as error:  # noqa: BLE001 - a witness reports whatever befell it
            answer = {"error": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
