"""The SCPI parser and the controller's words."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols import scpi
from adapters.protocols.scpi import CommandError, CommandTree, ScpiParser

DONE: list[tuple[str, tuple[int, ...], list[str]]] = []


def instrument() -> ScpiParser:
    """Return a parser for a small instrument that keeps what it was told in ``DONE``."""
    DONE.clear()
    tree = CommandTree()

    def keep(name: str) -> scpi.Setter:
        def setter(suffixes: tuple[int, ...], arguments: Sequence[str]) -> None:
            DONE.append((name, suffixes, list(arguments)))

        return setter

    def limited(suffixes: tuple[int, ...], arguments: Sequence[str]) -> None:
        (value,) = scpi.numbers(arguments, 1)
        if value > 10:
            raise CommandError(-222, str(value))
        DONE.append(("limited", suffixes, [str(value)]))

    parser = ScpiParser(tree)
    tree.on("*IDN", query=lambda *_: "MAKER,MODEL,1,2")
    tree.on("*CLS", setter=lambda *_: parser.clear())
    tree.on("SYSTem:ERRor[:NEXT]", query=lambda *_: parser.next_error())
    tree.on("[SOURce:]PHASe#:VOLTage:RANGe", setter=keep("range"), query=lambda s, _: f"range {s[0]}")
    tree.on("[SOURce:]PHASe#:VOLTage:MHARmonics:HARMonic#", setter=keep("harmonic"))
    tree.on("[SOURce:]PHASe#:VOLTage:MHARmonics:STATe", setter=keep("state"))
    tree.on("OUTPut[:STATe]", setter=keep("output"), query=lambda *_: "1")
    tree.on("LIMited", setter=limited)
    tree.on("NAME", setter=keep("name"))
    return parser


@pytest.mark.parametrize(
    "header",
    ["SOUR:PHAS2:VOLT:RANG", "source:phase2:voltage:range", ":PHAS2:VOLTAGE:RANG", "phas2:Volt:Range"],
)
def test_scpi_header_in_short_or_long_form_and_any_case_is_the_same(header: str) -> None:
    """Also with the optional node left out and with a leading colon."""
    parser = instrument()
    assert parser.receive_data(f"{header} 0,360\r\n{header}?\n".encode()) == b"range 2\n"
    assert DONE == [("range", (2,), ["0", "360"])]


@pytest.mark.parametrize(
    "header", ["SOURC:PHAS1:VOLT:RANG", "PHA:VOLT:RANG", "VOLT2:RANG", "PHAS1:VOLT2:RANG", "X"]
)
def test_scpi_header_between_short_and_long_form_is_undefined(header: str) -> None:
    """Only the two forms are words; a suffix where none belongs is an undefined header too."""
    parser = instrument()
    assert parser.receive_data(f"{header} 1\n".encode()) == b""
    assert parser.next_error().startswith('-113,"Undefined header')


def test_scpi_compound_message_continues_at_the_level_of_the_header_before() -> None:
    """After ';' the path goes on above the last word; common commands leave it alone, ':' resets it."""
    parser = instrument()
    answer = parser.receive_data(b"SOUR:PHAS3:VOLT:MHAR:HARM1 230,0;STAT 1;*IDN?;STAT 0;:OUTP ON;:OUTP?\n")
    assert answer == b"MAKER,MODEL,1,2;1\n"
    assert DONE == [
        ("harmonic", (3, 1), ["230", "0"]),
        ("state", (3,), ["1"]),
        ("state", (3,), ["0"]),
        ("output", (), ["ON"]),
    ]
    assert parser.next_error() == '0,"No error"'


def test_scpi_error_ends_the_message_and_queues_in_order() -> None:
    """Units after the first error are not carried out; the queue is first in, first out."""
    parser = instrument()
    parser.receive_data(b"LIM 11;:OUTP ON\nNONSENSE\nLIM\nLIM 1,2\nLIM x\nLIM 3\n\n;;\n")
    assert DONE == [("limited", (), ["3"])]
    numbers = [scpi.error_of(parser.next_error())[0] for _ in range(6)]
    assert numbers == [-222, -113, -109, -108, -104, 0]


def test_scpi_error_queue_overflow_and_clear() -> None:
    """A full queue says in its last place that there were more; *CLS empties it."""
    parser = instrument()
    parser.receive_data(b"NONSENSE\n" * (scpi.MAX_QUEUE + 5))
    numbers = [scpi.error_of(parser.next_error())[0] for _ in range(scpi.MAX_QUEUE + 1)]
    assert numbers == [-113] * (scpi.MAX_QUEUE - 1) + [-350, 0]
    parser.receive_data(b"NONSENSE\n*CLS\n")
    assert parser.next_error() == '0,"No error"'


def test_scpi_strings_may_hold_separators() -> None:
    """A quoted parameter keeps its commas and semicolons; one without an end is a syntax error."""
    parser = instrument()
    parser.receive_data(b'NAME "a,b;c",\'d\'\nNAME "open\n')
    assert DONE == [("name", (), ['"a,b;c"', "'d'"])]
    assert parser.next_error().startswith("-102,")


def test_scpi_message_that_never_ends_costs_no_memory() -> None:
    """Past 4096 octets a message is thrown away whole and reported; the next one is understood."""
    parser = instrument()
    for _ in range(100):
        assert parser.receive_data(b"A" * 1000) == b""
    assert parser.receive_data(b"B\n*IDN?\n") == b"MAKER,MODEL,1,2\n"
    assert parser.next_error().startswith("-363,")


@given(st.lists(st.binary(max_size=60), max_size=12))
def test_scpi_any_octets_in_any_pieces_never_raise(pieces: list[bytes]) -> None:
    """Whatever arrives, in whatever pieces: answers and errors, no exception; pieces make no difference."""
    parser, whole = instrument(), instrument()
    answers = b"".join(parser.receive_data(piece) for piece in pieces)
    assert whole.receive_data(b"".join(pieces)) == answers
    assert parser.receive_data(b"\n*IDN?\n").endswith(b"MAKER,MODEL,1,2\n")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9))
def test_scpi_numbers_are_exact(value: Decimal) -> None:
    """A number travels as its decimal digits."""
    assert scpi.number(str(value)) == value
    assert scpi.number(f"{value:E}") == value


@pytest.mark.parametrize("text", ["", "-", ".", "1e", "1e9999", "0x10", "1 2", "nan", "Infinity", "1_000"])
def test_scpi_what_is_no_number_is_a_data_type_error(text: str) -> None:
    """Python would take some of these."""
    with pytest.raises(CommandError) as caught:
        scpi.number(text)
    assert caught.value.number == -104


def test_scpi_tree_refuses_a_header_twice_and_one_without_a_short_form() -> None:
    """A mistake in an instrument's tables is found when it is built."""
    tree = CommandTree()
    tree.on("VOLTage", query=lambda *_: "1")
    with pytest.raises(LocalProtocolError, match="twice"):
        tree.on("VOLTage", query=lambda *_: "1")
    with pytest.raises(LocalProtocolError, match="short form"):
        tree.on("voltage", query=lambda *_: "1")


