"""A gurux-dlms client that speaks through stdin and stdout; run as a process of its own, never imported.

    python hdlc_gurux_witness.py ADDRESS_OCTETS PHYSICAL MAX_INFO WINDOW

Writes ``tx HEX`` for what it sends and expects a line of hex in return; at the end one line
``done READ_VALUE_HEX``. It connects, associates, reads an octet string, writes a long one, disconnects.
gurux-dlms is GPL-2.0: this script is a test's witness and no part of the product.
"""

import sys

from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, DataType, InterfaceType
from gurux_dlms.objects import GXDLMSData

ADDRESS_OCTETS, PHYSICAL, MAX_INFO, WINDOW = (int(argument) for argument in sys.argv[1:5])


def exchange(client, frame, reply):
    """Send one frame and feed what comes back until gurux has a whole answer."""
    buffer = GXByteBuffer()
    sys.stdout.write(f"tx {bytes(frame).hex()}\n")
    sys.stdout.flush()
    buffer.set(bytes.fromhex(sys.stdin.readline()))
    if not client.getData(buffer, reply, GXReplyData()):
        raise SystemExit("incomplete answer")
    if reply.error:
        raise SystemExit(f"error {reply.error}")


def converse(client, frames, reply):
    """Send the frames of one request and fetch all segments of the answer."""
    for frame in frames if isinstance(frames, list) else [frames]:
        reply.clear()
        exchange(client, frame, reply)
    while reply.isMoreData():
        exchange(client, client.receiverReady(reply), reply)


server = GXDLMSClient.getServerAddress(1, PHYSICAL, ADDRESS_OCTETS) if ADDRESS_OCTETS > 1 else 1
client = GXDLMSClient(True, 16, server, Authentication.NONE, None, InterfaceType.HDLC)
client.serverAddressSize = ADDRESS_OCTETS
client.hdlcSettings.maxInfoRX = client.hdlcSettings.maxInfoTX = MAX_INFO
client.hdlcSettings.windowSizeRX = client.hdlcSettings.windowSizeTX = WINDOW

reply = GXReplyData()
exchange(client, client.snrmRequest(), reply)
client.parseUAResponse(reply.data)
reply.clear()
converse(client, client.aarqRequest(), reply)
client.parseAareResponse(reply.data)

data = GXDLMSData("0.0.96.1.0.255")
data.setDataType(2, DataType.OCTET_STRING)
reply.clear()
converse(client, client.read(data, 2), reply)
value = bytes(reply.value)
data.value = bytearray(value)
reply.clear()
converse(client, client.write(data, 2), reply)
reply.clear()
exchange(client, client.disconnectRequest(True), reply)
sys.stdout.write(f"done {value.hex()}\n")
