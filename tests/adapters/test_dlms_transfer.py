"""Long values and lists between the client and the server engine: whole both ways, and what damage does."""

from typing import Any

import pytest
from dlms_device import HLS, Device, kinds, name, opened
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from adapters.protocols.dlms import apdu, axdr
from adapters.protocols.dlms.apdu_common import AttributeDescriptor, MethodDescriptor
from adapters.protocols.dlms.budget import Budget
from adapters.protocols.dlms.client_events import (
    ActionAnswered,
    ActionListAnswered,
    GetAnswered,
    GetListAnswered,
    MoreBlocks,
    ServiceRefused,
    SetAnswered,
    SetListAnswered,
    Spoil,
)
from adapters.protocols.dlms.client_settings import PROPOSED
from adapters.protocols.dlms.client_transfer import NotGranted
from adapters.protocols.dlms.data import Data, octet_string, unsigned
from adapters.protocols.dlms.enums import ActionResult, Conformance, DataAccessResult
from adapters.protocols.dlms.server_transfer import Transfers
from adapters.protocols.dlms.state import State

OWN_BLOCKS = PROPOSED & ~Conformance.GENERAL_BLOCK_TRANSFER
ONLY_GENERAL = PROPOSED & ~(
    Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
    | Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
)
WAYS = [
    pytest.param({"conformance": OWN_BLOCKS}, id="service-blocks"),
    pytest.param({"conformance": OWN_BLOCKS, **HLS}, id="service-blocks-ciphered"),
    pytest.param({"conformance": OWN_BLOCKS, "general": True, **HLS}, id="service-blocks-general-glo"),
    pytest.param({"conformance": ONLY_GENERAL}, id="general-blocks"),
    pytest.param({"conformance": ONLY_GENERAL, **HLS}, id="general-blocks-ciphered"),
    pytest.param({"conformance": ONLY_GENERAL, "general": True, **HLS}, id="general-blocks-general-glo"),
    pytest.param({"conformance": PROPOSED, "window": 4}, id="general-blocks-window"),
    pytest.param({"conformance": PROPOSED, "window": 4, **HLS}, id="general-blocks-window-ciphered"),
]


def attribute(number: int, item: int = 2) -> AttributeDescriptor:
    """Return an attribute of the ``number``-th object."""
    return AttributeDescriptor(1, name(number), item)


def method(number: int, item: int = 1) -> MethodDescriptor:
    """Return a method of the ``number``-th object."""
    return MethodDescriptor(1, name(number), item)