def test_scpi_program_message_roots_every_unit() -> None:
    """What the controller sends means the same wherever the one before it ended."""
    assert scpi.program_message("SOUR:FREQ 50", "*OPC?") == b":SOUR:FREQ 50;*OPC?\n"
    with pytest.raises(LocalProtocolError):
        scpi.program_message("FREQ 50\nOUTP ON")
    with pytest.raises(LocalProtocolError):
        scpi.program_message("")


def test_scpi_answers_are_taken_line_by_line_within_bounds() -> None:
    """Half an answer waits; one without an end is a protocol error, not a growing buffer."""
    buffer = bytearray(b'1.5\r\n0,"No')
    assert scpi.answer_line(buffer) == "1.5"
    assert scpi.answer_line(buffer) is None
    assert buffer == b'0,"No'
    with pytest.raises(RemoteProtocolError):
        scpi.answer_line(bytearray(5000))


def test_scpi_error_answer_is_read_or_refused() -> None:
    """Number and text; anything else is the instrument's mistake."""
    assert scpi.error_of('-222,"Data out of range;400"') == (-222, "Data out of range;400")
    assert scpi.error_of('+0, "No error"') == (0, "No error")
    with pytest.raises(RemoteProtocolError):
        scpi.error_of("ERROR")


@given(st.lists(st.integers(0, 99999), min_size=1, max_size=20))
def test_scpi_channel_list_is_read_as_it_was_written(listed: list[int]) -> None:
    """Order and repetition are kept."""
    assert scpi.channels([scpi.channel_list(listed)]) == tuple(listed)


def test_scpi_channel_list_ranges_are_written_out_within_measure() -> None:
    """Upwards and downwards, with blanks; a thousand channels and no more."""
    assert scpi.channels(["(@1:3,7, 5 : 4)"]) == (1, 2, 3, 7, 5, 4)
    assert len(scpi.channels(["(@1:1000)"])) == scpi.MAX_CHANNELS
    for too_many in ("(@0:1000)", "(@1:1000,1)", "(@0:99999)", "(@99999:0)"):
        with pytest.raises(CommandError) as caught:
            scpi.channels([too_many])
        assert caught.value.number == -222


@pytest.mark.parametrize(
    "text", ["", "1", "(1)", "(@)", "(@1", "(@a)", "(@1,,2)", "(@1:)", "(@-1)", "(@1!2)"]
)
def test_scpi_what_is_no_channel_list_is_an_invalid_expression(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(CommandError) as caught:
        scpi.channels([text])
    assert caught.value.number == -171


def test_scpi_channel_list_that_cannot_be_is_our_mistake() -> None:
    """An empty one and a negative channel."""
    for listed in ([], [-1]):
        with pytest.raises(LocalProtocolError):
            scpi.channel_list(listed)
