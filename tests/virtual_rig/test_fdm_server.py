"""ISM and the FDM Tools server as models: what is issued, what waits, what is handed out to whom."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import Refused
from adapters.protocols.endpoint_link import material
from adapters.protocols.endpoint_link.material import Kind, ReadingKey, SecureCommand, SignedAuthorization
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
    LEVELS,
    NETWORK,
    PROGRAM,
    READ,
    READER,
    READY,
    TWIN,
    FieldLab,
    device,
    kinds,
    password,
    reason,
    token,
)
from virtual_rig.secured.authority import SecurityAuthority
from virtual_rig.secured.ism import Order
from virtual_rig.secured.needs import kind_needed

AUTHORIZATION, SECURE, KEY = Kind.AUTHORIZATION, Kind.COMMAND, Kind.READING_KEY


# --- ISM -------------------------------------------------------------------------------------------------


def test_ism_is_the_authority_endpoints_trust() -> None:
    """What it signs its public key verifies, with its issuer number in it."""
    with FieldLab() as lab:
        assert isinstance(lab.ism, SecurityAuthority)
        for piece in lab.order(COMMAND, FULL, commands=(DISCONNECT, PROGRAM)):
            assert isinstance(piece, SignedAuthorization | SecureCommand)
            assert material.verify(piece, lab.ism.public_key)
            assert piece.issuer == lab.ism.issuer == 1


def test_ism_pieces_have_numbers_of_their_own() -> None:
    """No two pieces share a number, whatever they are and whoever they are for."""
    with FieldLab() as lab:
        orders = [lab.order(COMMAND, FULL, NETWORK, commands=tuple(Command), copies=3) for _ in range(2)]
        numbers = [piece.number for issued in orders for piece in issued]
        assert len(numbers) == len(set(numbers)) == 2 * (3 + 6 + 3 + 6 + 1 + 6)


@pytest.mark.parametrize(
    "endpoint, command, expected",
    [
        (COMMAND, DISCONNECT, [SECURE]),
        (COMMAND, READ, []),
        (COMMAND, PROGRAM, [AUTHORIZATION]),
        (FULL, CONNECT, [SECURE]),
        (FULL, READ, [KEY]),
        (FULL, CHECK, [AUTHORIZATION]),
        (NETWORK, READ, [AUTHORIZATION, AUTHORIZATION]),
        (NETWORK, DISCONNECT, [AUTHORIZATION, AUTHORIZATION]),
        (COMMAND, Command.OPEN_SESSION, [AUTHORIZATION]),
        (COMMAND, Command.CLOSE_SESSION, []),
    ],
)
def test_ism_issues_what_the_level_asks_for(endpoint: int, command: Command, expected: list[Kind]) -> None:
    """A secure command to switch, an authorization for the rest, a key to read at full security."""
    with FieldLab() as lab:
        assert [kind for _, kind, _ in kinds(lab.order(endpoint, commands=(command,)))] == expected


@settings(max_examples=60, deadline=None)
@given(
    level=st.sampled_from(Level),
    commands=st.lists(st.sampled_from(Command), min_size=1, max_size=8, unique=True),
)
def test_kind_needed_unsecured_levels_need_nothing(level: Level, commands: list[Command]) -> None:
    """Material is a matter of secured levels, and closing a session takes none anywhere."""
    needed = {command: kind_needed(level, command) for command in commands}
    if level in (Level.BASIC, Level.READY_TO_SECURE):
        assert set(needed.values()) == {None}
    assert needed.get(Command.CLOSE_SESSION) is None


def test_ism_unknown_endpoint_issues_nothing_at_all() -> None:
    """One stranger in an order, and nobody gets anything."""
    with FieldLab() as lab:
        assert reason(lab.order, COMMAND, GONE, commands=(DISCONNECT,)) == "unknown-endpoint"
        assert lab.server.waiting(COMMAND) == ()
        assert lab.ism.orders == 0


def test_ism_same_seed_same_octets() -> None:
    """Runs repeat: two labs issue the very same octets."""
    octets = []
    for _ in range(2):
        with FieldLab() as lab:
            issued = lab.order(FULL, NETWORK, commands=(READ, DISCONNECT))
            octets.append([piece.encode() for piece in issued])
    assert octets[0] == octets[1]


def test_ism_secrets_show_nowhere() -> None:
    """Neither a key nor a signature nor a password is in any repr, nor a token."""
    with FieldLab() as lab:
        issued = lab.order(FULL, commands=(READ, DISCONNECT, PROGRAM))
        lab.a.log_in(FSR, password(FSR))
        bundle = lab.a.request([device(FULL)])
        account = lab.server._users[FSR].account
        session = lab.a._session
        shown = " ".join(
            map(repr, (lab.ism, issued, bundle, account, session, lab.server.log_in(FSR, password(FSR))))
        )
        assert password(FSR) not in shown
        assert token(FSR) not in shown
        for piece in issued:
            secret = piece.key if isinstance(piece, ReadingKey) else piece.signature
            assert repr(secret)[2:-1] not in shown
            assert secret.hex() not in shown


# --- orders ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", [BASIC, READY])
def test_order_for_an_unsecured_device_is_not_needed(endpoint: int) -> None:
    """Nothing is issued, not even for the secured device in the same order."""
    with FieldLab() as lab:
        assert reason(lab.order, COMMAND, endpoint, commands=(CHECK,)) == "not-needed"
        assert lab.server.waiting(COMMAND) == lab.server.waiting(endpoint) == ()


def test_order_again_supersedes_what_waited() -> None:
    """What an earlier order left over is not handed out any more."""
    with FieldLab() as lab:
        lab.order(COMMAND, commands=(DISCONNECT, CONNECT))
        lab.order(COMMAND, commands=(PROGRAM,))
        assert kinds(lab.server.waiting(COMMAND)) == [(COMMAND, AUTHORIZATION, None)]


def test_order_sees_how_a_device_is_configured_now_and_a_request_as_of_the_last_sync() -> None:
    """ISM knows; the server's view lags until it hears from ISM again."""
    with FieldLab() as lab:
        _, before = lab.server.devices()
        assert [each.endpoint for each in before if each.secured] == [COMMAND, FULL, NETWORK, TWIN, GAS]
        lab.air.endpoints[READY].level = Level.COMMAND_SECURITY
        assert lab.ready(READY).not_needed == (READY,)
        lab.order(READY, commands=(DISCONNECT,))
        assert lab.ready(READY).endpoints == (READY,)