def long(octets: int) -> Data:
    """Return a value of which no two places look alike."""
    return octet_string(bytes(number * 7 % 251 for number in range(octets)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("octets", [0, 90, 110, 128, 129, 1000, 5000])
def test_transfer_value_of_any_length_arrives_whole_both_ways(way: dict[str, Any], octets: int) -> None:
    """SET it, GET it, and have a method return it: the same value each time, exactly once."""
    value = long(octets)
    pair = opened(Device(values={name(1): unsigned(0)}), **way)
    ciphered = "keys" in way
    done = pair.ask(pair.client.set(1, name(1), 2, value))
    assert SetAnswered(result=DataAccessResult.SUCCESS, ciphered=ciphered) == done
    assert [(name(1), value)] == pair.device.written
    got = pair.ask(pair.client.get(1, name(1), 2))
    assert isinstance(got, GetAnswered)
    assert value == got.data
    acted = pair.ask(pair.client.action(1, name(1), 1, value))
    assert ActionAnswered(result=ActionResult.SUCCESS, data=value, ciphered=ciphered) == acted
    assert [(1, value)] == pair.device.acted
    assert max(len(raw) for raw in pair.log) <= 128
    assert pair.client.state is pair.server.state is State.ASSOCIATED


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("octets", [1, 60, 300])
def test_transfer_lists_arrive_whole_and_in_order(way: dict[str, Any], octets: int) -> None:
    """Three attributes and three methods at once, one of each unknown; order and results are kept."""
    values = [long(octets), unsigned(7), long(octets + 1)]
    device = Device(values={name(1): unsigned(0), name(3): unsigned(0)})
    pair = opened(device, **way)
    wanted = [((attribute(number), None), value) for number, value in enumerate(values, 1)]
    done = pair.ask(pair.client.set_list(wanted))
    assert isinstance(done, SetListAnswered)
    ok, unknown = DataAccessResult.SUCCESS, DataAccessResult.OBJECT_UNDEFINED
    assert (ok, unknown, ok) == done.results
    assert [(name(1), values[0]), (name(3), values[2])] == device.written
    got = pair.ask(pair.client.get_list([reference for reference, _ in wanted]))
    assert isinstance(got, GetListAnswered)
    assert (values[0], unknown, values[2]) == got.results
    acted = pair.ask(
        pair.client.action_list([(method(1), values[0]), (method(2, 9), unsigned(1)), (method(3, 2), None)])
    )
    assert isinstance(acted, ActionListAnswered)
    assert [outcome.result for outcome in acted.outcomes] == [
        ActionResult.SUCCESS,
        ActionResult.OBJECT_UNDEFINED,
        ActionResult.SUCCESS,
    ]
    assert [values[0], None, None] == [outcome.data for outcome in acted.outcomes]
    assert [(1, values[0]), (2, None)] == device.acted
    assert pair.client.state is pair.server.state is State.ASSOCIATED


@given(st.integers(0, 400), st.integers(64, 200), st.integers(64, 200), st.sampled_from([0, 1, 3, 63]))
@settings(max_examples=60, deadline=None)
def test_transfer_any_value_in_any_block_size_arrives_whole(
    octets: int, ours: int, theirs: int, window: int
) -> None:
    """Whatever the limits of either side: the value that was written is the value that is read."""
    device = Device(values={name(1): unsigned(0)}, max_pdu=theirs)
    pair = opened(device, max_pdu=ours, window=window)
    value = long(octets)
    assert isinstance(pair.ask(pair.client.set(1, name(1), 2, value)), SetAnswered)
    got = pair.ask(pair.client.get(1, name(1), 2))
    assert isinstance(got, GetAnswered)
    assert value == got.data
    acted = pair.ask(pair.client.action(1, name(1), 1, value))
    assert isinstance(acted, ActionAnswered)
    assert value == acted.data


@given(st.binary(max_size=300), st.lists(st.integers(1, 60), min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_transfer_value_cut_anywhere_by_a_foreign_end_arrives_whole(octets: bytes, sizes: list[int]) -> None:
    """However another implementation cuts a value: our server and our client put it together."""
    value = octet_string(octets)
    raw, pieces = axdr.encode_data(value), []
    for size in sizes:
        if len(raw) > size:
            pieces.append(raw[:size])
            raw = raw[size:]
    pieces.append(raw)
    device = Device(max_pdu=1024, values={name(1): value})
    pair = opened(device, max_pdu=1024)
    first, last = attribute(1), len(pieces)
    answer = b""
    for number, piece in enumerate(pieces, 1):
        part = apdu.DataBlock(last=number == last, number=number, raw=piece)
        request: apdu.SetRequest = apdu.SetRequestWithDatablock(invoke=0xC1, block=part)
        if number == 1:
            request = apdu.SetRequestWithFirstDatablock(invoke=0xC1, attribute=first, block=part)
        answer = pair.sent(request.encode())[0]
    done = apdu.SetResponseLastDatablock(invoke=0xC1, result=DataAccessResult.SUCCESS, block_number=last)
    assert answer == done.encode()
    assert [(name(1), value)] == device.written
    invoke = pair.client.get(1, name(1), 2)[2]
    event: object = None
    for number, piece in enumerate(pieces, 1):
        event = pair.client.receive(
            apdu.GetResponseWithDatablock(
                invoke=invoke, last=number == last, block_number=number, raw=piece
            ).encode()
        )
    assert event == GetAnswered(data=value, blocks=last)


def test_transfer_blocks_of_a_set_are_numbered_and_acknowledged_one_by_one() -> None:
    """On the wire: first block, its acknowledgement, the next, and one result at the end."""
    pair = opened(Device(values={name(1): unsigned(0)}), conformance=OWN_BLOCKS)
    pair.ask(pair.client.set(1, name(1), 2, long(300)))
    assert kinds(pair.log) == [
        "SetRequestWithFirstDatablock", "SetResponseDatablock",
        "SetRequestWithDatablock", "SetResponseDatablock",
        "SetRequestWithDatablock", "SetResponseLastDatablock",
    ]  # fmt: skip
    blocks = [apdu.decode(raw) for raw in pair.log[::2]]
    assert [block.block.number for block in blocks] == [1, 2, 3]  # type: ignore[union-attr]
    assert [block.block.last for block in blocks] == [False, False, True]  # type: ignore[union-attr]


def test_transfer_blocks_of_an_action_go_both_ways() -> None:
    """The parameter goes out in blocks, the response comes back in blocks."""
    pair = opened(conformance=OWN_BLOCKS)
    pair.ask(pair.client.action(1, name(1), 1, long(200)))
    assert kinds(pair.log) == [
        "ActionRequestWithFirstPblock", "ActionResponseNextPblock",
        "ActionRequestWithPblock", "ActionResponseWithPblock",
        "ActionRequestNextPblock", "ActionResponseWithPblock",
    ]  # fmt: skip


# --- what was not granted ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "service"),
    [
        (Conformance.GET, "get"),
        (Conformance.SET, "set"),
        (Conformance.ACTION, "action"),
        (Conformance.MULTIPLE_REFERENCES, "get_list"),
        (Conformance.MULTIPLE_REFERENCES, "set_list"),
        (Conformance.MULTIPLE_REFERENCES, "action_list"),
        (Conformance.SELECTIVE_ACCESS, "get_selected"),
    ],
)
def test_transfer_what_was_not_granted_is_not_asked_for(missing: Conformance, service: str) -> None:
    """The client refuses by itself and nothing is sent; what was granted still works."""
    pair = opened(Device(conformance=PROPOSED & ~missing, values={name(1): unsigned(1)}))
    client, reference = pair.client, (attribute(1), None)
    selection = apdu.SelectiveAccess(1, unsigned(1))
    requests = {
        "get": lambda: client.get(1, name(1), 2),
        "set": lambda: client.set(1, name(1), 2, unsigned(1)),
        "action": lambda: client.action(1, name(1), 1),
        "get_list": lambda: client.get_list([reference]),
        "set_list": lambda: client.set_list([(reference, unsigned(1))]),
        "action_list": lambda: client.action_list([(method(1), None)]),
        "get_selected": lambda: client.get(1, name(1), 2, selection),
    }
    with pytest.raises(NotGranted) as caught:
        requests[service]()
    assert missing.labels()[0] in str(caught.value)
    assert client.state is State.ASSOCIATED
    working = "get" if service != "get" else "set"
    assert isinstance(pair.ask(requests[working]()), (GetAnswered, SetAnswered))


@pytest.mark.parametrize(
    "raw",
    [
        "c102c1 0001 000060320 1ff 02 00 00 00000001 02 1105",
        "c104c1 01 0001 0000603201ff 02 00 01 1105",
        "c303c1 01 0001 0000603201ff 01 01 1105",
        "c304c1 0001 0000603201ff 01 01 00000001 02 1105",
        "c001c1 0001 0000603201ff 02 01 01 1105",
        "c101c1 0001 0000603201ff 02 01 01 1105 1106",
        "e0c1 0001 0000 0d c001c100010000603201ff0200",
    ],
)
def test_transfer_server_refuses_what_was_not_negotiated(raw: str) -> None:
    """A client that does not look is told that the service is not supported, and nothing happens."""
    few = Conformance.GET | Conformance.SET | Conformance.ACTION
    pair = opened(Device(conformance=few, values={name(1): unsigned(1)}))
    answer = apdu.decode(pair.sent(bytes.fromhex(raw.replace(" ", "")))[0])
    assert isinstance(answer, apdu.ExceptionResponse)
    assert answer.service.label == "service-not-supported"
    assert pair.device.written == pair.device.acted == []
    assert isinstance(pair.ask(pair.client.get(1, name(1), 2)), GetAnswered)


# --- blocks that do not fit -------------------------------------------------------------------------------


@pytest.mark.parametrize("ciphered", [False, True])
@pytest.mark.parametrize(
    ("service", "spoil", "result"),
    [
        ("get", Spoil.WRONG_BLOCK_NUMBER, DataAccessResult.DATA_BLOCK_NUMBER_INVALID),
        ("get", Spoil.BLOCK_ABORT, DataAccessResult.NO_LONG_GET_IN_PROGRESS),
        ("set", Spoil.WRONG_BLOCK_NUMBER, DataAccessResult.DATA_BLOCK_NUMBER_INVALID),
        ("set", Spoil.BLOCK_ABORT, DataAccessResult.NO_LONG_SET_IN_PROGRESS),
        ("action", Spoil.WRONG_BLOCK_NUMBER, ActionResult.LONG_ACTION_ABORTED),
        ("action", Spoil.BLOCK_ABORT, ActionResult.NO_LONG_ACTION_IN_PROGRESS),
    ],
)
def test_transfer_flaw_in_blocks_is_refused_and_leaves_no_trace(
    service: str, spoil: Spoil, result: DataAccessResult | ActionResult, ciphered: bool
) -> None:
    """A wrong number or a request in between ends the transfer; nothing was written; the next one works."""
    value = long(400)
    pair = opened(Device(values={name(1): long(300)}), conformance=OWN_BLOCKS, **(HLS if ciphered else {}))
    client = pair.client
    if service == "get":
        event = pair.ask(client.get(1, name(1), 2, spoil=spoil))
    elif service == "set":
        event = pair.ask(client.set(1, name(1), 2, value, spoil=spoil))
    else:
        event = pair.ask(client.action(1, name(1), 1, value, spoil=spoil))
    assert isinstance(event, (GetAnswered, SetAnswered, ActionAnswered))
    assert result is event.result
    assert pair.device.written == pair.device.acted == []
    assert client.state is pair.server.state is State.ASSOCIATED
    assert isinstance(pair.ask(client.set(1, name(1), 2, value)), SetAnswered)
    assert [(name(1), value)] == pair.device.written


def test_transfer_flaw_of_blocks_without_blocks_is_our_mistake() -> None:
    """No negative test passes because the value was too short for a second block."""
    pair = opened(Device(values={name(1): unsigned(1)}), conformance=OWN_BLOCKS)
    with pytest.raises(LocalProtocolError, match="nothing to spoil"):
        pair.client.set(1, name(1), 2, unsigned(1), spoil=Spoil.WRONG_BLOCK_NUMBER)
    with pytest.raises(LocalProtocolError, match="nothing to spoil"):
        pair.ask(pair.client.get(1, name(1), 2, spoil=Spoil.BLOCK_ABORT))
    assert isinstance(pair.ask(pair.client.get(1, name(1), 2)), GetAnswered)


def block(number: int, raw: bytes, *, last: bool = False) -> apdu.DataBlock:
    """Return a block."""
    return apdu.DataBlock(last=last, number=number, raw=raw)


@pytest.mark.parametrize(
    ("blocks", "result"),
    [
        ([block(2, b"\x09\x02a")], DataAccessResult.DATA_BLOCK_NUMBER_INVALID),
        ([block(1, b"\x09\x02a"), block(1, b"b", last=True)], DataAccessResult.DATA_BLOCK_NUMBER_INVALID),
        ([block(1, b"\x09\x02a"), block(3, b"b", last=True)], DataAccessResult.DATA_BLOCK_NUMBER_INVALID),
        ([block(1, b"")], DataAccessResult.LONG_SET_ABORTED),
        ([block(1, b"\x09\x02a", last=True)], DataAccessResult.LONG_SET_ABORTED),
        ([block(1, b"\x09\x02a"), block(2, b"bcd", last=True)], DataAccessResult.LONG_SET_ABORTED),
        ([block(1, bytes(90)), block(2, bytes(90))], DataAccessResult.LONG_SET_ABORTED),
    ],
)
def test_transfer_server_ends_a_damaged_long_set_with_its_reason(
    blocks: list[apdu.DataBlock], result: DataAccessResult
) -> None:
    """Numbers out of order, empty and endless blocks, half a value: refused by name, nothing written."""
    device = Device(values={name(1): unsigned(1)})
    transfers = Transfers(device, lambda *_: pytest.fail("no action"), Budget(octets=100))
    first = apdu.SetRequestWithFirstDatablock(invoke=0xC1, attribute=attribute(1), block=blocks[0])
    answer = transfers.set(first)
    for following in blocks[1:]:
        assert transfers.under_way is not None
        answer = transfers.set(apdu.SetRequestWithDatablock(invoke=0xC1, block=following))
    decoded = apdu.decode(answer)
    assert isinstance(decoded, apdu.SetResponseLastDatablock)
    assert (result, blocks[-1].number) == (decoded.result, decoded.block_number)
    assert device.written == []
    assert transfers.under_way is None
    again = apdu.decode(transfers.set(apdu.SetRequestWithDatablock(invoke=0xC1, block=blocks[-1])))
    assert isinstance(again, apdu.SetResponseLastDatablock)
    assert again.result is DataAccessResult.NO_LONG_SET_IN_PROGRESS


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["c502c1 00000002"], "acknowledged where block 1"),
        (["c502c2 00000001"], "invoke id 2"),
        (["c501c1 00"], "before the last block"),
        (["c503c1 00 00000001"], "before the last block"),
        (["c505c1 01 00"], "a list of values where one"),
        (["c502c1 00000001", "c502c1 00000002", "c502c1 00000003"], "none to come"),
        (["c702c1 01 00000001 01 00"], "no place here"),
        (["c704c1 00000001"], "no place here"),
        (["c4 02 c1 00 00000001 00 01 00"], "no place here"),
    ],
)
def test_transfer_client_refuses_answers_a_long_set_cannot_have(answers: list[str], message: str) -> None:
    """Whatever a confused meter acknowledges: a typed error, and the client can give up and go on."""
    pair = opened(Device(values={name(1): unsigned(0)}), conformance=OWN_BLOCKS)
    client = pair.client
    client._invoke_id = 0
    client.set(1, name(1), 2, long(300))
    for answer in answers[:-1]:
        assert isinstance(client.receive(bytes.fromhex(answer.replace(" ", ""))), MoreBlocks)
    with pytest.raises(RemoteProtocolError, match=message):
        client.receive(bytes.fromhex(answers[-1].replace(" ", "")))
    client.give_up()
    assert isinstance(pair.ask(client.get(1, name(1), 2)), GetAnswered)


