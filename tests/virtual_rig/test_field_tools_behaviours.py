"""What ISM, the FDM Tools server and handhelds promise: obeyed, broken for all to see, and one at a time.

A probe asks one thing of a fresh lab and says whether it behaved. ``COLLATERAL`` lists which other probes
cannot pass while a behaviour is broken, because they need the very thing that is gone.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters.protocols.endpoint_link.material import Kind
from tests.virtual_rig.field_lab import (
    BASIC,
    CHECK,
    COMMAND,
    CONNECT,
    DISCONNECT,
    FSR,
    FULL,
    GAS,
    METER,
    NETWORK,
    PROGRAM,
    READ,
    READER,
    READY,
    RESET,
    TWIN,
    FieldLab,
    device,
    kinds,
    password,
    reason,
)
from virtual_rig.secured.field_work import Outcome
from virtual_rig.world import modelled_behaviours

Probe = Callable[[FieldLab], bool]
PROBES: dict[str, Probe] = {}


def probe(behaviour: str) -> Callable[[Probe], Probe]:
    def keep(function: Probe) -> Probe:
        PROBES[behaviour] = function
        return function

    return keep


def done(outcome: Outcome | str) -> bool:
    """Tell whether a command was carried out, by what the screen shows."""
    return isinstance(outcome, Outcome) and not outcome.replay


@probe("IT-SEC-04")
def basic_device_goes_by_permission(lab: FieldLab) -> bool:
    lab.a.log_in(READER, password(READER))
    forbidden = [lab.perform(BASIC, command) for command in (PROGRAM, RESET)]
    allowed = [lab.perform(BASIC, command) for command in (CHECK, READ)]
    return forbidden == ["not-permitted"] * 2 and all(map(done, allowed)) and lab.executions(BASIC) == 1


@probe("IT-SEC-20")
def nobody_types_a_key(lab: FieldLab) -> bool:
    lab.order(FULL, commands=(READ,))
    lab.ready(FULL)
    outcome = lab.perform(FULL, READ)
    return isinstance(outcome, Outcome) and outcome.typed == () and outcome.information == "consumption 1004"


@probe("IT-SEC-21")
def nothing_is_issued_without_the_officer(lab: FieldLab) -> bool:
    brought = lab.ready(TWIN)
    return not (brought.endpoints or brought.material or lab.current() or lab.ism.orders)


@probe("IT-SEC-22")
def ism_passes_on_all_kinds(lab: FieldLab) -> bool:
    issued = lab.order(GAS, commands=(READ, CHECK))
    return kinds(lab.server.waiting(GAS)) == kinds(issued) and {kind for _, kind, _ in kinds(issued)} == {
        Kind.AUTHORIZATION,
        Kind.READING_KEY,
    }


@probe("IT-SEC-23")
def material_comes_by_request(lab: FieldLab) -> bool:
    lab.order(COMMAND, commands=(DISCONNECT,))
    lab.a.log_in(FSR, password(FSR))
    before = lab.current()
    lab.a.request([device(COMMAND)])
    return before == [] and lab.current() == [(COMMAND, DISCONNECT)]


@probe("IT-CMD-01")
def unsecured_devices_need_no_request(lab: FieldLab) -> bool:
    refused = [reason(lab.order, endpoint, commands=(CHECK,)) for endpoint in (BASIC, READY)]
    brought = lab.ready(BASIC, READY)
    return refused == ["not-needed"] * 2 and brought.not_needed == (BASIC, READY) and not brought.endpoints


@probe("IT-CMD-02")
def material_outlasts_the_connection(lab: FieldLab) -> bool:
    lab.order(COMMAND, commands=(DISCONNECT,))
    lab.ready(COMMAND)
    lab.a.set_network(online=False)
    lab.clock.sleep_s(3600)
    return lab.current() == [(COMMAND, DISCONNECT)] and done(lab.perform(COMMAND, DISCONNECT))


@probe("IT-CMD-03")
def two_tabs(lab: FieldLab) -> bool:
    lab.a.log_in(FSR, password(FSR))
    return lab.a.tabs() == ("Request", "Current Commands")


@probe("IT-CMD-04")
def exactly_the_devices_listed(lab: FieldLab) -> bool:
    lab.order(COMMAND, TWIN, commands=(DISCONNECT,))
    brought = lab.ready(COMMAND)
    return brought.endpoints == (COMMAND,) and kinds(brought.material) == [
        (COMMAND, Kind.COMMAND, DISCONNECT)
    ]


@probe("IT-CMD-05")
def summary_of_all_requests(lab: FieldLab) -> bool:
    lab.order(COMMAND, commands=(DISCONNECT, CONNECT))
    lab.order(GAS, commands=(CHECK,))
    lab.ready(COMMAND)
    lab.a.request([device(GAS)])
    return [endpoint for endpoint, _ in lab.current()] == [COMMAND, COMMAND, GAS]


@probe("IT-CMD-06")
def no_request_without_connection(lab: FieldLab) -> bool:
    lab.order(COMMAND, commands=(DISCONNECT,))
    lab.ready(COMMAND)
    lab.a.set_network(online=False)
    return reason(lab.a.request, [device(COMMAND)]) == "no-connection"


@probe("IT-CMD-07")
def request_in_the_field(lab: FieldLab) -> bool:
    lab.order(COMMAND, commands=(DISCONNECT,))
    lab.a.log_in(FSR, password(FSR))
    lab.a.set_network(online=False)
    lab.a.set_network(online=True)
    return reason(lab.a.request, [device(COMMAND)]) == "" and lab.current() == [(COMMAND, DISCONNECT)]


@probe("IT-CMD-09")
def permitted_commands_come_along(lab: FieldLab) -> bool:
    lab.order(FULL, commands=(READ, DISCONNECT))
    brought = lab.ready(FULL, user=READER)
    return brought.permitted == (READ, CHECK) and lab.perform(FULL, DISCONNECT) == "not-permitted"


@probe("IT-CMD-10")
def listed_devices_only(lab: FieldLab) -> bool:
    lab.order(COMMAND, TWIN, commands=(DISCONNECT,))
    lab.ready(COMMAND)
    return lab.perform(TWIN, DISCONNECT) == "not-listed" and lab.executions(TWIN) == 0


@probe("IT-CMD-12")
def used_commands_are_requested_anew(lab: FieldLab) -> bool:
    lab.order(COMMAND, commands=(DISCONNECT,))
    lab.ready(COMMAND)
    first, again = lab.perform(COMMAND, DISCONNECT), lab.perform(COMMAND, DISCONNECT)
    gone = lab.current() == [] and not lab.a.request([device(COMMAND)]).material
    lab.order(COMMAND, commands=(DISCONNECT,))
    lab.a.request([device(COMMAND)])
    return done(first) and again == "no-material" and gone and done(lab.perform(COMMAND, DISCONNECT))


COLLATERAL: dict[str, set[str]] = {
    # Without the key nothing can be read at full security, typed or not.
    "IT-SEC-22": {"IT-SEC-20"},
    # What nobody ordered comes with the second request as well.
    "IT-SEC-21": {"IT-CMD-12"},
}


def obeyed(behaviour: str, broken: str = "") -> bool:
    with FieldLab(broken=broken) as lab:
        return PROBES[behaviour](lab)


@pytest.mark.parametrize("behaviour", sorted(PROBES))
def test_field_tools_behaviour_intact_is_obeyed(behaviour: str) -> None:
    """A healthy lab passes every probe."""
    assert obeyed(behaviour)


@pytest.mark.parametrize("behaviour", sorted(PROBES))
def test_field_tools_behaviour_broken_is_seen(behaviour: str) -> None:
    """A lab with one behaviour broken fails that behaviour's probe; nothing raises, nothing hangs."""
    assert not obeyed(behaviour, broken=behaviour)


