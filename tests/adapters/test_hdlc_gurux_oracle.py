"""A foreign HDLC client, in a process of its own, connects to our server engine, reads and writes.

Frames stay below 512 octets: of 518 octets with one-octet addresses gurux-dlms 1.0.203 itself writes a
length field of 262 (A9 06).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from framing_helpers import events_of, vector

from adapters.protocols.dlms.hdlc import HdlcServerLink, decode_frame
from adapters.protocols.dlms.link import ApduReceived, FrameDamagedEvent, FrameRejected, LinkDown, LinkUp

WITNESS = Path(__file__).parent / "hdlc_gurux_witness.py"
VALUE = bytes(i * 5 & 0xFF for i in range(700))


def answer(apdu: bytes) -> bytes:
    """Answer as a meter with one long octet string would."""
    if apdu[0] == 0x60:
        return decode_frame(vector("i-with-aare-two-octet-server")).information[3:]
    if apdu[0] == 0xC0:
        return b"\xc4\x01" + apdu[2:3] + b"\x00\x09\x82" + len(VALUE).to_bytes(2, "big") + VALUE
    return b"\xc5\x01" + apdu[2:3] + b"\x00"


@pytest.mark.oracle
@pytest.mark.parametrize("octets,physical", [(1, 0), (2, 17), (4, 4660)])
@pytest.mark.parametrize("max_info,window", [(128, 1), (400, 1), (64, 1)])
def test_gurux_client_reads_and_writes_long_values_through_our_server(
    octets: int, physical: int, max_info: int, window: int
) -> None:
    """SNRM, association, a segmented answer fetched by RR, a segmented request acknowledged by RR, DISC."""
    server = HdlcServerLink(physical=physical if octets > 1 else None, max_info=2030, window=7)
    events = []
    command = [sys.executable, str(WITNESS), str(octets), str(physical), str(max_info), str(window)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        result = ""
        for line in process.stdout:
            word, _, text = line.partition(" ")
            if word == "done":
                result = text.strip()
                break
            if word != "tx":
                continue  # gurux prints remarks of its own
            server.receive_data(bytes.fromhex(text))
            for event in events_of(server):
                events.append(event)
                if isinstance(event, ApduReceived):
                    server.send_apdu(answer(event.apdu), event.client_sap, event.server_sap)
            process.stdin.write(server.data_to_send().hex() + "\n")
            process.stdin.flush()
        process.stdin.close()
        errors = process.stderr.read()
    assert result == VALUE.hex(), errors
    assert not [event for event in events if isinstance(event, FrameRejected | FrameDamagedEvent)]
    assert isinstance(events[0], LinkUp)
    assert events[0].parameters is not None
    assert events[0].parameters.max_info_transmit == max_info
    assert isinstance(events[-1], LinkDown)
    written = [event.apdu for event in events if isinstance(event, ApduReceived) and event.apdu[0] == 0xC1]
    assert [VALUE in apdu for apdu in written] == [True]
