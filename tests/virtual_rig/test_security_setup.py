"""Class 64 of the virtual meter: what a key transfer and a policy change do, and what they must not."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.profiles.loader import load_profile
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ActionResult, DataType
from adapters.protocols.dlms.key_wrap import wrap
from virtual_rig.clock import VirtualClock
from virtual_rig.demo_secrets import client_secrets
from virtual_rig.meters.associations import AssociationTable, ClientSecrets
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.meters.security_setup import KeyKind, SecuritySetup
from virtual_rig.supply import Supply, balanced
from virtual_rig.world import World

POLICIES = ("none", "authenticated", "encrypted", "authenticated-encrypted")
V0 = {"none": 0, "authenticated": 1, "encrypted": 2, "authenticated-encrypted": 3}
V1 = {"none": 0x00, "authenticated": 0x24, "encrypted": 0x48, "authenticated-encrypted": 0x6C}
CONTROL = {"none": 0x00, "authenticated": 0x10, "encrypted": 0x20, "authenticated-encrypted": 0x30}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A meter with its first keys."""

    meter: Mcs301
    supply: Supply
    secrets: dict[str, ClientSecrets]

    @property
    def setup(self) -> SecuritySetup:
        return self.meter.security.of["management"]


profile_of = cache(load_profile)


def built(profile: str, rig: VirtualClock) -> Bench:
    shape = profile_of(profile)
    supply = Supply(rig, balanced(Decimal(230)))
    meter = Mcs301(world=World(scheduler=rig), supply=supply, profile=shape)
    secrets = client_secrets(shape, "test", 1)
    AssociationTable(meter, secrets)
    meter.model.seal()
    return Bench(meter=meter, supply=supply, secrets=secrets)