def test_sync_takes_the_time_of_the_world() -> None:
    """The server says as of when its view is."""
    with FieldLab() as lab:
        first, _ = lab.server.devices()
        lab.clock.sleep_s(600)
        assert lab.server.devices()[0] == first
        assert (lab.server.sync() - first).total_seconds() == 600


@pytest.mark.parametrize("kind", [AUTHORIZATION, SECURE, KEY])
def test_lab_piece_is_good_for_the_endpoint_and_waits_for_nobody(kind: Kind) -> None:
    """The lab's radio gets a piece of its own, whatever the level asks for."""
    with FieldLab() as lab:
        piece = lab.server.issue_one(COMMAND, kind, PROGRAM if kind is SECURE else None, 600)
        assert [kinds((piece,))[0][:2]] == [(COMMAND, kind)]
        assert lab.server.waiting(COMMAND) == ()


def test_lab_piece_nobody_can_use_is_refused() -> None:
    """There is no such device, and no secure command that reads."""
    with FieldLab() as lab:
        assert reason(lab.server.issue_one, GONE, KEY, None, 60) == "unknown-endpoint"
        assert reason(lab.server.issue_one, COMMAND, SECURE, READ, 60) == "not-needed"
        assert reason(lab.server.issue_one, COMMAND, SECURE, None, 60) == "not-needed"


# --- handing out -----------------------------------------------------------------------------------------


