# SPDX-License-Identifier: GPL-2.0-only
"""Print requests in blocks and lists made by gurux-dlms, as YAML; run by hand.

gurux-dlms is GPL-2.0-only, hence the licence of this one file. It is a program of its own, no test and no
part of the product imports it; what it prints was pasted into dlms_gurux_blocks.yaml.
"""

import sys

from gurux_dlms.enums import Authentication, Conformance, DataType, InterfaceType
from gurux_dlms.GXWriteItem import GXWriteItem
from gurux_dlms.objects import GXDLMSClock, GXDLMSData
from gurux_dlms.secure import GXDLMSSecureClient

SERVICES = (
    Conformance.GET | Conformance.SET | Conformance.ACTION | Conformance.SELECTIVE_ACCESS
    | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ | Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    | Conformance.BLOCK_TRANSFER_WITH_ACTION | Conformance.MULTIPLE_REFERENCES
)  # fmt: skip
VALUE = bytearray(range(100))
LONGER = bytearray(range(110))  # an ACTION that fills its last block whole never gets its last-block bit
WRAPPER = 8  # octets of the wrapper header in front of each APDU


def client(pdu, conformance=SERVICES):
    made = GXDLMSSecureClient(True, 16, 1, Authentication.NONE, None, InterfaceType.WRAPPER)
    made.settings.connected = 3
    made.settings.maxPduSize = made.settings.maxServerPDUSize = pdu
    made.settings.negotiatedConformance = conformance
    return made


def show(name, frames):
    sys.stdout.write(f"{name}:\n")
    for frame in frames:
        for each in frame if isinstance(frame, list) else [frame]:
            sys.stdout.write(f'  - "{bytes(each)[WRAPPER:].hex().upper()}"\n')


def item(target):
    made = GXWriteItem()
    made.target, made.index, made.selector, made.parameters = target, 2, 0, None
    made.dataType = target.getDataType(2)
    made.getDataType = lambda: target.getDataType(2)
    return made


def main() -> None:
    long, short = GXDLMSData("0.0.96.50.1.255"), GXDLMSData("0.0.96.50.2.255")
    long.setDataType(2, DataType.OCTET_STRING)
    short.setDataType(2, DataType.UINT16)
    long.value, short.value = VALUE, 5
    general = SERVICES | Conformance.GENERAL_BLOCK_TRANSFER
    show("set_in_blocks", client(64).write(long, 2))
    show("action_in_blocks", client(64).method(long, 1, LONGER, DataType.OCTET_STRING))
    show("get_with_list", client(1024).readList([(long, 2), (GXDLMSClock("0.0.1.0.0.255"), 2)]))
    show("set_with_list", client(1024).writeList([item(long), item(short)]))
    show("set_in_general_blocks", client(64, general).write(long, 2))
    show("action_in_general_blocks", client(64, general).method(long, 1, VALUE, DataType.OCTET_STRING))


if __name__ == "__main__":
    main()