@pytest.mark.parametrize("service", ["get", "set", "action"])
def test_transfer_confirmed_service_error_is_read_wherever_it_comes(service: str) -> None:
    """An old-style error in answer to any service, in the middle of its blocks too, refuses it."""
    pair = opened(conformance=OWN_BLOCKS)
    client = pair.client
    for octets in (1, 300):
        if service == "get":
            client.get(1, name(1), 2)
        elif service == "set":
            client.set(1, name(1), 2, long(octets))
        else:
            client.action(1, name(1), 1, long(octets))
        event = client.receive(bytes.fromhex("0e050502"))
        assert isinstance(event, ServiceRefused)
        assert client.state is State.ASSOCIATED


def test_transfer_server_gives_up_a_transfer_for_another_request() -> None:
    """A GET in the middle of a long SET ends the SET: nothing is written, both ends agree on it."""
    pair = opened(Device(values={name(1): unsigned(5)}), conformance=OWN_BLOCKS)
    client = pair.client
    pair.sent(client.set(1, name(1), 2, long(300)))
    assert pair.server.state is State.SET_BLOCKS
    client.give_up()
    got = pair.ask(client.get(1, name(1), 2))
    assert isinstance(got, GetAnswered)
    assert got.data == unsigned(5)
    assert pair.device.written == []