def test_request_two_tools_get_the_very_same_pieces() -> None:
    """Nothing is reserved: that is how one handheld can use up another one's command."""
    with FieldLab() as lab:
        lab.order(COMMAND, commands=(DISCONNECT, CONNECT), copies=2)
        assert lab.ready(COMMAND).material == lab.ready(COMMAND, tool=lab.b).material
        assert len(lab.ready(COMMAND).material) == 2


def test_request_after_use_is_reported_brings_the_next_piece() -> None:
    """Two copies were ordered: the second comes when the first is known to be used, then there is none."""
    with FieldLab() as lab:
        lab.order(COMMAND, commands=(DISCONNECT,), copies=2)
        (first,) = lab.ready(COMMAND).material
        assert lab.a.request([device(COMMAND)]).material == (first,)
        lab.perform(COMMAND, DISCONNECT)
        (second,) = lab.a.request([device(COMMAND)]).material
        assert second.number > first.number
        lab.perform(COMMAND, DISCONNECT)
        assert lab.a.request([device(COMMAND)]).material == ()


def test_request_what_has_got_too_old_is_not_handed_out() -> None:
    """The date on a piece is the server's business too."""
    with FieldLab() as lab:
        lab.server.issue(Order(endpoints=(FULL,), commands=(DISCONNECT, READ), validity_s=60))
        lab.clock.sleep_s(61)
        assert kinds(lab.ready(FULL).material) == [(FULL, KEY, None)]  # a key has no date


def test_request_brings_what_the_user_may_use_and_no_more() -> None:
    """A user who may only read and check gets the key and an authorization, but no disconnect."""
    with FieldLab() as lab:
        lab.order(FULL, commands=(READ, DISCONNECT, PROGRAM))
        assert kinds(lab.ready(FULL, user=READER).material) == [
            (FULL, AUTHORIZATION, None),
            (FULL, KEY, None),
        ]
        lab.server.set_permissions(READER, (READ,))
        assert kinds(lab.ready(FULL, user=READER).material) == [(FULL, KEY, None)]


def test_request_each_device_once_in_the_servers_order() -> None:
    """A device listed twice is served once; unknown ids and wrong types are named."""
    with FieldLab() as lab:
        lab.order(COMMAND, TWIN, commands=(DISCONNECT,))
        lab.a.log_in(FSR, password(FSR))
        listed = [device(TWIN), device(COMMAND), device(TWIN), device(GONE), device(GAS, "electric-meter")]
        brought = lab.a.request(listed)
        assert brought.endpoints == (COMMAND, TWIN)
        assert brought.not_found == (GONE, GAS)
        assert len(brought.material) == 2


def test_request_with_a_token_nobody_was_given_is_refused() -> None:
    """Without a log-in nothing is handed out."""
    with FieldLab() as lab:
        lab.order(COMMAND, commands=(DISCONNECT,))
        for wrong in ("", "fsr", token(FSR) + "x"):
            assert reason(lab.server.request, wrong, [device(COMMAND)]) == "not-logged-in"


@pytest.mark.parametrize("user, given", [(FSR, ""), (FSR, password(READER)), ("nobody", ""), ("", "")])
def test_log_in_with_a_wrong_password_or_name_says_which_to_nobody(user: str, given: str) -> None:
    """One reason for both, and used numbers are not believed."""
    with FieldLab() as lab:
        (piece,) = lab.order(COMMAND, commands=(DISCONNECT,))
        assert reason(lab.server.log_in, user, given, {piece.number}) == "wrong-password"
        assert lab.server.waiting(COMMAND) == (piece,)


def test_permissions_are_what_was_set_in_the_order_of_the_menu() -> None:
    """Every set of two commands comes back as it is; users there are none of cannot be given any."""
    with FieldLab() as lab:
        for pair in combinations(Command, 2):
            assert (
                lab.server.set_permissions(READER, reversed(pair)) == pair == lab.server.permissions(READER)
            )
        assert reason(lab.server.set_permissions, "nobody", ()) == "unknown-user"
        with pytest.raises(Refused, match="nobody"):
            lab.server.permissions("nobody")


def test_every_level_is_in_the_lab() -> None:
    """The tests above look at all levels there are."""
    assert {level for _, level in LEVELS.values()} == set(Level)
