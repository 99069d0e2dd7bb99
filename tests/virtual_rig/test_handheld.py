"""A handheld with Field Tools as a model: sessions of users, its store, what it does at a device."""

from __future__ import annotations

import pytest

from adapters.errors import Refused
from adapters.protocols.endpoint_link.messages import DoneAnswer, SecureCommandRequest
from adapters.protocols.endpoint_link.words import Command, Level
from tests.virtual_rig.field_lab import (
    BASIC,
    CHECK,
    COMMAND,
    CONNECT,
    DISCONNECT,
    FSR,
    FULL,
    GAS,
    GONE,
    NETWORK,
    PROGRAM,
    READ,
    READER,
    READY,
    RESET,
    TWIN,
    FieldLab,
    device,
    password,
    reason,
)
from virtual_rig.secured.conversation import ANSWER_TIMEOUT_S
from virtual_rig.secured.field_work import Outcome
from virtual_rig.secured.ism import Order

OPEN, CLOSE = Command.OPEN_SESSION, Command.CLOSE_SESSION
PLAIN = (READ, CHECK, PROGRAM, RESET)


def outcome(found: Outcome | str) -> Outcome:
    """Return what the screen showed; a refusal fails the test, with its reason."""
    assert isinstance(found, Outcome), found
    return found


# --- users and the network -------------------------------------------------------------------------------


def test_handheld_without_a_user_shows_and_does_nothing() -> None:
    """Every screen and every command wants somebody to be logged in."""
    with FieldLab() as lab:
        assert reason(lab.a.tabs) == "not-logged-in"
        assert reason(lab.a.current_commands) == "not-logged-in"
        assert reason(lab.a.request, [device(COMMAND)]) == "not-logged-in"
        assert lab.perform(BASIC, CHECK) == lab.menu(BASIC) == "not-logged-in"
        assert lab.executions(BASIC) == 0


@pytest.mark.parametrize("online, user, given", [(False, FSR, password(FSR)), (True, FSR, "wrong")])
def test_handheld_failed_log_in_leaves_nobody_logged_in(online: bool, user: str, given: str) -> None:
    """Whoever was there before is gone, with his material."""
    with FieldLab() as lab:
        lab.order(COMMAND, commands=(DISCONNECT,))
        lab.ready(COMMAND)
        lab.a.set_network(online=online)
        assert reason(lab.a.log_in, user, given) == ("wrong-password" if online else "no-connection")
        assert lab.a.user == ""
        assert reason(lab.a.current_commands) == "not-logged-in"


def test_handheld_new_log_in_starts_with_an_empty_store() -> None:
    """The next user does not work with what the one before has retrieved, nor with his list of devices."""
    with FieldLab() as lab:
        lab.order(COMMAND, commands=(DISCONNECT,))
        lab.ready(COMMAND)
        lab.a.log_in(READER, password(READER))
        assert lab.current() == []
        assert lab.perform(COMMAND, READ) == "not-listed"


def test_handheld_reports_what_it_used_with_the_next_log_in() -> None:
    """Off-line work is known to the server as soon as the tool is back."""
    with FieldLab() as lab:
        lab.order(COMMAND, commands=(DISCONNECT,))
        lab.ready(COMMAND)
        lab.a.set_network(online=False)
        outcome(lab.perform(COMMAND, DISCONNECT))
        assert len(lab.server.waiting(COMMAND)) == 1
        lab.a.set_network(online=True)
        lab.a.log_in(FSR, password(FSR))
        assert lab.server.waiting(COMMAND) == ()


# --- the menu --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint, menu",
    [
        (BASIC, PLAIN),
        (READY, (*PLAIN, CONNECT, DISCONNECT)),
        (COMMAND, (*PLAIN, CONNECT, DISCONNECT, OPEN)),
        (FULL, (*PLAIN, CONNECT, DISCONNECT, OPEN)),
        (NETWORK, (*PLAIN, CONNECT, DISCONNECT, OPEN)),
        (GAS, (*PLAIN, OPEN)),
    ],
)
def test_menu_of_each_class_and_level(endpoint: int, menu: tuple[Command, ...]) -> None:
    """Connect and disconnect where there is a switch and security is possible; sessions where it is on."""
    with FieldLab() as lab:
        lab.ready(endpoint)
        assert lab.menu(endpoint) == menu


