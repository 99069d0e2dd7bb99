"""An outside witness: gurux-dlms takes a push on a TCP port of its own; JSON lines in, JSON lines out.

LICENCE. This script loads gurux-dlms, which is GPL-2.0-only; see ``gurux_client.py`` and README.md in this
folder: it is a program of its own, started with subprocess, and nothing of MeterBench imports it.

    {"do": "listen"}                                            -> {"address": "127.0.0.1:port"}
    {"do": "push", "encryption_key": hex or absent, "authentication_key": ..., "suite": 0}
        -> {"value": [...], "year": ...}     waits for one caller, and for what it pushes
"""

# mypy: disable-error-code="import-untyped"
from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any

from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects.enums import SecuritySuite
from gurux_dlms.secure import GXDLMSSecureClient

TIMEOUT_S = 10.0


def plain(value: Any) -> Any:
    """Return a gurux value as JSON takes it; octets in hexadecimal."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def received(listening: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
    """Take one call and return what gurux makes of the push."""
    client = GXDLMSSecureClient(True, 1, 1, Authentication.NONE, None, InterfaceType.WRAPPER)
    if "encryption_key" in request:
        client.ciphering.systemTitle = bytearray.fromhex("4D42454E43480001")
        client.ciphering.blockCipherKey = bytearray.fromhex(request["encryption_key"])
        client.ciphering.authenticationKey = bytearray.fromhex(request["authentication_key"])
        client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
        client.ciphering.securitySuite = SecuritySuite(request.get("suite", 0))
    connection, _peer = listening.accept()
    with connection:
        connection.settimeout(TIMEOUT_S)
        octets = b""
        while piece := connection.recv(65536):
            octets += piece
    reply, notify = GXReplyData(), GXReplyData()
    buffer = GXByteBuffer()
    buffer.set(octets)
    client.getData(buffer, reply, notify)
    if notify.value is None:
        raise ValueError(f"no notification in {octets.hex()}")
    return {
        "value": plain(notify.value),
        "year": notify.time.value.year if notify.time is not None else 0,
    }


def main() -> None:
    """Serve requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - gurux prints to stdout while it works
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(TIMEOUT_S)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "listen":
                answer: dict[str, Any] = {"address": f"127.0.0.1:{listening.getsockname()[1]}"}
            else:
                answer = received(listening, request)
        except Exception as error:  # noqa: BLE001 - a witness reports whatever befell it
            answer = {"error": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
