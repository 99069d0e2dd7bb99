"""The demo container of a firmware image: what is built is read, what is spoilt is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import RemoteProtocolError
from adapters.profiles.firmware_container import MAGIC, SIGNATURE_OCTETS, FirmwareContainer
from adapters.roles import FirmwareFile
from virtual_rig import demo_vendor

IMAGES = Path(__file__).parents[2] / "testplans" / "dlms" / "images"
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)


@given(meter_type=NAMES, version=NAMES, payload=st.binary(max_size=200))
def test_container_any_image_is_read_as_it_was_built(meter_type: str, version: str, payload: bytes) -> None:
    """Building and reading are inverse, and the signature survives them."""
    made = FirmwareContainer(meter_type=meter_type, version=version, payload=payload).signed(
        demo_vendor.test_key()
    )
    read = FirmwareContainer.from_octets(made.octets)
    assert made == read
    assert read.is_signed_by(demo_vendor.test_key().public_key())


@given(at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_container_any_flipped_bit_is_refused_or_unsigned(at: int, bit: int) -> None:
    """No single bit can be changed without the header or the signature telling."""
    octets = bytearray(demo_vendor.image("1.26.0", octets=64).octets)
    octets[at % len(octets)] ^= 1 << bit
    try:
        read = FirmwareContainer.from_octets(bytes(octets))
    except RemoteProtocolError:
        return
    assert not read.is_signed_by(demo_vendor.test_key().public_key())


@given(octets=st.binary(max_size=120), magic=st.booleans())
def test_container_any_octets_end_in_one_error_type(octets: bytes, magic: bool) -> None:
    """Garbage is refused with its octets kept, whatever it begins with."""
    raw = MAGIC + octets if magic else octets
    with pytest.raises(RemoteProtocolError) as caught:
        FirmwareContainer.from_octets(raw)
    assert raw[:64] == caught.value.data


def test_container_another_key_is_not_the_vendors() -> None:
    """A well-formed signature of somebody else does not count."""
    other = ec.derive_private_key(12345, ec.SECP256R1())
    made = demo_vendor.image("1.26.0", octets=64)
    assert not made.signed(other).is_signed_by(demo_vendor.test_key().public_key())
    assert not made.is_signed_by(other.public_key())


@pytest.mark.parametrize("name", sorted(demo_vendor.demo_images()))
def test_demo_image_committed_is_what_the_builder_makes(name: str) -> None:
    """The files beside the plans come from the script that documents them, but for the signature's nonce."""
    committed = FirmwareContainer.from_octets((IMAGES / name).read_bytes())
    built = demo_vendor.demo_images()[name]
    assert built.unsigned_octets == committed.unsigned_octets
    assert committed.is_signed_by(demo_vendor.test_key().public_key())
    assert len(committed.signature) == SIGNATURE_OCTETS


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (None, "cannot be read: No such file or directory; its path is relative to the plan"),
        (demo_vendor.image("1.26.0").octets[:-100], "is damaged: not a firmware image: its header promises"),
        (MAGIC, "is damaged: not a firmware image: 4 octets are no header"),
    ],
    ids=["empty", "absent", "cut-off", "magic-only"],
)
def test_firmware_file_bad_is_said_in_words(tmp_path: Path, content: bytes | None, words: str) -> None:
    """What cannot be sent is refused with the name the plan gives it, and what is wrong."""
    path = tmp_path / "new.img"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        FirmwareFile.from_plan_file(path, "images/new.img")
    assert words in str(caught.value)
    assert "`images/new.img`" in str(caught.value)


def test_firmware_file_of_another_vendor_is_taken_as_it_is(tmp_path: Path) -> None:
    """An unknown format only has to be there."""
    (tmp_path / "vendor.bin").write_bytes(b"\x7fELF")
    assert FirmwareFile.from_plan_file(tmp_path / "vendor.bin", "vendor.bin").octets == b"\x7fELF"
