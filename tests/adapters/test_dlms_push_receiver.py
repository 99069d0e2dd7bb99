"""The receiving end of a push: what is taken, what is reported, and that no octets hurt it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.apdu_other import DataNotification
from adapters.protocols.dlms.push_receiver import Push, PushReceiver, PushSecurity
from adapters.protocols.dlms.secure_channel import SecureChannel
from adapters.protocols.dlms.security import InvocationCounter, Keys, SecuritySuite0
from adapters.protocols.dlms.wrapper import encode_message

TITLE, OTHER = bytes.fromhex("4d43533101cb7a59"), bytes.fromhex("4d435331deadbeef")
SUITE = SecuritySuite0(Keys(encryption_key=bytes(range(16)), authentication_key=bytes(range(16, 32))))
PLAIN = DataNotification(long_invoke=7, date_time=b"", body=dlms.structure(dlms.unsigned(5))).encode()


def receiver(titles: frozenset[bytes] = frozenset()) -> PushReceiver:
    """Return a receiver that demands authenticated encryption."""
    return PushReceiver(PushSecurity(suite=SUITE, titles=titles))


def protected(counter: int = 1, title: bytes = TITLE, control: int = 0x30, apdu: bytes = PLAIN) -> bytes:
    """Return a wrapped, protected push."""
    channel = SecureChannel(suite=SUITE, own_title=title, send=InvocationCounter(counter), control=control)
    return encode_message(1, 1, channel.protect(apdu, general=True))


def all_of(taker: PushReceiver, *pieces: bytes) -> list[Push]:
    """Return what comes of a stream in ``pieces``."""
    stream, found = taker.connection(), []
    for piece in pieces:
        stream.receive_data(piece)
        while (push := stream.next_push()) is not None:
            found.append(push)
    return found


def test_notification_golden_octets_are_read() -> None:
    """The plain push of the Green Book's tag 0F, written out by hand, is read field by field."""
    octets = bytes.fromhex("0001 0001 0010 000a 0f 00000007 00 0201 1105".replace(" ", ""))
    push = PushReceiver().datagram(octets)
    assert (push.source, push.destination, push.fault) == (1, 16, "")
    assert DataNotification(long_invoke=7, date_time=b"", body=dlms.structure(dlms.unsigned(5))) == (
        push.notification
    )


def test_protected_push_is_taken_with_its_sender_and_counter() -> None:
    """A push with the right key is opened and says who sent it with which counter."""
    push = receiver().datagram(protected(9))
    assert (push.fault, push.system_title, push.counter, push.control) == ("", TITLE, 9, 0x30)


@pytest.mark.parametrize(
    ("datagram", "fault"),
    [
        (encode_message(1, 1, PLAIN), "unprotected"),
        (protected(control=0x10), "unprotected"),
        (protected()[:-1] + bytes((protected()[-1] ^ 1,)), "deciphering-failed"),
        (protected(title=OTHER), "unknown-sender"),
        (protected(apdu=bytes.fromhex("c401410011ff")), "malformed"),
        (encode_message(1, 1, b"\x0f\x00"), "malformed"),
        (encode_message(1, 1, b""), "malformed"),
        (b"\x00\x01", "malformed"),
    ],
)
def test_push_that_cannot_be_trusted_is_reported_and_not_taken(datagram: bytes, fault: str) -> None:
    """What is wrong with a push has a name of its own, and nothing of its contents is shown."""
    taker = receiver(titles=frozenset({TITLE}))
    push = taker.datagram(datagram)
    assert (fault, None) == (push.fault, push.notification)
    assert taker.datagram(protected(1)).fault == ""  # and it moved no counter


def test_counter_that_was_used_is_replayed_and_senders_count_apart() -> None:
    """The same or a lower counter is reported; another sender's counters are its own."""
    taker = receiver()
    faults = [
        taker.datagram(each).fault
        for each in (protected(5), protected(5), protected(4), protected(6), protected(1, OTHER))
    ]
    assert faults == ["", "replayed-counter", "replayed-counter", "", ""]


def test_forged_counter_does_not_move_the_window() -> None:
    """A huge counter with a bad tag locks nobody out."""
    taker = receiver()
    forged = bytearray(protected(0xFFFF_FFF0))
    forged[-1] ^= 1
    assert taker.datagram(bytes(forged)).fault == "deciphering-failed"
    assert taker.datagram(protected(1)).fault == ""


def test_protected_push_without_a_key_cannot_be_opened() -> None:
    """A receiver without keys says so."""
    assert PushReceiver().datagram(protected()).fault == "deciphering-failed"


@given(st.data())
def test_stream_cut_anywhere_gives_the_same_pushes(data: st.DataObject) -> None:
    """How the kernel cuts a stream makes no difference."""
    octets = protected(1) + protected(2) + encode_message(1, 1, PLAIN)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=6)))
    edges = [0, *cuts, len(octets)]
    pieces = [octets[a:b] for a, b in pairwise(edges) if a < b]
    assert [push.fault for push in all_of(receiver(), *pieces, b"")] == ["", "", "unprotected"]


def test_stream_that_ends_within_a_push_reports_it() -> None:
    """A connection lost half-way leaves one malformed push, not silence."""
    assert [push.fault for push in all_of(receiver(), protected()[:-3], b"")] == ["malformed"]


def test_stream_out_of_step_reports_once() -> None:
    """After octets that are no wrapper, nothing of that stream is believed any more."""
    assert [push.fault for push in all_of(receiver(), b"\x00\x07" * 8, protected(), b"")] == ["malformed"]


@given(st.binary(max_size=200))
def test_any_octets_are_judged_and_never_raise(octets: bytes) -> None:
    """Whatever arrives becomes a finding."""
    taker = receiver()
    assert taker.datagram(octets).fault
    assert taker.datagram(encode_message(1, 1, octets)).fault
    for push in all_of(taker, octets, b""):
        assert push.fault
