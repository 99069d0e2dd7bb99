"""Virtual secured endpoints, in octets: levels, sessions, one-time commands, material that is no good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.protocols.endpoint_link import material, messages
from adapters.protocols.endpoint_link.frames import Frame
from adapters.protocols.endpoint_link.signing import PrivateKey
from adapters.protocols.endpoint_link.words import Command, Level, Reason, Switch
from tests.virtual_rig.endpoint_host import (
    BASIC,
    COMMAND,
    ENHANCED,
    FULL,
    LONG_S,
    NETWORK,
    SHORT_S,
    WATER,
    Lab,
    done,
)

OK, SECURE, SESSION, NONE, BAD = (
    "done",
    "secure-command-required",
    "session-required",
    "not-available",
    "bad-authorization",
)
MENU = (
    Command.CHECK,
    Command.PROGRAM,
    Command.RESET,
    Command.CONNECT,
    Command.DISCONNECT,
    Command.CLOSE_SESSION,
)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Endpoints that obey."""
    with Lab() as made:
        yield made


def word(answer: messages.DoneAnswer | str) -> str:
    """Return ``done``, ``replay`` or why not."""
    if isinstance(answer, str):
        return answer
    return "replay" if answer.replay else OK


@pytest.mark.parametrize(
    ("endpoint", "session", "expected"),
    [
        (BASIC, False, (OK, OK, OK, NONE, NONE, NONE)),
        (ENHANCED, False, (OK, OK, OK, NONE, NONE, NONE)),
        (COMMAND, False, (SECURE, SECURE, SECURE, SECURE, SECURE, SESSION)),
        (FULL, False, (SECURE, SECURE, SECURE, SECURE, SECURE, SESSION)),
        (NETWORK, False, (SESSION, SESSION, SESSION, SESSION, SESSION, SESSION)),
        (COMMAND, True, (OK, OK, OK, SECURE, SECURE, OK)),
        (FULL, True, (OK, OK, OK, SECURE, SECURE, OK)),
        (NETWORK, True, (OK, OK, OK, OK, OK, OK)),
    ],
)
def test_unsigned_commands_at_every_level(
    lab: Lab, endpoint: int, session: bool, expected: tuple[str, ...]
) -> None:
    """What is taken without material, level by level, with a session and without; refusals leave no trace."""
    if session:
        assert done(lab.open(endpoint))
    for command, wanted in zip(MENU, expected, strict=True):
        before = lab.status(endpoint)
        assert wanted == word(lab.unsigned(endpoint, command))
        after = lab.status(endpoint)
        assert after.executions == before.executions + (wanted == OK)
        if wanted != OK:
            assert before == after


@pytest.mark.parametrize(
    ("endpoint", "session", "expected"),
    [
        (BASIC, False, (NONE, NONE, NONE, NONE, NONE)),
        (ENHANCED, False, (OK, OK, OK, NONE, NONE)),
        (COMMAND, False, (OK, OK, OK, OK, OK)),
        (FULL, False, (OK, OK, OK, OK, OK)),
        (NETWORK, False, (SESSION, SESSION, SESSION, SESSION, SESSION)),
        (NETWORK, True, (OK, OK, OK, OK, OK)),
    ],
)
def test_secure_commands_at_every_level(
    lab: Lab, endpoint: int, session: bool, expected: tuple[str, ...]
) -> None:
    """What valid secure commands do, level by level."""
    if session:
        assert done(lab.open(endpoint))
    for command, wanted in zip(MENU[:-1], expected, strict=True):
        before = lab.status(endpoint)
        assert wanted == word(lab.secure(endpoint, command))
        if wanted != OK:
            assert before == lab.status(endpoint)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [(BASIC, NONE), (ENHANCED, NONE), (COMMAND, OK), (FULL, OK), (NETWORK, OK)],
)
def test_open_session_at_every_level(lab: Lab, endpoint: int, expected: str) -> None:
    """A signed authorization opens a session where there is security, and nothing without one does."""
    nothing = lab.ask(endpoint, messages.OpenSessionRequest())
    assert isinstance(nothing, messages.RefusedAnswer)
    assert not lab.status(endpoint).session_open
    assert expected == word(lab.open(endpoint))
    assert lab.status(endpoint).session_open is (expected == OK)


def test_commands_have_their_effect(lab: Lab) -> None:
    """Each command moves what it is there to move, and nothing else."""
    before = lab.status(COMMAND)
    lab.secure(COMMAND, Command.CHECK)
    assert lab.status(COMMAND) == replace(before, executions=1)
    lab.secure(COMMAND, Command.PROGRAM)
    assert lab.status(COMMAND) == replace(before, executions=2, program_revision=2)
    lab.secure(COMMAND, Command.RESET)
    assert lab.status(COMMAND) == replace(before, executions=3, program_revision=2, tampers=0)
    lab.secure(COMMAND, Command.DISCONNECT)
    state = replace(before, executions=4, program_revision=2, tampers=0, switch=Switch.DISCONNECTED)
    assert lab.status(COMMAND) == state
    lab.secure(COMMAND, Command.CONNECT)
    assert lab.status(COMMAND) == replace(state, executions=5, switch=Switch.CONNECTED)


