# SPDX-License-Identifier: GPL-2.0-only
"""Print DLMS vectors made by gurux-dlms, as YAML; run by hand: python tests/golden/dlms_gurux_vectors.py.

gurux-dlms is GPL-2.0-only, hence the licence of this one file. It is a program of its own, no test and no
part of the product imports it; what it prints was pasted into dlms_gurux.yaml.
"""

import sys
from pathlib import Path

from gurux_dlms.enums import Authentication, DataType, InterfaceType, ObjectType, Security
from gurux_dlms.GXByteBuffer import GXByteBuffer
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.objects import GXDLMSClock, GXDLMSData, GXDLMSDisconnectControl, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

EK = bytes(range(16))
AK = bytes(range(0xD0, 0xE0))
TITLE = bytes.fromhex("4D4D4D0000000001")
CHALLENGE = b"K56iVagY"
SERVER_CHALLENGE = b"P6wRJ21F"
WRAPPER = 8  # octets of the wrapper header in front of each APDU


def apdu(frames: object) -> str:
    frame = frames[0] if isinstance(frames, list) else frames
    return bytes(frame)[WRAPPER:].hex().upper()


def client(authentication, password=None, security=None, counter=0x01234567):
    made = GXDLMSSecureClient(True, 16, 1, authentication, password, InterfaceType.WRAPPER)
    made.settings.useCustomChallenge = True
    made.ctoSChallenge = CHALLENGE
    if security is not None:
        cipher = made.ciphering
        cipher.security = security
        cipher.systemTitle = TITLE
        cipher.blockCipherKey, cipher.authenticationKey = EK, AK
        cipher.invocationCounter = counter
    return made


def services(c) -> dict[str, str]:
    data = GXDLMSData("0.0.42.0.0.255")
    data.setDataType(2, DataType.OCTET_STRING)
    data.value = bytearray(b"METER")
    return {
        "get_register_value": apdu(c.read(GXDLMSRegister("1.0.1.8.0.255"), 2)),
        "get_clock": apdu(c.read(GXDLMSClock("0.0.1.0.0.255"), 2)),
        "set_data": apdu(c.write(data, 2)),
        "action_disconnect": apdu(c.method(GXDLMSDisconnectControl("0.0.96.3.10.255"), 1, 0, DataType.INT8)),
    }


def main() -> None:
    out = sys.stdout.write
    for name, authentication, password, security in (
        ("none", Authentication.NONE, None, None),
        ("lls", Authentication.LOW, b"12345678", None),
        ("gmac-authenticated", Authentication.HIGH_GMAC, None, Security.AUTHENTICATION),
        ("gmac-encrypted", Authentication.HIGH_GMAC, None, Security.ENCRYPTION),
        ("gmac-both", Authentication.HIGH_GMAC, None, Security.AUTHENTICATION_ENCRYPTION),
    ):
        c = client(authentication, password, security)
        out(f"{name}:\n  aarq: {apdu(c.aarqRequest())}\n")
        if authentication == Authentication.HIGH_GMAC:
            c.settings.stoCChallenge = SERVER_CHALLENGE
            out(f"  pass3: {apdu(c.getApplicationAssociationRequest())}\n")
        c.settings.connected = 3
        for key, value in services(c).items():
            out(f"  {key}: {value}\n")
        out(f"  release: {apdu(c.releaseRequest())}\n")
    out("data:\n")
    for kind, value in (
        (DataType.BOOLEAN, True), (DataType.INT8, -5), (DataType.INT16, -300), (DataType.INT32, -70000),
        (DataType.INT64, -5_000_000_000), (DataType.UINT8, 200), (DataType.UINT16, 50000),
        (DataType.UINT32, 4_000_000_000), (DataType.UINT64, 2**63), (DataType.ENUM, 30),
        (DataType.FLOAT32, 1.5), (DataType.FLOAT64, -2.25), (DataType.OCTET_STRING, bytearray(range(130))),
        (DataType.STRING, "METER"), (DataType.STRING_UTF8, "Zähler"), (DataType.BITSTRING, "1011001110"),
    ):  # fmt: skip
        buf = GXByteBuffer()
        _GXCommon.setData(None, buf, kind, value)
        shown = bytes(value).hex() if isinstance(value, bytearray) else value
        out(f"  - {{hex: {bytes(buf.array()).hex().upper()}, type: {kind.name}, value: {shown!r}}}\n")


if __name__ == "__main__":
    assert Path(sys.argv[0]).name.startswith("dlms_gurux")
    assert ObjectType is not None
    main()