def test_transfer_parts_may_hold_the_returned_value_alone() -> None:
    """Some meters leave the result out of the parts of a long response: the value is read all the same."""
    pair = opened(conformance=OWN_BLOCKS)
    pair.client._invoke_id = 0
    pair.client.action(1, name(1), 1)
    assert isinstance(
        pair.client.receive(bytes.fromhex("c702c1 00 00000001 02 0903".replace(" ", ""))), MoreBlocks
    )
    event = pair.client.receive(bytes.fromhex("c702c1 01 00000002 03 616263".replace(" ", "")))
    assert event == ActionAnswered(result=ActionResult.SUCCESS, data=octet_string(b"abc"))


# --- general block transfer -------------------------------------------------------------------------------


def test_transfer_window_lets_blocks_stream() -> None:
    """With a window of 4 the client speaks once for every four blocks of the answer."""
    pair = opened(Device(values={name(1): long(1000)}), window=4)
    pair.ask(pair.client.get(1, name(1), 2))
    blocks = [apdu.decode(raw) for raw in pair.log]
    assert all(isinstance(each, apdu.GeneralBlock) for each in blocks)
    assert [1, *range(1, 10)] == [block.number for block in blocks if block.raw]  # type: ignore[union-attr]
    acknowledgements = [block for block in blocks if not block.raw]  # type: ignore[union-attr]
    assert [block.acknowledged for block in acknowledgements] == [4, 8]  # type: ignore[union-attr]


