"""Print C12.18 vectors made by termineter, as YAML; run by hand with python.

It is a program of its own, no test and no part of the product imports it; what it prints was pasted into
c1218_termineter.yaml. termineter (BSD-3-Clause) makes requests and packets only: it has no server side.
"""

import sys

from c1218.data import (
    C1218IdentRequest,
    C1218LogoffRequest,
    C1218LogonRequest,
    C1218NegotiateRequest,
    C1218Packet,
    C1218ReadRequest,
    C1218SecurityRequest,
    C1218TerminateRequest,
    C1218WaitRequest,
    C1218WriteRequest,
)
from c1218.utilities import data_checksum, packet_checksum

REQUESTS = {
    "identify": C1218IdentRequest(),
    "terminate": C1218TerminateRequest(),
    "logoff": C1218LogoffRequest(),
    "logon-admin": C1218LogonRequest("Admin", 1),
    "logon-nobody": C1218LogonRequest("", 0),
    "logon-ten-characters": C1218LogonRequest("ABCDEFGHIJ", 0xFFFF),
    "security-eight-characters": C1218SecurityRequest("12345678"),
    "security-twenty-octets": C1218SecurityRequest(bytes(range(0x80, 0x94))),
    "negotiate-no-baud": C1218NegotiateRequest(64, 1),
    "negotiate-9600": C1218NegotiateRequest(512, 2, 9600),
    "negotiate-57600": C1218NegotiateRequest(8192, 255, 57600),
    "wait-60": C1218WaitRequest(60),
    "read-st0": C1218ReadRequest(0),
    "read-st5": C1218ReadRequest(5),
    "read-mt12": C1218ReadRequest(2048 + 12),
    "read-offset": C1218ReadRequest(23, 4, 16),
    "read-offset-far": C1218ReadRequest(2048 + 64, 0x012345, 0xFFFF),
    "write-st7": C1218WriteRequest(7, b"\x04\x00\x17\x01"),
    "write-empty": C1218WriteRequest(3, b""),
    "write-offset": C1218WriteRequest(52, b"data data data", 2),
    "write-full-range": C1218WriteRequest(2048, bytes(range(256))),
}


def toggled(request):
    packet = C1218Packet(request)
    packet.set_control(0x20)
    return packet.build()


def main() -> None:
    out = sys.stdout.write
    out("requests:\n")
    for name, request in REQUESTS.items():
        out(f'  {name}:\n    service: "{request.build().hex()}"\n')
        out(f'    packet: "{C1218Packet(request).build().hex()}"\n    toggled: "{toggled(request).hex()}"\n')
    out("checksums:\n")
    for data in (b"", b"\x00", b"\xff", b"123456789", bytes(range(256)), b"\x80\x80", bytes(1000)):
        out(
            f'  - {{data: "{data.hex()}", packet: "{packet_checksum(data).hex()}",'
            f' table: "{data_checksum(data).hex()}"}}\n'
        )


if __name__ == "__main__":
    main()