@pytest.mark.parametrize(("endpoint", "consumption"), [(BASIC, 1111), (ENHANCED, 2222), (COMMAND, 3333)])
def test_read_below_full_security_needs_no_key(lab: Lab, endpoint: int, consumption: int) -> None:
    """A reading comes in the clear, and counts no execution."""
    found = lab.read(endpoint)
    assert not isinstance(found, str)
    assert found is not None
    assert consumption == found.consumption
    assert lab.status(endpoint).executions == 0


def test_read_at_full_security_needs_the_endpoints_key(lab: Lab) -> None:
    """Only the right key decodes, with a session or without; no two sealed readings use one counter."""
    key = lab.authority.reading_key(FULL)
    assert lab.read(FULL) is None
    assert lab.read(FULL, bytes(16)) is None
    found = lab.read(FULL, key)
    assert not isinstance(found, str)
    assert found is not None
    assert found.consumption == 4444
    lab.open(FULL)
    assert lab.read(FULL) is None
    answers = [lab.ask(FULL, messages.ReadRequest()) for _ in range(3)]
    assert (
        len({answer.sealed[:8] for answer in answers if isinstance(answer, messages.SealedDataAnswer)}) == 3
    )


def test_read_in_network_mode_needs_a_session(lab: Lab) -> None:
    """Reading is an action like the others there."""
    assert lab.read(NETWORK) == SESSION
    lab.open(NETWORK)
    found = lab.read(NETWORK)
    assert not isinstance(found, str)


@pytest.mark.parametrize("timeout_s", [SHORT_S, LONG_S])
def test_session_lasts_exactly_its_time(lab: Lab, timeout_s: int) -> None:
    """Accepted until just before, refused from then on, whatever was done in between."""
    endpoint = NETWORK if timeout_s == SHORT_S else COMMAND
    lab.air.endpoints[endpoint].setup = replace(
        lab.air.endpoints[endpoint].setup, session_timeout_s=timeout_s
    )
    lab.open(endpoint)  # ``ask`` takes a second, and the session begins with its first moment
    lab.clock.sleep_s(timeout_s / 2)
    assert done(lab.unsigned(endpoint, Command.CHECK))
    lab.clock.sleep_s(timeout_s / 2 - 2.001)
    assert done(lab.unsigned(endpoint, Command.CHECK))
    assert not lab.status(endpoint).session_open
    assert word(lab.unsigned(endpoint, Command.CHECK)) in (SESSION, SECURE)


def test_session_never_longer_than_authorized_or_configured(lab: Lab) -> None:
    """The shorter of the two times counts."""
    lab.open(COMMAND, lab.authorization(COMMAND, timeout_s=SHORT_S))  # configured for an hour
    lab.open(NETWORK)  # authorized for eight hours, configured for a minute
    lab.clock.sleep_s(SHORT_S)
    assert not lab.status(COMMAND).session_open
    assert not lab.status(NETWORK).session_open


def test_session_closed_is_locked(lab: Lab) -> None:
    """Closing ends it at once; a new authorization opens it again, the old one does not."""
    piece = lab.authorization(NETWORK)
    lab.open(NETWORK, piece)
    assert done(lab.unsigned(NETWORK, Command.CLOSE_SESSION))
    assert word(lab.unsigned(NETWORK, Command.CHECK)) == SESSION
    assert word(lab.open(NETWORK, piece)) == "replay"
    assert not lab.status(NETWORK).session_open
    assert done(lab.open(NETWORK))


@pytest.mark.parametrize(
    ("endpoint", "level", "expected"),
    [
        (BASIC, Level.COMMAND_SECURITY, NONE),
        (BASIC, Level.READY_TO_SECURE, NONE),
        (ENHANCED, Level.NETWORK_MODE, NONE),
        (ENHANCED, Level.BASIC, NONE),
        (COMMAND, Level.READY_TO_SECURE, SESSION),
        (FULL, Level.COMMAND_SECURITY, SESSION),
        (NETWORK, Level.READY_TO_SECURE, NONE),
        (NETWORK, Level.FULL_SECURITY, NONE),
    ],
)
def test_set_level_refused_leaves_no_trace(lab: Lab, endpoint: int, level: Level, expected: str) -> None:
    """Who has one level keeps it; who is secured wants a session for less."""
    before = lab.status(endpoint)
    assert expected == lab.set_level(endpoint, level)
    assert before == lab.status(endpoint)


