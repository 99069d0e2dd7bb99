"""A second outside witness: the client of dlms-cosem 21.3.2, driven by JSON lines on stdin.

dlms-cosem was under the MIT licence up to this release; later ones are not, and are not used. It runs as a
process of its own, so that nothing of it can be mistaken for ours.

One request a line, one answer a line:

    {"do": "open", "transport": "tcp", "host": ..., "port": ..., "client": 16, "authentication": "NONE"}
    {"do": "get", "class": 1, "obis": "0.0.42.0.0.255", "attribute": 2}     -> {"value": ...}
    {"do": "get_list", "objects": [{"class": 1, "obis": ..., "attribute": 2}, ...]}   -> {"values": [...]}
    {"do": "set", "class": 1, "obis": ..., "attribute": 2, "value": A-XDR in hexadecimal}   -> {"result": ...}
    {"do": "rows", "obis": ..., "since": ISO 8601, "until": ISO 8601}       -> {"rows": [[UTC, ...], ...]}
    {"do": "close"}

``dedicated`` in ``open`` proposes a dedicated key, ``blocks`` block transfer. A refusal or a failure is
answered ``{"error": <exception type>, "message": ...}``; the program lives on.
"""

# mypy: disable-error-code="import-untyped, attr-defined"
from __future__ import annotations

import contextlib
import json
import sys
from datetime import UTC, datetime
from typing import Any

from dlms_cosem import cosem, enumerations, utils
from dlms_cosem.clients.dlms_client import DlmsClient
from dlms_cosem.clients.hdlc_transport import SerialHdlcTransport
from dlms_cosem.cosem.capture_object import CaptureObject
from dlms_cosem.cosem.selective_access import RangeDescriptor
from dlms_cosem.hdlc.frames import DisconnectFrame
from dlms_cosem.time import datetime_from_bytes

TIMEOUT_S = 5
LONGEST_PDU = 1024
UA_OCTETS = 9
MECHANISMS = {
    "NONE": None,
    "LOW": enumerations.AuthenticationMechanism.LLS,
    "HIGH_GMAC": enumerations.AuthenticationMechanism.HLS_GMAC,
}
CLOCK = (enumerations.CosemInterface.CLOCK, cosem.Obis(0, 0, 1, 0, 0, 255), 2)


class Witness:
    """One client, and the association it has open."""

    def __init__(self) -> None:
        self.client: Any = None

    def do_open(self, request: dict[str, Any]) -> dict[str, Any]:
        """Open link and association."""
        settings = {
            "client_logical_address": request["client"],
            "server_logical_address": request["server"],
            "authentication_method": MECHANISMS[request["authentication"]],
            "password": request.get("password", "").encode() or None,
            "encryption_key": bytes.fromhex(request.get("encryption_key", "")) or None,
            "authentication_key": bytes.fromhex(request.get("authentication_key", "")) or None,
            "client_system_title": bytes.fromhex(request.get("system_title", "")) or None,
            "client_initial_invocation_counter": request.get("counter", 0),
            "dedicated_ciphering": request.get("dedicated", False),
            "block_transfer": request.get("blocks", True),
            "max_pdu_size": LONGEST_PDU,
            "timeout": TIMEOUT_S,
        }
        if request["transport"] == "tcp":
            client = DlmsClient.with_tcp_transport(host=request["host"], port=request["port"], **settings)
        else:
            client = DlmsClient.with_serial_hdlc_transport(
                serial_port=request["port"],
                baud_rate=request["baud"],
                server_physical_address=None,
                **settings,
            )
        client.connect()
        try:
            client.associate()
        except Exception:
            _hang_up(client)
            raise
        self.client = client
        return {}

    def do_get(self, request: dict[str, Any]) -> dict[str, Any]:
        """Read one attribute."""
        return {"value": _plain(utils.parse_as_dlms_data(self.client.get(_attribute(request))))}

    def do_get_list(self, request: dict[str, Any]) -> dict[str, Any]:
        """Read several attributes at once."""
        wanted = [cosem.CosemAttributeWithSelection(_attribute(each), None) for each in request["objects"]]
        answer = self.client.get_many(wanted)
        return {"values": [_plain(result.value) for result in answer.response_data]}

    def do_set(self, request: dict[str, Any]) -> dict[str, Any]:
        """Write one attribute."""
        answer = self.client.set(_attribute(request), bytes.fromhex(request["value"]))
        return {"result": answer.result.name}

    def do_rows(self, request: dict[str, Any]) -> dict[str, Any]:
        """Read the rows of a profile between two moments."""
        selection = RangeDescriptor(
            restricting_object=CaptureObject(cosem.CosemAttribute(*CLOCK), 0),
            from_value=datetime.fromisoformat(request["since"]),
            to_value=datetime.fromisoformat(request["until"]),
        )
        octets = self.client.get(_attribute({"class": 7, "attribute": 2, **request}), selection)
        rows = utils.parse_as_dlms_data(octets)
        return {"rows": [[_moment(row[0]), *map(_plain, row[1:])] for row in rows]}

    def do_close(self, _: dict[str, Any]) -> dict[str, Any]:
        """Release association and link; harmless where nothing is open."""
        client, self.client = self.client, None
        if client is not None:
            try:
                client.release_association()
            finally:
                _hang_up(client)
        return {}


def _hang_up(client: Any) -> None:
    """Take the link down.

    Over HDLC the library waits for ever: it looks for a header check in a UA without information field, which
    has none. And it never closes its serial port, so that a second one would share its octets.
    """
    link = client.io_interface
    if not isinstance(link, SerialHdlcTransport):
        client.disconnect()
        return
    disc = DisconnectFrame(
        destination_address=link.server_hdlc_address, source_address=link.client_hdlc_address
    )
    link._serial.write(disc.to_bytes())
    link._serial.read(UA_OCTETS)
    link._serial.close()


def _attribute(request: dict[str, Any]) -> Any:
    return cosem.CosemAttribute(
        enumerations.CosemInterface(request["class"]),
        cosem.Obis(*map(int, request["obis"].split("."))),
        request["attribute"],
    )


def _moment(octets: bytes) -> str:
    moment, _status = datetime_from_bytes(bytes(octets))
    return str(moment.astimezone(UTC).isoformat())


def _plain(value: Any) -> Any:
    if hasattr(value, "to_python"):
        value = value.to_python()
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def main() -> None:
    """Answer requests until stdin ends. What the library prints goes to stderr: stdout is for answers."""
    witness, answers = Witness(), sys.stdout
    for line in sys.stdin:
        request = json.loads(line)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                answer = getattr(witness, f"do_{request['do']}")(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who asked is told
            answer = {"error": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