@pytest.fixture(params=["mcs301", "mcs301_suite1", "mcs301_suite2"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Make a meter of each suite."""
    rig = VirtualClock()
    yield built(request.param, rig)
    rig.close()


def transfer(bench: Bench, *keys: tuple[int, bytes], master: bytes = b"") -> Data:
    kek = master or bench.secrets["management"].master_key
    return dlms.array(
        *(dlms.structure(dlms.enum(number), dlms.octet_string(wrap(kek, key))) for number, key in keys)
    )


def new_key(bench: Bench, octet: int = 0x77) -> bytes:
    return bytes([octet]) * len(bench.secrets["management"].encryption_key)


def test_transfer_all_kinds_at_once_are_taken(bench: Bench) -> None:
    """Unicast, broadcast, authentication and master key travel in one transfer."""
    keys = {kind: new_key(bench, 0x50 + kind) for kind in KeyKind}
    argument = transfer(bench, *((kind.value, key) for kind, key in keys.items()))
    assert bench.setup.transfer(argument) == (ActionResult.SUCCESS, None)
    assert bench.setup.keys == keys
    other = bench.meter.security.of["reading"]
    assert other.keys[KeyKind.UNICAST] == bench.secrets["reading"].encryption_key


def test_transfer_new_master_key_counts_for_the_next_one(bench: Bench) -> None:
    """After the master key has changed, the one before wraps nothing any more."""
    master = new_key(bench, 0x3C)
    before = bench.secrets["management"].master_key
    assert bench.setup.transfer(transfer(bench, (3, master)))[0] is ActionResult.SUCCESS
    assert (
        bench.setup.transfer(transfer(bench, (0, new_key(bench)), master=before))[0]
        is not ActionResult.SUCCESS
    )
    assert (
        bench.setup.transfer(transfer(bench, (0, new_key(bench)), master=master))[0] is ActionResult.SUCCESS
    )


def test_transfer_open_association_keeps_what_it_agreed_on(bench: Bench) -> None:
    """What an open association ciphers with is not touched; the next one gets the new key and counters."""
    agreed = bench.setup.ciphering
    assert agreed is not None
    agreed.received.accept(41)
    bench.setup.transfer(transfer(bench, (0, new_key(bench))))
    fresh = bench.setup.ciphering
    assert fresh is not None
    assert fresh.suite is not agreed.suite
    assert (agreed.received.expected, fresh.received.expected) == (42, 0)


@pytest.mark.parametrize("octets", [8, 15, 17, 24, 40])
def test_transfer_key_of_another_length_is_refused(bench: Bench, octets: int) -> None:
    """Only the suite's own length is a key; nothing changes otherwise."""
    before = dict(bench.setup.keys)
    kek = bench.secrets["management"].master_key
    wrapped = wrap(kek, bytes(octets)) if octets % 8 == 0 and octets >= 16 else bytes(octets + 8)
    entry = dlms.structure(dlms.enum(0), dlms.octet_string(wrapped))
    assert bench.setup.transfer(dlms.array(entry)) == (ActionResult.OTHER_REASON, None)
    assert bench.setup.keys == before


def test_transfer_unknown_key_id_takes_nothing_of_the_others(bench: Bench) -> None:
    """A key id nobody documented spoils the whole transfer."""
    before = dict(bench.setup.keys)
    argument = transfer(bench, (0, new_key(bench)), (9, new_key(bench)))
    assert bench.setup.transfer(argument)[0] is ActionResult.OTHER_REASON
    assert bench.setup.keys == before


def simple_data() -> st.SearchStrategy[Data]:
    leaves = st.one_of(
        st.binary(max_size=40).map(dlms.octet_string),
        st.integers(0, 255).map(dlms.enum),
        st.just(dlms.null()),
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3).flatmap(
            lambda items: st.sampled_from([dlms.array(*items), dlms.structure(*items)])
        ),
        max_leaves=12,
    )


@settings(max_examples=60, deadline=None)
@given(st.none() | simple_data())
def test_transfer_any_argument_is_refused_without_a_trace(argument: Data | None) -> None:
    """No argument but properly wrapped keys changes anything, and none raises."""
    before, log = dict(HOSTILE.setup.keys), len(HOSTILE.meter.logs["standard"].entries)
    result, returned = HOSTILE.setup.transfer(argument)
    assert result in (ActionResult.TYPE_UNMATCHED, ActionResult.OTHER_REASON)
    assert returned is None
    assert HOSTILE.setup.keys == before
    assert len(HOSTILE.meter.logs["standard"].entries) == log


HOSTILE = built("mcs301", VirtualClock())


@pytest.mark.parametrize("version, numbers", [(0, V0), (1, V1)])
def test_policy_only_ever_grows(bench: Bench, version: int, numbers: dict[str, int]) -> None:
    """Every pair of policies: what takes nothing away is put into force, anything else changes nothing."""
    for old, new in product(POLICIES, repeat=2):
        bench.setup.control = CONTROL[old]
        result, _ = bench.setup.activate(version, dlms.enum(numbers[new]))
        grows = CONTROL[old] & CONTROL[new] == CONTROL[old]
        assert (result is ActionResult.SUCCESS) == grows, (old, new)
        assert bench.setup.control == CONTROL[new if grows else old], (old, new)


@pytest.mark.parametrize("version", [0, 1])
def test_policy_nobody_documented_is_refused(bench: Bench, version: int) -> None:
    """Other numbers and other types put nothing into force."""
    for argument in (None, dlms.enum(0x77), Data(DataType.UNSIGNED, 3)):
        assert bench.setup.activate(version, argument)[0] is not ActionResult.SUCCESS
        assert bench.setup.control == CONTROL["authenticated-encrypted"]


def test_power_cut_keeps_keys_policy_and_counters(bench: Bench) -> None:
    """What was transferred is there when the supply comes back."""
    bench.setup.transfer(transfer(bench, (0, new_key(bench)), (2, new_key(bench, 0x22))))
    ciphering = bench.setup.ciphering
    assert ciphering is not None
    ciphering.received.accept(7)
    keys = dict(bench.setup.keys)
    bench.supply.switch(on=False)
    bench.supply.switch(on=True)
    again = bench.setup.ciphering
    assert again is not None
    assert bench.setup.keys == keys
    assert again.received.expected == 8