def test_set_level_enhanced_goes_through_all_three(lab: Lab) -> None:
    """Up without a session, down within one; the change ends the session."""
    for level in (Level.COMMAND_SECURITY, Level.READY_TO_SECURE, Level.FULL_SECURITY, Level.READY_TO_SECURE):
        if lab.status(ENHANCED).security_enabled:
            lab.open(ENHANCED)
        found = lab.set_level(ENHANCED, level)
        assert isinstance(found, messages.StatusAnswer)
        assert level is found.level
        assert not found.session_open
        assert lab.status(ENHANCED).modes == 3


# -- one-time commands


def test_command_used_is_answered_as_the_first_time_and_flagged(lab: Lab) -> None:
    """The same octets once more, also from another handheld and after other commands: nothing is done."""
    piece = lab.command(COMMAND, Command.DISCONNECT)
    first = lab.secure(COMMAND, Command.DISCONNECT, piece)
    assert isinstance(first, messages.DoneAnswer)
    lab.secure(COMMAND, Command.CONNECT)
    before = lab.status(COMMAND)
    for sender in ("A", "B"):
        again = lab.secure(COMMAND, Command.DISCONNECT, piece, sender)
        assert again == replace(first, replay=True)
        assert before == lab.status(COMMAND)
    assert done(lab.secure(COMMAND, Command.DISCONNECT, sender="B"))


def test_command_refused_is_not_used_up(lab: Lab) -> None:
    """A refusal leaves the command fresh: in network mode the same octets work once a session is open."""
    piece = lab.command(NETWORK, Command.DISCONNECT)
    assert word(lab.secure(NETWORK, Command.DISCONNECT, piece)) == SESSION
    lab.open(NETWORK)
    assert done(lab.secure(NETWORK, Command.DISCONNECT, piece))
    assert word(lab.secure(NETWORK, Command.DISCONNECT, piece)) == "replay"


def test_false_replay_is_answered_and_not_carried_out(lab: Lab) -> None:
    """The rare fault: the flag, the last information, no execution, and the command is lost all the same."""
    piece = lab.command(WATER, Command.CHECK)
    for _ in range(2):
        answer = lab.secure(WATER, Command.CHECK, piece)
        assert isinstance(answer, messages.DoneAnswer)
        assert answer.replay
        assert answer.information == ""
        assert answer.executions == -1
    assert lab.air.endpoints[WATER].executions == 0
    assert done(lab.secure(WATER, Command.CHECK))


def test_status_unreadable_endpoint_tells_no_counters(lab: Lab) -> None:
    """No switch, no execution count, nothing else that could decide anything."""
    lab.secure(WATER, Command.CHECK)
    lab.secure(WATER, Command.PROGRAM)
    status = lab.status(WATER)
    assert (
        status.switch,
        status.executions,
        status.program_revision,
        status.tampers,
    ) == (Switch.NONE, -1, -1, -1)
    assert word(lab.secure(WATER, Command.DISCONNECT)) == NONE


# -- material that is no good


def spoilt_commands(lab: Lab) -> dict[str, tuple[bytes, str]]:
    """Return secure commands to disconnect, each wrong in one way, and why they are refused."""
    good = lab.command(COMMAND, Command.DISCONNECT)
    late = lab.command(COMMAND, Command.DISCONNECT, not_after=lab.clock.utc_now() - timedelta(seconds=1))
    stranger = PrivateKey(bytes(40))
    used = lab.command(FULL, Command.DISCONNECT)
    return {
        "nothing": (b"", BAD),
        "cut": (good.encode()[:-1], BAD),
        "expired": (late.encode(), "expired"),
        "other endpoint": (used.encode(), BAD),
        "other command": (lab.command(COMMAND, Command.CHECK).encode(), BAD),
        "other issuer": (material.sign(replace(good, issuer=8), stranger).encode(), BAD),
        "other issuer, our key": (lab.command(COMMAND, Command.DISCONNECT, issuer=8).encode(), BAD),
        "forged": (material.sign(good, stranger).encode(), BAD),
        "number changed": (replace(good, number=good.number + 100).encode(), BAD),
        "made ours": (replace(used, endpoint=COMMAND).encode(), BAD),
        "made to disconnect": (
            replace(lab.command(COMMAND, Command.CONNECT), command=Command.DISCONNECT).encode(),
            BAD,
        ),
        "prolonged": (replace(late, not_after=late.not_after + timedelta(days=1)).encode(), BAD),
        "an authorization": (lab.authorization(COMMAND).encode(), BAD),
    }