def test_menu_offers_to_close_only_what_is_open() -> None:
    """Close Session takes the place of Open Session while one is open."""
    with FieldLab() as lab:
        lab.order(NETWORK, commands=(PROGRAM,))
        lab.ready(NETWORK)
        assert lab.perform(NETWORK, CLOSE) == "not-on-menu"
        outcome(lab.perform(NETWORK, OPEN))
        assert lab.menu(NETWORK)[-1] is CLOSE  # type: ignore[comparison-overlap]
        assert lab.perform(NETWORK, OPEN) == "not-on-menu"
        outcome(lab.perform(NETWORK, CLOSE))
        assert not lab.air.endpoints[NETWORK].session.is_open


def test_menu_goes_by_permission_and_sessions_by_that_to_program() -> None:
    """A user who may read and check sees just that."""
    with FieldLab() as lab:
        lab.order(NETWORK, commands=(READ,))
        lab.ready(NETWORK, user=READER)
        assert lab.menu(NETWORK) == (READ, CHECK)
        outcome(lab.perform(NETWORK, READ))  # in a session the tool opens unasked
        assert lab.perform(NETWORK, CLOSE) == "not-permitted"


@pytest.mark.parametrize("command", [CONNECT, DISCONNECT])
def test_switching_without_security_is_not_to_be_had(command: Command) -> None:
    """A basic device has it on no menu; one that is ready to secure refuses it itself."""
    with FieldLab() as lab:
        lab.a.log_in(FSR, password(FSR))
        assert lab.perform(BASIC, command) == "not-on-menu"
        assert lab.perform(READY, command) == "not-available"
        assert lab.executions(BASIC) == lab.executions(READY) == 0


# --- material at work ------------------------------------------------------------------------------------


def test_command_that_nobody_answered_is_kept() -> None:
    """Out of reach is not used: the device may not have heard it."""
    with FieldLab() as lab:
        lab.order(COMMAND, commands=(DISCONNECT,))
        lab.ready(COMMAND)
        there = lab.air.endpoints.pop(COMMAND)
        assert lab.perform(COMMAND, DISCONNECT) == "no-answer"
        assert lab.current() == [(COMMAND, DISCONNECT)]
        lab.air.endpoints[COMMAND] = there
        assert not outcome(lab.perform(COMMAND, DISCONNECT)).replay


def test_answer_that_was_lost_is_told_again_as_a_replay() -> None:
    """The device acted, the answer got lost: sent again, the command says what became of it."""
    with FieldLab() as lab:
        lab.order(COMMAND, commands=(DISCONNECT,))
        lab.ready(COMMAND)
        (piece,) = lab.server.waiting(COMMAND)
        sent = SecureCommandRequest(command=DISCONNECT, material=piece.encode())
        lost = lab.air.endpoints[COMMAND].handle(sent, "FT-A")
        assert isinstance(lost, DoneAnswer)
        again = outcome(lab.perform(COMMAND, DISCONNECT))
        assert (again.replay, again.information) == (True, lost.information)
        assert lab.executions(COMMAND) == 1
        assert lab.current() == []


def test_command_that_got_too_old_is_dropped() -> None:
    """The device says so, and the tool does not offer it again."""
    with FieldLab() as lab:
        lab.server.issue(Order(endpoints=(COMMAND,), commands=(DISCONNECT,), validity_s=60))
        lab.ready(COMMAND)
        lab.clock.sleep_s(120)
        assert lab.perform(COMMAND, DISCONNECT) == "expired"
        assert lab.current() == []
        assert lab.executions(COMMAND) == 0


