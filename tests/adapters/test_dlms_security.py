"""Suite 0 and the secure channel: policies, titles, tags, counters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.apdu import CIPHERED_TAGS, decode
from adapters.protocols.dlms.secure_channel import DEDICATED_TAG, GLOBAL_TAG, SecureChannel
from adapters.protocols.dlms.security import (
    SUITES,
    CounterReplayed,
    CounterWindow,
    DecipheringFailed,
    InvocationCounter,
    Keys,
    SecurityMissing,
    SecuritySuite0,
    secrets_match,
)

KEYS = Keys(encryption_key=bytes(range(16)), authentication_key=bytes(range(0xD0, 0xE0)))
OURS, THEIRS = b"MBECLNT1", b"MBESERV1"
GET = bytes.fromhex("C001C1000300010000010800FF0200")[:13]


def ends(control: int = 0x30, general: bool = False) -> tuple[SecureChannel, SecureChannel]:
    """Return both ends of a ciphered association."""
    one = SecureChannel(
        suite=SecuritySuite0(KEYS), own_title=OURS, peer_title=THEIRS, control=control, general=general
    )
    other = SecureChannel(
        suite=SecuritySuite0(KEYS), own_title=THEIRS, peer_title=OURS, control=control, general=general
    )
    return one, other


@given(
    st.binary(max_size=300),
    st.binary(min_size=8, max_size=8),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0x10, 0x20, 0x30]),
)
def test_suite_any_text_survives_the_round_trip(
    plain: bytes, title: bytes, counter: int, control: int
) -> None:
    """What one side protects the other unprotects, with the same control and counter."""
    suite = SecuritySuite0(KEYS)
    body = suite.protect(plain, title, counter, control)
    assert (plain, control, counter) == suite.unprotect(body, title)
    assert len(body) == 5 + len(plain) + (12 if control & 0x10 else 0)


@pytest.mark.parametrize("control", [0x10, 0x30])
def test_suite_other_key_title_or_counter_does_not_decipher(control: int) -> None:
    """Each of the things the tag vouches for is needed."""
    suite = SecuritySuite0(KEYS)
    body = suite.protect(GET, OURS, 5, control)
    other_ak = SecuritySuite0(Keys(encryption_key=KEYS.encryption_key, authentication_key=bytes(16)))
    other_ek = SecuritySuite0(Keys(encryption_key=bytes(16), authentication_key=KEYS.authentication_key))
    for wrong in (other_ak, other_ek):
        with pytest.raises(DecipheringFailed):
            wrong.unprotect(body, OURS)
    with pytest.raises(DecipheringFailed):
        suite.unprotect(body, THEIRS)
    with pytest.raises(DecipheringFailed):
        suite.unprotect(body[:4] + b"\x06" + body[5:], OURS)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", RemoteProtocolError),
        (b"\x30\x00\x00\x00", RemoteProtocolError),
        (b"\x00" + bytes(20), SecurityMissing),
        (b"\x31" + bytes(20), RemoteProtocolError),
        (b"\x70" + bytes(20), SecurityMissing),
        (b"\xb0" + bytes(20), SecurityMissing),
        (b"\x30" + bytes(15), DecipheringFailed),
        (b"\x10" + bytes(15), DecipheringFailed),
    ],
)
def test_suite_malformed_body_is_refused(body: bytes, error: type[Exception]) -> None:
    """Headers that are cut, of another suite, or of a kind not built are told apart from wrong tags."""
    with pytest.raises(error):
        SecuritySuite0(KEYS).unprotect(body, OURS)


def test_suite_wrong_arguments_are_our_mistake() -> None:
    """Keys, titles, counters and control octets that do not exist are refused before anything is made."""
    suite = SecuritySuite0(KEYS)
    for title, counter, control in (
        (b"short", 1, 0x30),
        (OURS, -1, 0x30),
        (OURS, 2**32, 0x30),
        (OURS, 1, 0),
        (OURS, 1, 0x31),
    ):
        with pytest.raises(LocalProtocolError):
            suite.protect(GET, title, counter, control)
    with pytest.raises(LocalProtocolError, match="16 octets"):
        Keys(encryption_key=bytes(15), authentication_key=bytes(16))
    with pytest.raises(RemoteProtocolError, match="without a system title"):
        suite.unprotect(suite.protect(GET, OURS, 1), b"")
    assert [suite.number for suite in SUITES.values()] == [0, 1, 2]
    assert repr(suite) == "SecuritySuite0(<keys>)"


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("control", [0x10, 0x20, 0x30])
def test_channel_carries_apdus_both_ways_with_rising_counters(control: int, general: bool) -> None:
    """Each end counts what it sends; general ciphering puts the title in front."""
    ours, theirs = ends(control, general)
    for number in range(3):
        raw = ours.protect(GET)
        assert raw[0] == (0xDB if general else 0xC8)
        unprotected = theirs.unprotect(raw)
        assert (unprotected.apdu, unprotected.counter, unprotected.expected) == (GET, number, number)
        assert decode(raw).encode() == raw
    assert ours.unprotect(theirs.protect(b"\xc4\x01\xc1\x00\x00", general=not general)).counter == 0


def test_channel_dedicated_key_has_tags_and_counters_of_its_own() -> None:
    """Services go with the dedicated key, the initiate exchange stays with the global one."""
    ours, theirs = ends()
    ours.protect(GET)
    dedicated = SecuritySuite0(Keys(encryption_key=bytes(16), authentication_key=KEYS.authentication_key))
    for end in (ours, theirs):
        end.use_dedicated(dedicated)
    raw = ours.protect(GET)
    assert raw[0] == 0xD0
    assert theirs.unprotect(raw).counter == 1
    initiate = ours.protect(b"\x01\x00\x00\x00\x06", general=False)
    assert initiate[0] == 0x21
    assert theirs.unprotect(initiate).counter == 1
    general = ours.protect(GET, general=True)
    assert general[0] == 0xDC
    assert theirs.unprotect(general).counter == 2
    theirs.dedicated = None
    with pytest.raises(RemoteProtocolError, match="without a dedicated key"):
        theirs.unprotect(ours.protect(GET))


def test_channel_counter_moves_only_for_what_was_verified() -> None:
    """A forged APDU with a high counter cannot lock out the honest sender."""
    ours, theirs = ends()
    forged = ours.protect(GET, counter=0xFFFF_FFFF)
    with pytest.raises(DecipheringFailed):
        theirs.unprotect(forged[:-1] + bytes((forged[-1] ^ 1,)))
    assert theirs.received.expected == 0
    honest = ours.protect(GET)
    assert theirs.unprotect(honest).counter == 0
    with pytest.raises(CounterReplayed) as caught:
        theirs.unprotect(honest)
    assert (caught.value.received, caught.value.expected) == (0, 1)


def test_channel_demands_at_least_its_own_protection() -> None:
    """More protection than demanded is welcome, less is not."""
    strong, _ = ends(0x30)
    _, weak = ends(0x10)
    weak.unprotect(strong.protect(GET))
    with pytest.raises(SecurityMissing, match="10 where 30"):
        strong.unprotect(weak.protect(GET))


def test_channel_inner_apdu_has_to_fit_the_outer_tag() -> None:
    """A SET inside a glo-get-request is a trick, and so is nothing at all."""
    ours, theirs = ends()
    raw = ours.protect(GET)
    with pytest.raises(RemoteProtocolError, match="belong together"):
        theirs.unprotect(b"\xc9" + raw[1:])
    empty = ours.suite.protect(b"", OURS, 9)
    with pytest.raises(RemoteProtocolError, match="belong together"):
        theirs.unprotect(bytes((0xC8, len(empty))) + empty)
    for tag in (0xC0, 0x4C, 0xDF):
        with pytest.raises(RemoteProtocolError, match="no tag of a ciphered"):
            theirs.unprotect(bytes((tag,)) + raw[1:])
    with pytest.raises(RemoteProtocolError, match="not agreed on"):
        theirs.unprotect(b"\xdd" + raw[1:])
    assert theirs.received.expected == 0


def test_channel_stranger_with_another_title_is_refused() -> None:
    """general-glo tells a title; it has to be the one the association knows, or the first one verified."""
    ours, theirs = ends(general=True)
    ours.own_title = b"STRANGER"
    with pytest.raises(RemoteProtocolError, match="system title"):
        theirs.unprotect(ours.protect(GET))
    theirs.peer_title = b""
    theirs.unprotect(ours.protect(GET))
    assert theirs.peer_title == b"STRANGER"


def test_channel_apdu_without_ciphered_form_is_our_mistake() -> None:
    """An AARQ is never ciphered as a whole; general ciphering takes a data notification."""
    ours, theirs = ends()
    with pytest.raises(LocalProtocolError, match="no service-specific"):
        ours.protect(b"\x60\x00")
    assert ours.send.next_value == 0
    push = bytes.fromhex("0F0063D76A0003FF")
    with pytest.raises(LocalProtocolError):
        ours.protect(push)
    assert theirs.unprotect(ours.protect(push, general=True)).apdu == push


def test_channel_long_apdus_have_long_lengths() -> None:
    """127 octets of body fit one length octet, 128 do not."""
    ours, theirs = ends()
    for size in (109, 110, 111, 112, 300, 70_000):
        apdu = b"\xc4" + bytes(size)
        raw = ours.protect(apdu)
        assert theirs.unprotect(raw).apdu == apdu


def test_counter_ends_instead_of_wrapping() -> None:
    """After 2^32 - 1 a new key is due."""
    counter = InvocationCounter(0xFFFF_FFFF)
    assert counter.take() == 0xFFFF_FFFF
    with pytest.raises(LocalProtocolError, match="new key"):
        counter.take()
    assert "4294967296" in repr(counter)


def test_counter_window_takes_zero_first_and_never_looks_back() -> None:
    """Strictly increasing from the minimum; gaps are allowed, and looking changes nothing."""
    window = CounterWindow()
    for value in (0, 1, 7):
        window.check(value)
        window.accept(value)
    for value in (0, 6, 7):
        with pytest.raises(CounterReplayed):
            window.check(value)
    window.accept(3)
    assert window.expected == 8
    assert repr(CounterWindow(5)) == "CounterWindow(expected=5)"


def test_secrets_match_compares_whole_secrets() -> None:
    """Equal or not, also for other lengths."""
    assert secrets_match(b"12345678", b"12345678")
    assert not secrets_match(b"12345678", b"12345679")
    assert not secrets_match(b"12345678", b"1234567")


def test_tag_tables_agree_with_the_decoder() -> None:
    """Every ciphered form has an entry in the APDU table, and none stands for two plain ones."""
    assert set(GLOBAL_TAG.values()) | set(DEDICATED_TAG.values()) | {0xDB, 0xDC, 0xDD} == set(CIPHERED_TAGS)
    assert len(set(GLOBAL_TAG.values())) == len(GLOBAL_TAG)
    assert GLOBAL_TAG[0xC0] == 0xC8
    assert DEDICATED_TAG[0xC7] == 0xD7
