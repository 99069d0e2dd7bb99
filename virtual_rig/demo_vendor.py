"""The virtual vendor of the virtual MCS301: its key, and the demo images the shipped plans transfer.

    python -m virtual_rig.demo_vendor testplans/dlms/images

writes them anew. The private key is a TEST key: it is derived from a sentence in this file, anybody has it,
and it protects nothing. A real meter does not know it and refuses every image made here.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from adapters.profiles.firmware_container import FirmwareContainer

METER_TYPE = "MCS301"
BOOT_MARK = b"BOOT"  # what the boot loader's self-test wants at the start of a payload
PAYLOAD_OCTETS = 4000  # with header and signature eight blocks of 512 octets and a short one

_TEST_KEY_SENTENCE = b"MeterBench virtual vendor: a test key, worth nothing"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (FIPS 186-4)


def test_key() -> ec.EllipticCurvePrivateKey:
    """Return the vendor's private TEST key."""
    scalar = int.from_bytes(hashlib.sha256(_TEST_KEY_SENTENCE).digest(), "big") % (_ORDER - 1) + 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def image(
    version: str, *, meter_type: str = METER_TYPE, boots: bool = True, octets: int = PAYLOAD_OCTETS
) -> FirmwareContainer:
    """Return a signed image whose payload is a pattern made from its version; it ``boots`` or it does not."""
    pattern = hashlib.shake_256(f"{meter_type} {version}".encode("ascii")).digest(octets)
    payload = (BOOT_MARK if boots else bytes(len(BOOT_MARK))) + pattern[len(BOOT_MARK) :]
    return FirmwareContainer(meter_type=meter_type, version=version, payload=payload).signed(test_key())


def demo_images() -> dict[str, FirmwareContainer]:
    """Return the images of the shipped plans by file name."""
    return {
        "mcs301-1.26.0.img": image("1.26.0"),
        "mcs301-1.27.0.img": image("1.27.0"),
        "mcs301-1.28.0-does-not-boot.img": image("1.28.0", boots=False),
        "mcs401-1.26.0.img": image("1.26.0", meter_type="MCS401"),
    }


def main(folder: str) -> None:
    """Write the demo images to ``folder``."""
    for name, made in demo_images().items():
        (Path(folder) / name).write_bytes(made.octets)


if __name__ == "__main__":
    main(sys.argv[1])
