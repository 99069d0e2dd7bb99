"""The association table: both roles walk alike, and what is missing raises with role, state and event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.state import (
    BETWEEN_BLOCKS,
    CLIENT_EVENTS,
    TRANSITIONS,
    Event,
    Role,
    State,
    next_state,
)


def walk(role: Role, *events: Event) -> State:
    """Return where ``events`` lead from IDLE."""
    state = State.IDLE
    for event in events:
        state = next_state(role, state, event)
    return state


@pytest.mark.parametrize("role", Role)
def test_state_whole_life_of_an_association_is_the_same_for_both_roles(role: Role) -> None:
    """Open with HLS, read by blocks, write, act, release: both ends agree all the way."""
    life = (
        (Event.AARQ, State.ASSOCIATING),
        (Event.AARE_HLS, State.HLS_PENDING),
        (Event.HLS_PROOF, State.HLS_PROVING),
        (Event.HLS_CONFIRMED, State.ASSOCIATED),
        (Event.GET_REQUEST, State.GETTING),
        (Event.GET_BLOCK, State.GET_BLOCKS),
        (Event.GET_NEXT, State.GETTING),
        (Event.GET_RESPONSE, State.ASSOCIATED),
        (Event.SET_REQUEST, State.SETTING),
        (Event.SET_RESPONSE, State.ASSOCIATED),
        (Event.SET_REQUEST, State.SETTING),
        (Event.SET_TAKEN, State.SET_BLOCKS),
        (Event.SET_BLOCK, State.SETTING),
        (Event.SET_RESPONSE, State.ASSOCIATED),
        (Event.ACTION_REQUEST, State.ACTING),
        (Event.ACTION_RESPONSE, State.ASSOCIATED),
        (Event.ACTION_REQUEST, State.ACTING),
        (Event.ACTION_TAKEN, State.ACTION_BLOCKS),
        (Event.ACTION_BLOCK, State.ACTING),
        (Event.ACTION_PART, State.ACTION_PARTS),
        (Event.ACTION_NEXT, State.ACTING),
        (Event.ACTION_RESPONSE, State.ASSOCIATED),
        (Event.UNCONFIRMED_REQUEST, State.ASSOCIATED),
        (Event.NOTIFICATION, State.ASSOCIATED),
        (Event.RLRQ, State.RELEASING),
        (Event.RLRE, State.IDLE),
    )
    state = State.IDLE
    for event, after in life:
        state = next_state(role, state, event)
        assert state is after


@given(st.sampled_from(Role), st.sampled_from(State), st.sampled_from(Event))
def test_state_missing_transition_names_role_state_and_event(role: Role, state: State, event: Event) -> None:
    """Whatever the table does not know raises: Local for our own doing, Remote for the peer's."""
    if event in TRANSITIONS[role][state]:
        assert next_state(role, state, event) in State
        return
    ours = (event in CLIENT_EVENTS) == (role is Role.CLIENT)
    with pytest.raises(LocalProtocolError if ours else RemoteProtocolError) as caught:
        next_state(role, state, event)
    for word in (role.value, state.value, event.value):
        assert word in str(caught.value)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", State)
def test_state_link_down_is_allowed_everywhere_and_ends_the_association(role: Role, state: State) -> None:
    """A lost link leaves no half-open association behind."""
    assert next_state(role, state, Event.LINK_DOWN) is State.IDLE


@pytest.mark.parametrize("event", [Event.GET_REQUEST, Event.SET_REQUEST, Event.ACTION_REQUEST])
def test_state_service_needs_an_association(event: Event) -> None:
    """Neither end lets a service pass before the association is complete."""
    for state in (State.IDLE, State.ASSOCIATING, State.HLS_PENDING, State.HLS_PROVING, State.RELEASING):
        with pytest.raises(LocalProtocolError):
            next_state(Role.CLIENT, state, event)
        with pytest.raises(RemoteProtocolError):
            next_state(Role.SERVER, state, event)


@pytest.mark.parametrize("state", sorted(BETWEEN_BLOCKS, key=lambda state: state.value))
def test_state_between_blocks_only_its_own_next_goes_on(state: State) -> None:
    """Each transfer has one event that goes on with it; at the server any other request abandons it."""
    goes_on = {
        State.GET_BLOCKS: (Event.GET_NEXT, State.GETTING),
        State.SET_BLOCKS: (Event.SET_BLOCK, State.SETTING),
        State.ACTION_BLOCKS: (Event.ACTION_BLOCK, State.ACTING),
        State.ACTION_PARTS: (Event.ACTION_NEXT, State.ACTING),
    }
    event, after = goes_on[state]
    for role in Role:
        assert next_state(role, state, event) is after
        for other, _ in goes_on.values():
            if other is not event:
                with pytest.raises(LocalProtocolError if role is Role.CLIENT else RemoteProtocolError):
                    next_state(role, state, other)
    for request, busy in (
        (Event.GET_REQUEST, State.GETTING),
        (Event.SET_REQUEST, State.SETTING),
        (Event.ACTION_REQUEST, State.ACTING),
    ):
        assert next_state(Role.SERVER, state, request) is busy
        with pytest.raises(LocalProtocolError):
            next_state(Role.CLIENT, state, request)
    assert next_state(Role.CLIENT, state, Event.GIVEN_UP) is State.ASSOCIATED


def test_state_every_state_can_be_reached_and_left() -> None:
    """No state is an island or a trap, in either role."""
    for role in Role:
        seen = {State.IDLE}
        todo = [State.IDLE]
        while todo:
            for after in TRANSITIONS[role][todo.pop()].values():
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        assert seen == set(State)
        assert set(TRANSITIONS[role]) == set(State)


@given(st.lists(st.sampled_from([event for event in Event if event is not Event.GIVEN_UP]), max_size=30))
def test_state_client_never_allows_itself_what_the_server_forbids(events: list[Event]) -> None:
    """Along any walk both tables allow, a request the client may send is one the server may receive."""
    client = server = State.IDLE
    for event in events:
        if event not in TRANSITIONS[Role.CLIENT][client] or event not in TRANSITIONS[Role.SERVER][server]:
            continue
        client = next_state(Role.CLIENT, client, event)
        server = next_state(Role.SERVER, server, event)
        assert client is server
        sendable = set(TRANSITIONS[Role.CLIENT][client]) & (CLIENT_EVENTS - {Event.GIVEN_UP})
        assert sendable <= set(TRANSITIONS[Role.SERVER][server])


def test_state_rejected_association_starts_over() -> None:
    """After a rejection the same client may try again."""
    assert walk(Role.CLIENT, Event.AARQ, Event.AARE_REJECTED, Event.AARQ) is State.ASSOCIATING
    assert walk(Role.CLIENT, Event.AARQ, Event.GIVEN_UP, Event.AARQ) is State.ASSOCIATING