@pytest.mark.parametrize("lost", range(1, 10))
@pytest.mark.parametrize("ciphered", [False, True])
def test_transfer_lost_general_block_is_sent_again(lost: int, ciphered: bool) -> None:
    """Any one block of the answer may get lost: it is asked for, and the value arrives whole."""
    value = long(900)
    pair = opened(Device(values={name(1): value}), window=4, **(HLS if ciphered else {}))
    client = pair.client
    queue, number, event = pair.sent(client.get(1, name(1), 2)), 0, None
    while not isinstance(event, GetAnswered):
        if not queue:
            queue = pair.sent(client.ask_again())
        raw = queue.pop(0)
        number += 1
        if number == lost:
            continue
        event = client.receive(raw)
        if isinstance(event, MoreBlocks) and event.reply:
            queue = pair.sent(event.reply)
    assert value == event.data


def test_transfer_request_sent_twice_in_general_blocks_is_carried_out_once() -> None:
    """A client that missed the answer asks again: the answer is repeated, the method is not."""
    pair = opened(window=2)
    request = pair.client.action(1, name(1), 1, unsigned(1))
    first = pair.sent(request)
    assert first == pair.sent(pair.client.ask_again())
    assert len(pair.device.acted) == 1
    assert isinstance(pair.client.receive(first[0]), ActionAnswered)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_transfer_damaged_stream_of_blocks_ends_in_a_typed_error_or_the_value(data: st.DataObject) -> None:
    """Blocks lost, doubled, swapped and bent: no other exception, no endless exchange, no wrong write."""
    window = data.draw(st.sampled_from([0, 1, 3]))
    value = long(400)
    pair = opened(Device(values={name(1): value}), window=window)
    client = pair.client
    request = data.draw(st.sampled_from(["get", "set", "action"]))
    if request == "get":
        out = client.get(1, name(1), 2)
    elif request == "set":
        out = client.set(1, name(1), 2, value)
    else:
        out = client.action(1, name(1), 1, value)
    harm = data.draw(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4)), max_size=3))
    queue, count = pair.sent(out), 0
    for _ in range(400):
        if not queue:
            break
        raw = bytearray(queue.pop(0))
        for at, kind in harm:
            if at == count and kind == 0:
                raw = bytearray(raw[: len(raw) // 2])
            elif at == count and kind == 1:
                queue.insert(0, bytes(raw))
            elif at == count and kind == 2:
                raw[data.draw(st.integers(0, min(12, len(raw) - 1)))] ^= 1 << data.draw(st.integers(0, 7))
            elif at == count and kind == 3 and queue:
                raw, queue[0] = bytearray(queue[0]), bytes(raw)
        count += 1
        try:
            event = client.receive(bytes(raw))
        except ProtocolError:
            break
        if isinstance(event, MoreBlocks):
            if event.reply:
                queue = pair.sent(event.reply)
            continue
        break
    else:
        pytest.fail("the exchange does not end")
    for _, written in pair.device.written:
        assert value == written