@pytest.mark.parametrize("broken", sorted(PROBES))
def test_field_tools_behaviour_broken_leaves_the_others_intact(broken: str) -> None:
    """Each behaviour has its own way of being wrong: no other probe notices, save those listed."""
    noticed = {each for each in PROBES.keys() - {broken} if not obeyed(each, broken=broken)}
    assert COLLATERAL.get(broken, set()) == noticed


ENDPOINTS = sorted(each for each in modelled_behaviours() - PROBES.keys() if each.startswith("IT-"))


@pytest.mark.parametrize("behaviour", ENDPOINTS)
def test_field_tools_endpoint_behaviour_broken_is_not_the_tools(behaviour: str) -> None:
    """An endpoint that is wrong makes no probe of the tools fail that does not look at an endpoint."""
    at_the_office = {each for each in PROBES if each not in NEEDS_AN_ENDPOINT}
    assert {each for each in at_the_office if not obeyed(each, broken=behaviour)} == set()


NEEDS_AN_ENDPOINT = {"IT-SEC-04", "IT-SEC-20", "IT-CMD-02", "IT-CMD-09", "IT-CMD-10", "IT-CMD-12"}


def test_network_mode_needs_no_secure_command() -> None:
    """In network mode a session is all it takes; id and type have to fit."""
    with FieldLab() as lab:
        issued = lab.order(NETWORK, commands=(DISCONNECT, READ))
        assert kinds(issued) == [(NETWORK, Kind.AUTHORIZATION, None)] * 2
        lab.a.log_in(FSR, password(FSR))
        assert lab.a.request([device(NETWORK, "water-ert")]).not_found == (NETWORK,)
        assert lab.a.request([device(NETWORK, METER)]).endpoints == (NETWORK,)
        assert done(lab.perform(NETWORK, DISCONNECT))
