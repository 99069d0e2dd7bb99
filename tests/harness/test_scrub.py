"""Secrets in every notation, and text that attacks a report."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scrub import Scrubber, visible

KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
PASSWORD = 'pässw0rd<&>"x'
CANARIES: dict[str, str | bytes] = {
    "key": KEY.hex().upper(),
    "raw": bytes(range(0xC0, 0xD0)),
    "password": PASSWORD,
}


def octets_of(name: str) -> bytes:
    """Return a canary as octets."""
    secret = CANARIES[name]
    if isinstance(secret, bytes):
        return secret
    return KEY if name == "key" else secret.encode()


NOTATIONS = {
    "hex lower": lambda o: o.hex(),
    "hex upper": lambda o: o.hex().upper(),
    "hex spaced": lambda o: o.hex(" "),
    "hex colons": lambda o: o.hex(":").upper(),
    "hex in groups": lambda o: o.hex(" ", 4),
    "hex wrapped": lambda o: o[:5].hex(" ") + "\n    " + o[5:].hex(" "),
    "hex with 0x": lambda o: ", ".join(f"0x{b:02X}" for b in o),
    "hex escaped": lambda o: "".join(f"\\x{b:02x}" for b in o),
    "repr": repr,
    "repr of text": lambda o: repr(o.decode("latin-1")),
    "base64": lambda o: base64.b64encode(o).decode(),
    "base64 in a header": lambda o: base64.b64encode(b"user:" + o + b"!").decode(),
    "base64 for a URL": lambda o: base64.urlsafe_b64encode(o).decode(),
    "percent": lambda o: urllib.parse.quote_from_bytes(o, safe=""),
    "percent everything": lambda o: "".join(f"%{b:02X}" for b in o),
    "decimal list": lambda o: str(list(o)),
    "decimal tuple": lambda o: str(tuple(o)),
    "latin-1": lambda o: o.decode("latin-1"),
    "utf-8": lambda o: o.decode("utf-8", "surrogateescape"),
    "json": lambda o: json.dumps({"k": o.decode("latin-1")}),
}


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("canary", CANARIES)
def test_secret_in_any_notation_is_taken_out(canary: str, notation: str) -> None:
    """Neither the notation nor half of the octets in plain hexadecimal is left."""
    octets = octets_of(canary)
    written = NOTATIONS[notation](octets)
    clean = Scrubber(CANARIES).text(f"before {written} after")
    assert written not in clean
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    bare = "".join(c for c in clean.lower() if c in "0123456789abcdef")
    assert octets.hex()[: len(octets)] not in bare


def test_text_without_secret_is_untouched() -> None:
    """An ordinary line of a transcript stays as it is."""
    line = "TX 7E A0 07 03 21 93 0F 01 7E  SNRM  client 16, server 1"
    assert line == Scrubber(CANARIES).text(line)


def test_octets_keep_their_length() -> None:
    """A capture stays decodable: the secret is blanked, nothing moves."""
    data = b"\x60\x36" + KEY + b"tail" + KEY.hex().encode()
    clean = Scrubber(CANARIES).octets(data)
    assert len(data) == len(clean)
    assert KEY not in clean
    assert KEY.hex().encode() not in clean
    assert clean.endswith(b"*" * 32)


def test_secret_too_short_to_be_told_from_chance_is_left() -> None:
    """Blanking every ``12`` would destroy the evidence and protect nothing."""
    assert Scrubber({"pin": "12"}).text("12 V") == "12 V"


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[2J\x1b]0;owned\x07",
        "a\x00b",
        "\u202egnp.exe",
        "\udc80",
        "\u2028",
        "\ufeff",
        "\r",
        "\x9b31m",
        "\ufffe",
    ],
)
def test_hostile_text_becomes_visible(hostile: str) -> None:
    """Nothing that steers a terminal, reverses text or breaks XML is left; what it was can be read."""
    clean = visible(f"name: {hostile}")
    assert "\\" in clean
    assert clean.isprintable()
    clean.encode("utf-8")


def test_huge_text_is_cut_and_says_so() -> None:
    """A device that sends a megabyte does not get a megabyte into the report."""
    clean = visible("x" * 1_000_000, limit=100)
    assert len(clean) < 150
    assert "999900 more characters" in clean


@given(st.text(alphabet=st.characters(), max_size=200))
def test_any_text_comes_out_fit_for_xml_and_json(text: str) -> None:
    """Whatever a device says, the result can be encoded and has no control character but tab, newline."""
    clean = Scrubber(CANARIES).text(text)
    clean.encode("utf-8")
    assert not any(ord(c) < 32 and c not in "\t\n" for c in clean)


@given(st.binary(max_size=40), st.binary(max_size=40), st.sampled_from(sorted(NOTATIONS)))
def test_secret_between_any_neighbours_is_taken_out(before: bytes, after: bytes, notation: str) -> None:
    """A hex dump around the secret does not hide it."""
    text = f"{before.hex()} {NOTATIONS[notation](KEY)} {after.hex()}"
    clean = Scrubber({"key": KEY}).text(text)
    assert KEY.hex() not in "".join(c for c in clean.lower() if c in "0123456789abcdef")


@given(st.integers(0, 2000), st.integers(0, 2000), st.sampled_from(sorted(NOTATIONS)))
def test_secret_at_any_place_of_a_text_of_any_length_is_taken_out(
    before: int, after: int, notation: str
) -> None:
    """Long texts are looked at here and there only; wherever the secret stands, it is found."""
    written = NOTATIONS[notation](KEY)
    text = "g" * before + " " + written + " " + "g" * after
    assert written not in Scrubber(CANARIES | {"key": KEY}).redact(text)


def test_secret_that_becomes_known_later_is_found_in_what_was_clean_before() -> None:
    """What became of a text is remembered only as long as the secrets are the same."""
    scrubber = Scrubber({"other": "something else"})
    assert scrubber.text(f"key {KEY.hex()}") == f"key {KEY.hex()}"
    assert scrubber.octets(b"key " + KEY) == b"key " + KEY
    scrubber.add("key", KEY)
    assert scrubber.text(f"key {KEY.hex()}") == "key [secret key]"
    assert scrubber.octets(b"key " + KEY) == b"key " + b"*" * len(KEY)


@pytest.mark.parametrize("length", [0, 300, 900, 2000, 100_000])
def test_secret_among_any_number_of_octets_is_blanked(length: int) -> None:
    """Short pieces are searched in another way than long ones; both find the secret, at either end."""
    scrubber = Scrubber(CANARIES)
    for data in (bytes(length) + KEY, KEY + bytes(length), bytes(length) + KEY.hex().encode() + b"!"):
        clean = scrubber.octets(data)
        assert len(clean) == len(data)
        assert clean.count(b"*") in (len(KEY), 2 * len(KEY))