def test_session_that_is_open_costs_no_authorization() -> None:
    """Within a session the rest of the menu is free; switching still takes its own command."""
    with FieldLab() as lab:
        lab.order(COMMAND, commands=(PROGRAM, DISCONNECT), copies=2)
        lab.ready(COMMAND)
        outcome(lab.perform(COMMAND, PROGRAM))
        assert lab.current() == [(COMMAND, DISCONNECT)]
        outcome(lab.perform(COMMAND, CHECK))
        outcome(lab.perform(COMMAND, DISCONNECT))
        assert lab.current() == []
        assert lab.perform(COMMAND, DISCONNECT) == "no-material"


def test_session_authorization_used_elsewhere_is_followed_by_the_next() -> None:
    """The first of two has been used by handheld B: A finds out by itself and takes the second."""
    with FieldLab() as lab:
        lab.order(NETWORK, commands=(PROGRAM,))
        lab.ready(NETWORK)
        lab.ready(NETWORK, tool=lab.b)
        outcome(lab.perform(NETWORK, OPEN, lab.b))
        outcome(lab.perform(NETWORK, CLOSE, lab.b))
        assert outcome(lab.perform(NETWORK, PROGRAM)).command is PROGRAM
        assert lab.current() == []
        outcome(lab.perform(NETWORK, CLOSE))
        replay = outcome(lab.perform(NETWORK, PROGRAM, lab.b))
        assert (replay.command, replay.replay) == (OPEN, True)
        assert lab.air.endpoints[NETWORK].program_revision == 2


def test_reading_takes_the_key_and_leaves_it() -> None:
    """A key is not used up; without one nothing is read at full security, and none is needed below it."""
    with FieldLab() as lab:
        lab.ready(FULL, COMMAND)
        assert lab.perform(FULL, READ) == "no-material"
        assert outcome(lab.perform(COMMAND, READ)).information == "consumption 1003"
        lab.order(FULL, commands=(READ,))
        lab.a.request([device(FULL)])
        for _ in range(2):
            assert outcome(lab.perform(FULL, READ)).information == "consumption 1004"
        assert lab.current() == [(FULL, READ)]


def test_reading_that_comes_sealed_for_no_reason_is_not_made_up() -> None:
    """An endpoint that wants a key at command security gets none, and the tool says so."""
    with FieldLab(broken="IT-SEC-15") as lab:
        lab.ready(COMMAND)
        assert lab.perform(COMMAND, READ) == "key-required"


def test_one_thing_at_a_time() -> None:
    """A command is refused while another one is under way, also one that waits for an answer in vain."""
    with FieldLab() as lab:
        lab.a.log_in(FSR, password(FSR))
        talk = lab.a.perform(GONE, CHECK)
        assert lab.perform(BASIC, CHECK) == "busy"
        lab.clock.sleep_s(10)
        assert reason(lab.result, talk) == "no-answer"
        outcome(lab.perform(BASIC, CHECK))


def test_silence_is_waited_for_as_long_as_it_says() -> None:
    """Neither longer nor shorter, in the world's time."""
    with FieldLab() as lab:
        lab.a.log_in(FSR, password(FSR))
        talk = lab.a.look_at_menu(GONE)
        lab.clock.sleep_s(ANSWER_TIMEOUT_S - 0.001)
        assert not talk.done
        lab.clock.sleep_s(0.002)
        assert isinstance(talk.refusal, Refused)


def test_device_secured_since_the_request_is_worked_with_at_its_new_level() -> None:
    """The tool asks the device, not the server: what is needed now is needed."""
    with FieldLab() as lab:
        lab.ready(READY)
        outcome(lab.perform(READY, PROGRAM))
        lab.air.endpoints[READY].level = Level.COMMAND_SECURITY
        assert lab.perform(READY, PROGRAM) == "no-material"
        assert lab.perform(TWIN, PROGRAM) == "not-listed"
