"""Every behaviour of secured endpoints, in octets: an endpoint obeys it, or breaks it for all to see.

A probe asks one thing of fresh endpoints and says whether they behaved. ``COLLATERAL`` lists which other
probes cannot pass while a behaviour is broken, because they need the very thing that is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from adapters.protocols.endpoint_link import material, messages
from adapters.protocols.endpoint_link.signing import PrivateKey
from adapters.protocols.endpoint_link.words import Command, Level, SecurityClass, Switch
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
from virtual_rig.world import modelled_behaviours

Probe = Callable[[Lab], bool]
PROBES: dict[str, Probe] = {}
PLAIN = (Command.CHECK, Command.PROGRAM, Command.RESET)
SWITCHING = (Command.DISCONNECT, Command.CONNECT)
ALL = PLAIN + SWITCHING
ELSEWHERE = {"IT-SEC-04", "IT-SEC-20", "IT-SEC-21", "IT-SEC-22", "IT-SEC-23"} | {
    f"IT-CMD-{number:02}" for number in (*range(1, 11), 12, 17)
}
"""Behaviours of the head end, the field tool and the harness."""


def probe(behaviour: str) -> Callable[[Probe], Probe]:
    def keep(function: Probe) -> Probe:
        PROBES[behaviour] = function
        return function

    return keep


def refused(lab: Lab, endpoint: int, *commands: Command) -> bool:
    """Tell whether each command without material is refused and leaves no trace."""
    before = lab.status(endpoint)
    return all(isinstance(lab.unsigned(endpoint, each), str) for each in commands) and before == lab.status(
        endpoint
    )


def taken(lab: Lab, endpoint: int, *commands: Command) -> bool:
    """Tell whether each command without material is carried out."""
    before = lab.status(endpoint)
    accepted = all(done(lab.unsigned(endpoint, each)) for each in commands)
    return accepted and lab.status(endpoint).executions == before.executions + len(commands)


def switches(lab: Lab, endpoint: int) -> bool:
    """Tell whether secure commands move the switch there and back."""
    for command, position in zip(SWITCHING, (Switch.DISCONNECTED, Switch.CONNECTED), strict=True):
        if not done(lab.secure(endpoint, command)) or lab.status(endpoint).switch is not position:
            return False
    return True


@probe("IT-SEC-01")
def one_class_whatever_the_level(lab: Lab) -> bool:
    found = [lab.status(each).security_class for each in (BASIC, ENHANCED, COMMAND, FULL, NETWORK)]
    expected = [SecurityClass.BASIC] + [SecurityClass.ENHANCED] * 3 + [SecurityClass.NETWORK_MODE]
    return expected == found


@probe("IT-SEC-02")
def basic_wants_no_material(lab: Lab) -> bool:
    return taken(lab, BASIC, *PLAIN)


@probe("IT-SEC-03")
def basic_has_one_mode(lab: Lab) -> bool:
    before = lab.status(BASIC)
    answers = [lab.set_level(BASIC, level) for level in (Level.COMMAND_SECURITY, Level.READY_TO_SECURE)]
    return (
        before.modes == 1 and all(isinstance(each, str) for each in answers) and before == lab.status(BASIC)
    )


@probe("IT-SEC-05")
def enhanced_has_three_levels(lab: Lab) -> bool:
    for level in (Level.COMMAND_SECURITY, Level.FULL_SECURITY, Level.READY_TO_SECURE):
        if lab.status(ENHANCED).level is not Level.READY_TO_SECURE:
            lab.open(ENHANCED)
        lab.set_level(ENHANCED, level)
        if lab.status(ENHANCED).level is not level:
            return False
    return lab.status(ENHANCED).modes == 3


@probe("IT-SEC-06")
def ready_to_secure_is_not_enabled(lab: Lab) -> bool:
    return not lab.status(ENHANCED).security_enabled


@probe("IT-SEC-07")
def ready_to_secure_takes_the_menu(lab: Lab) -> bool:
    return taken(lab, ENHANCED, *PLAIN)


@probe("IT-SEC-08")
def ready_to_secure_moves_no_switch(lab: Lab) -> bool:
    return refused(lab, ENHANCED, *SWITCHING)


@probe("IT-SEC-09")
def no_switching_without_security(lab: Lab) -> bool:
    before = lab.status(ENHANCED)
    signed = [lab.secure(ENHANCED, command) for command in SWITCHING]
    return (
        refused(lab, BASIC, *SWITCHING)
        and all(isinstance(each, str) for each in signed)
        and before == lab.status(ENHANCED)
    )


@probe("IT-SEC-10")
def command_security_wants_material(lab: Lab) -> bool:
    return refused(lab, COMMAND, *ALL)


@probe("IT-SEC-11")
def command_security_takes_material(lab: Lab) -> bool:
    return switches(lab, COMMAND) and done(lab.open(COMMAND)) and lab.status(COMMAND).session_open


@probe("IT-SEC-12")
def full_security_wants_material(lab: Lab) -> bool:
    return refused(lab, FULL, *ALL)


@probe("IT-SEC-13")
def full_security_takes_material(lab: Lab) -> bool:
    return switches(lab, FULL) and done(lab.open(FULL)) and lab.status(FULL).session_open


@probe("IT-SEC-14")
def full_security_wants_the_reading_key(lab: Lab) -> bool:
    return lab.read(FULL) is None and lab.read(FULL, lab.authority.reading_key(FULL)) is not None


@probe("IT-SEC-15")
def command_security_wants_no_reading_key(lab: Lab) -> bool:
    return lab.read(COMMAND) is not None


@probe("IT-SEC-16")
def network_mode_is_always_secured(lab: Lab) -> bool:
    refused_level = isinstance(lab.set_level(NETWORK, Level.READY_TO_SECURE), str)
    return refused_level and lab.status(NETWORK).security_enabled


@probe("IT-SEC-17")
def network_mode_wants_a_session(lab: Lab) -> bool:
    return refused(lab, NETWORK, *ALL) and lab.read(NETWORK) == "session-required"


@probe("IT-SEC-18")
def network_mode_is_unlocked_by_a_signature(lab: Lab) -> bool:
    good = lab.authorization(NETWORK)
    for forged in (replace(good, number=999), material.sign(good, PrivateKey(bytes(32)))):
        if done(lab.open(NETWORK, forged)) or lab.status(NETWORK).session_open:
            return False
    return done(lab.open(NETWORK, good)) and taken(lab, NETWORK, *ALL)


@probe("IT-SEC-19")
def session_lasts_its_time(lab: Lab) -> bool:
    lab.open(NETWORK)
    lab.clock.sleep_s(SHORT_S - 4)
    within = taken(lab, NETWORK, Command.PROGRAM)
    lab.clock.sleep_s(SHORT_S / 2)
    return within and refused(lab, NETWORK, Command.PROGRAM) and not lab.status(NETWORK).session_open


@probe("IT-CMD-11")
def command_is_carried_out_once(lab: Lab) -> bool:
    piece = lab.command(COMMAND, Command.PROGRAM)
    lab.secure(COMMAND, Command.PROGRAM, piece)
    before = lab.status(COMMAND)
    lab.secure(COMMAND, Command.PROGRAM, piece)
    return before == lab.status(COMMAND)


@probe("IT-CMD-13")
def replay_repeats_the_information(lab: Lab) -> bool:
    piece = lab.command(COMMAND, Command.CHECK)
    first = lab.secure(COMMAND, Command.CHECK, piece)
    again = lab.secure(COMMAND, Command.CHECK, piece)
    assert isinstance(first, messages.DoneAnswer)
    assert isinstance(again, messages.DoneAnswer)
    return (first.information, first.executions) == (again.information, again.executions)


@probe("IT-CMD-14")
def replay_is_flagged(lab: Lab) -> bool:
    piece = lab.command(COMMAND, Command.CHECK)
    first, again = (lab.secure(COMMAND, Command.CHECK, piece) for _ in range(2))
    assert isinstance(again, messages.DoneAnswer)
    return done(first) and again.replay


@probe("IT-CMD-15")
def command_is_used_up_for_every_handheld(lab: Lab) -> bool:
    piece = lab.command(COMMAND, Command.PROGRAM)
    lab.secure(COMMAND, Command.PROGRAM, piece, "A")
    before = lab.status(COMMAND).program_revision
    lab.secure(COMMAND, Command.PROGRAM, piece, "B")
    return before == lab.status(COMMAND).program_revision


@probe("IT-CMD-16")
def false_replay_does_nothing(lab: Lab) -> bool:
    answer = lab.secure(WATER, Command.PROGRAM)
    assert isinstance(answer, messages.DoneAnswer)
    return answer.replay and lab.air.endpoints[WATER].program_revision == 1


COLLATERAL: dict[str, set[str]] = {
    # Full security is left within a session only.
    "IT-SEC-13": {"IT-SEC-05"},
    # What is carried out once more is seen by whoever looks at the state after a replay.
    "IT-CMD-11": {"IT-CMD-15"},
}


def obeyed(behaviour: str, broken: str = "") -> bool:
    with Lab(broken=broken) as lab:
        return PROBES[behaviour](lab)


def test_endpoint_behaviours_modelled_are_exactly_those_probed() -> None:
    """Nobody can add a behaviour to the endpoints without a probe here, or the other way round."""
    modelled = {each for each in modelled_behaviours() if each.startswith("IT-")}
    assert modelled - ELSEWHERE == PROBES.keys()


@pytest.mark.parametrize("behaviour", sorted(PROBES))
def test_endpoint_behaviour_intact_is_obeyed(behaviour: str) -> None:
    """Healthy endpoints pass every probe."""
    assert obeyed(behaviour)


@pytest.mark.parametrize("behaviour", sorted(PROBES))
def test_endpoint_behaviour_broken_is_seen(behaviour: str) -> None:
    """Endpoints with one behaviour broken fail that behaviour's probe, in well-formed octets."""
    assert not obeyed(behaviour, broken=behaviour)


@pytest.mark.parametrize("broken", sorted(PROBES))
def test_endpoint_behaviour_broken_leaves_the_others_intact(broken: str) -> None:
    """Each behaviour has its own way of being wrong: no other probe notices, save those listed."""
    noticed = {each for each in PROBES.keys() - {broken} if not obeyed(each, broken=broken)}
    assert COLLATERAL.get(broken, set()) == noticed


def test_session_prolonged_by_work_in_it_outlasts_its_time() -> None:
    """What IT-SEC-19 broken looks like: an inactivity time-out, which a test that only waits does not see."""
    with Lab(broken="IT-SEC-19") as lab:
        lab.open(NETWORK, lab.authorization(NETWORK, timeout_s=LONG_S))
        lab.clock.sleep_s(SHORT_S + 1)
        assert not lab.status(NETWORK).session_open
