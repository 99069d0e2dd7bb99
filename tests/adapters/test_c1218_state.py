"""The session table: both roles walk alike, and what is missing raises with role, state and event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError
from adapters.protocols.c1218.codes import Service
from adapters.protocols.c1218.state import TRANSITIONS, Happening, Role, State, allowed, granted, next_state

ONGOING = [state for state in State if state is not State.IN_DOUBT]


@pytest.mark.parametrize("role", Role)
def test_state_whole_life_of_a_session_is_the_same_for_both_roles(role: Role) -> None:
    """Identify, negotiate, log on, give a password, read and write, log off, log on again, terminate."""
    life = (
        (Service.IDENTIFY, State.IDENTIFIED),
        (Service.TIMING_SETUP, State.IDENTIFIED),
        (Service.NEGOTIATE, State.NEGOTIATED),
        (Service.WAIT, State.NEGOTIATED),
        (Service.LOGON, State.LOGGED_ON),
        (Service.READ, State.LOGGED_ON),
        (Service.SECURITY, State.SECURED),
        (Service.SECURITY, State.SECURED),
        (Service.READ, State.SECURED),
        (Service.WRITE, State.SECURED),
        (Service.WAIT, State.SECURED),
        (Service.LOGOFF, State.IDENTIFIED),
        (Service.LOGON, State.LOGGED_ON),
        (Service.AUTHENTICATE, State.SECURED),
        (Service.TERMINATE, State.BASE),
    )
    state = State.BASE
    for event, after in life:
        state = next_state(role, state, event)
        assert state is after


@given(st.sampled_from(Role), st.sampled_from(State), st.sampled_from([*Service, *Happening]))
def test_state_missing_transition_names_role_state_and_event(
    role: Role, state: State, event: Service | Happening
) -> None:
    """Whatever the table does not know raises, and ``allowed`` says the same."""
    known = event in TRANSITIONS[role].get(state, {})
    if known:
        assert next_state(role, state, event) in State
    else:
        with pytest.raises(LocalProtocolError) as caught:
            next_state(role, state, event)
        for word in (role.value, state.value, event.value):
            assert word in str(caught.value)
    if state in TRANSITIONS[role]:
        assert known is allowed(role, state, event)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", ONGOING)
def test_state_has_ways_out_wherever_it_is(role: Role, state: State) -> None:
    """Terminate, disconnect, silence and a closed wire lead to the base state from everywhere."""
    for event in (Service.TERMINATE, Service.DISCONNECT, Happening.CHANNEL_TIMEOUT, Happening.CLOSED):
        assert next_state(role, state, event) is State.BASE


@pytest.mark.parametrize("state", State)
def test_state_identify_begins_a_session_in_the_base_state_alone(state: State) -> None:
    """Elsewhere a device answers isss."""
    assert allowed(Role.CLIENT, state, Service.IDENTIFY) is (state is State.BASE)


@pytest.mark.parametrize("service", Service)
def test_state_in_doubt_allows_no_service(service: Service) -> None:
    """Only quiet, or a closed wire, leads out of it."""
    assert not allowed(Role.CLIENT, State.IN_DOUBT, service)
    assert next_state(Role.CLIENT, State.IN_DOUBT, Happening.QUIET) is State.BASE


@pytest.mark.parametrize("state", [State.BASE, State.IDENTIFIED, State.NEGOTIATED])
@pytest.mark.parametrize("service", [Service.READ, Service.WRITE, Service.SECURITY, Service.LOGOFF])
def test_state_tables_are_out_of_reach_before_logon(state: State, service: Service) -> None:
    """No table and no password without a logon."""
    assert not allowed(Role.SERVER, state, service)


@pytest.mark.parametrize("role", Role)
def test_state_every_target_is_a_state_with_a_table(role: Role) -> None:
    """No transition leads out of the table."""
    targets = {after for row in TRANSITIONS[role].values() for after in row.values()}
    assert targets <= set(TRANSITIONS[role])


@pytest.mark.parametrize(
    ("service", "after"),
    [
        (Service.READ, State.BASE),
        (Service.LOGON, State.LOGGED_ON),
        (Service.SECURITY, State.SECURED),
        (Service.IDENTIFY, State.IDENTIFIED),
        (Service.UNKNOWN, State.BASE),
    ],
)
def test_state_lax_device_that_grants_anyway_is_followed(service: Service, after: State) -> None:
    """What a device grants out of order still has its effect there."""
    assert granted(Role.SERVER, State.BASE, service) is after