def test_secure_command_spoilt_is_refused_without_a_trace(lab: Lab) -> None:
    """Whatever is wrong with it, it is refused for the right class of reasons, and nothing is noted."""
    before = lab.status(COMMAND)
    for name, (octets, reason) in spoilt_commands(lab).items():
        request = messages.SecureCommandRequest(command=Command.DISCONNECT, material=octets)
        answer = lab.ask(COMMAND, request)
        assert isinstance(answer, messages.RefusedAnswer), name
        assert reason == answer.reason.word, name
        assert before == lab.status(COMMAND), name
    assert done(lab.secure(COMMAND, Command.DISCONNECT))


@pytest.mark.parametrize("endpoint", [COMMAND, FULL, NETWORK])
def test_authorization_spoilt_opens_nothing(lab: Lab, endpoint: int) -> None:
    """Every field of an authorization is vouched for."""
    good = lab.authorization(endpoint, timeout_s=SHORT_S)
    late = lab.authorization(endpoint, not_after=lab.clock.utc_now() - timedelta(seconds=1))
    for piece in (
        late,
        lab.authorization(endpoint + 1),
        replace(lab.authorization(endpoint + 1), endpoint=endpoint),
        replace(good, timeout_s=LONG_S),
        replace(good, number=good.number + 100),
        replace(late, not_after=good.not_after),
        material.sign(good, PrivateKey(bytes(40))),
    ):
        assert isinstance(lab.open(endpoint, piece), str)
        assert not lab.status(endpoint).session_open
    command = lab.command(endpoint, Command.OPEN_SESSION).encode()
    assert isinstance(
        lab.ask(endpoint, messages.OpenSessionRequest(material=command)), messages.RefusedAnswer
    )
    assert done(lab.open(endpoint, good))


def test_air_unknown_endpoint_is_silent(lab: Lab) -> None:
    """Nobody answers for an endpoint that is not there, nor damaged octets."""
    assert lab.ask(99, messages.StatusRequest()) is None
    heard: list[bytes] = []
    frame = bytearray(Frame(endpoint=BASIC, sequence=1, type=1).encode())
    frame[-1] ^= 1
    lab.air.exchange(bytes(frame), "A", heard.append)
    lab.clock.sleep_s(5)
    assert heard == []


@pytest.mark.parametrize("endpoint", [BASIC, COMMAND])
def test_requests_an_endpoint_has_no_use_for_are_not_available(lab: Lab, endpoint: int) -> None:
    """Who it is, the radio says; a reading is no command; a session is opened by an authorization."""
    identify = lab.ask(endpoint, messages.IdentifyRequest())
    assert identify == messages.RefusedAnswer(reason=Reason.NOT_AVAILABLE)
    assert word(lab.unsigned(endpoint, Command.READ)) == NONE
    assert word(lab.secure(endpoint, Command.READ)) == NONE
    assert word(lab.secure(endpoint, Command.OPEN_SESSION)) == NONE
    assert isinstance(lab.unsigned(endpoint, Command.OPEN_SESSION), str)


def test_air_request_of_an_unknown_type_is_refused_as_malformed(lab: Lab) -> None:
    """An endpoint says that it does not understand."""
    heard: list[bytes] = []
    lab.air.exchange(Frame(endpoint=BASIC, sequence=1, type=0x55).encode(), "A", heard.append)
    lab.clock.sleep_s(1)
    assert [Frame(endpoint=BASIC, sequence=1, type=0x8F, payload=b"\x07").encode()] == heard


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["unsigned", "secure", "again", "open", "wait"]),
        st.sampled_from([BASIC, ENHANCED, COMMAND, FULL, NETWORK]),
        st.sampled_from([Command.CHECK, Command.PROGRAM, Command.RESET, Command.CONNECT, Command.DISCONNECT]),
    ),
    max_size=25,
)


@given(actions=ACTIONS)
@settings(max_examples=60, deadline=None)
def test_any_history_executions_count_what_was_done(
    actions: list[tuple[str, int, Command]],
) -> None:
    """Whatever is sent in whatever order: refusals and replays count nothing, all else counts once."""
    with Lab() as lab:
        counted = dict.fromkeys((BASIC, ENHANCED, COMMAND, FULL, NETWORK), 0)
        sent: list[material.SecureCommand] = []
        for kind, endpoint, command in actions:
            answer: messages.DoneAnswer | str = ""
            match kind:
                case "unsigned":
                    answer = lab.unsigned(endpoint, command)
                case "secure":
                    sent.append(lab.command(endpoint, command))
                    answer = lab.secure(endpoint, command, sent[-1])
                case "again" if sent:
                    endpoint = sent[-1].endpoint
                    answer = lab.secure(endpoint, sent[-1].command, sent[-1], "B")
                case "open":
                    answer = lab.open(endpoint)
                case "wait":
                    lab.clock.sleep_s(SHORT_S / 2)
            counted[endpoint] += done(answer)
            status = lab.status(endpoint)
            assert counted[endpoint] == status.executions
            if not status.security_enabled:
                assert status.switch is Switch.CONNECTED
