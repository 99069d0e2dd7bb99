"""Requests in blocks and lists that another implementation made: we read them, and ours are the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from dlms_device import Device, name, opened

from adapters.protocols.dlms import apdu
from adapters.protocols.dlms.apdu_common import AttributeDescriptor
from adapters.protocols.dlms.client_settings import PROPOSED
from adapters.protocols.dlms.data import Data, long_unsigned, octet_string, unsigned
from adapters.protocols.dlms.describe import describe
from adapters.protocols.dlms.enums import Conformance
from adapters.protocols.dlms.gbt import BlockStream

GOLDEN = Path(__file__).parents[1] / "golden" / "dlms_gurux_blocks.yaml"
VECTORS: dict[str, list[str]] = yaml.safe_load(GOLDEN.read_text("utf-8"))
OWN_BLOCKS = PROPOSED & ~Conformance.GENERAL_BLOCK_TRANSFER
VALUE = octet_string(bytes(range(100)))


def octets(section: str) -> list[bytes]:
    """Return the APDUs of a section."""
    return [bytes.fromhex(text) for text in VECTORS[section]]


@pytest.mark.parametrize("raw", [raw for section in VECTORS for raw in octets(section)], ids=describe)
def test_golden_block_reads_and_writes_back_to_the_same_octets(raw: bytes) -> None:
    """Every APDU made elsewhere is read, described and encoded again without a difference."""
    assert raw == apdu.decode(raw).encode()
    assert "unreadable" not in describe(raw)


@pytest.mark.parametrize("section", ["set_in_blocks", "action_in_blocks"])
def test_golden_blocks_bring_their_value_to_our_server_whole(section: str) -> None:
    """Our server puts foreign blocks together; each is acknowledged, the last one answered."""
    device = Device(conformance=OWN_BLOCKS, values={name(1): unsigned(0)})
    pair = opened(device, max_pdu=1024)
    answers = [apdu.decode(pair.sent(raw)[0]) for raw in octets(section)]
    acknowledged = [answer.block_number for answer in answers[:-1]]  # type: ignore[union-attr]
    assert list(range(1, len(answers))) == acknowledged
    assert answers[-1].result.label == "success"  # type: ignore[union-attr]
    if section == "set_in_blocks":
        assert [(name(1), VALUE)] == device.written
    else:
        assert [(1, octet_string(bytes(range(110))))] == device.acted


def test_golden_list_is_what_our_client_builds() -> None:
    """Ours differs in nothing but the invoke id and priority."""
    clock = AttributeDescriptor(8, bytes((0, 0, 1, 0, 0, 255)), 2)
    long, short = (AttributeDescriptor(1, name(number), 2) for number in (1, 2))
    client = opened(Device(max_pdu=1024), max_pdu=1024).client
    get = client.get_list([(long, None), (clock, None)])
    assert (octets("get_with_list")[0][:2], octets("get_with_list")[0][3:]) == (get[:2], get[3:])
    client.give_up()
    values: list[tuple[tuple[AttributeDescriptor, None], Data]] = [
        ((long, None), VALUE),
        ((short, None), long_unsigned(5)),
    ]
    put = client.set_list(values)
    assert (octets("set_with_list")[0][:2], octets("set_with_list")[0][3:]) == (put[:2], put[3:])


@pytest.mark.parametrize("section", ["set_in_general_blocks", "action_in_general_blocks"])
def test_golden_general_blocks_are_cut_where_ours_are(section: str) -> None:
    """The same request in general blocks: same data, same numbers, same last block.

    The foreign client streams without asking and acknowledges 65535 in its last block, which has nothing to
    acknowledge: those two fields are not compared.
    """
    theirs = [apdu.decode(raw) for raw in octets(section)]
    whole = b"".join(block.raw for block in theirs)  # type: ignore[union-attr]
    ours = [apdu.decode(raw) for raw in BlockStream(size=57).send(whole, unconfirmed=True)]
    assert [(block.number, block.last, block.raw) for block in theirs] == [  # type: ignore[union-attr]
        (block.number, block.last, block.raw)  # type: ignore[union-attr]
        for block in ours
    ]
