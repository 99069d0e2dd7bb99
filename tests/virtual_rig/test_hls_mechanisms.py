"""Every HLS mechanism between our client engine and the virtual meter, ciphered and in the clear."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest

from adapters.profiles.loader import load_profile
from adapters.profiles.model import Profile
from adapters.protocols.dlms import client_events as events
from adapters.protocols.dlms.client import ClientAssociation
from adapters.protocols.dlms.client_settings import ClientSettings
from adapters.protocols.dlms.client_transfer import NotGranted
from adapters.protocols.dlms.enums import MechanismId
from adapters.protocols.dlms.general_cipher import KeyWay
from adapters.protocols.dlms.hls import HlsCredentials
from adapters.protocols.dlms.security import Keys
from adapters.protocols.dlms.signatures import SigningKey, VerifyingKey
from adapters.protocols.dlms.state import State
from virtual_rig.clock import VirtualClock
from virtual_rig.demo_secrets import client_secrets
from virtual_rig.meters.associations import AssociationTable, ClientSecrets, PortState
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.supply import Supply, balanced
from virtual_rig.world import World

SUITE0 = (MechanismId.HLS, MechanismId.HLS_MD5, MechanismId.HLS_SHA1, MechanismId.HLS_SHA256)
WAYS = [(0, mechanism) for mechanism in SUITE0]
WAYS += [
    (number, mechanism) for number in (1, 2) for mechanism in (MechanismId.HLS_SHA256, MechanismId.HLS_ECDSA)
]
LDN = (1, bytes((0, 0, 42, 0, 0, 255)), 2)
ways = pytest.mark.parametrize("suite, mechanism", WAYS)


@cache
def profile_of(suite: int, ciphered: bool) -> Profile:
    """Return the profile of a suite, its Management client ciphered or not."""
    profile = load_profile(f"mcs301_suite{suite}")
    management = profile.clients["management"].model_copy(update={"ciphered": ciphered})
    return profile.model_copy(update={"clients": profile.clients | {"management": management}})


class Line:
    name = "ip#1"


class Bench:
    """A meter, and clients to speak to it as Management."""

    def __init__(self, rig: VirtualClock) -> None:
        self.rig = rig

    def build(self, suite: int, ciphered: bool) -> None:
        self.profile, self.suite, self.ciphered = profile_of(suite, ciphered), suite, ciphered
        supply = Supply(self.rig, balanced(Decimal(230)))
        self.meter = Mcs301(world=World(scheduler=self.rig), supply=supply, profile=self.profile)
        secrets = client_secrets(self.profile, "test", 1)
        self.secret: ClientSecrets = secrets["management"]
        self.table = AssociationTable(self.meter, secrets)

    def credentials(self) -> HlsCredentials:
        secret = self.secret
        if not secret.signing_key:
            return HlsCredentials(secret=secret.hls_secret)
        return HlsCredentials(
            secret=secret.hls_secret,
            signing_key=SigningKey(secret.signing_key),
            peer_key=VerifyingKey(SigningKey(secret.meter_signing_key).public_octets),
        )

    def client(self, mechanism: MechanismId, hls: HlsCredentials, **changed: object) -> ClientAssociation:
        keys = Keys(
            encryption_key=self.secret.encryption_key, authentication_key=self.secret.authentication_key
        )
        settings = ClientSettings(
            mechanism=mechanism,
            hls=hls,
            suite=self.suite,
            keys=keys if self.ciphered else None,
            ciphered=self.ciphered,
            system_title=bytes.fromhex(self.profile.security.client_system_title),
            invocation_counter=1,
            **changed,  # type: ignore[arg-type]
        )
        return ClientAssociation(settings, b"\x5a" * 16)

    def talk(self, client: ClientAssociation) -> object:
        """Associate, follow the passes, and return the last event."""
        self.server = self.table.association(PortState("ip", self.profile.ports["ip"]), Line(), 1)
        request = client.associate()
        while True:
            answer = self.server.handle(request)
            assert answer is not None
            event = client.receive(answer)
            if not isinstance(event, events.HlsChallenge):
                return event
            request = event.reply


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Make a bench whose meter is built by the test."""
    rig = VirtualClock()
    yield Bench(rig)
    rig.close()


@ways
@pytest.mark.parametrize("ciphered", [False, True])
def test_mechanism_opens_and_serves(bench: Bench, suite: int, mechanism: MechanismId, ciphered: bool) -> None:
    """Four passes, then a service; without ciphering no keys are needed at all."""
    bench.build(suite, ciphered)
    client = bench.client(mechanism, bench.credentials())
    assert isinstance(bench.talk(client), events.HlsConfirmed)
    answer = bench.server.handle(client.get(*LDN))
    assert answer is not None
    read = client.receive(answer)
    assert isinstance(read, events.GetAnswered)
    assert read.data is not None
    assert read.data.octets() == bench.meter.identity.logical_device_name
    assert read.ciphered == ciphered


@ways
@pytest.mark.parametrize("spoil", [events.Spoil.WRONG_CHALLENGE_RESPONSE, events.Spoil.REFLECTED_CHALLENGE])
def test_mechanism_wrong_proof_closes_and_is_logged(
    bench: Bench, suite: int, mechanism: MechanismId, spoil: events.Spoil
) -> None:
    """A proof with one wrong bit, or the meter's own challenge, opens nothing and shows in the fraud log."""
    bench.build(suite, True)
    client = bench.client(mechanism, bench.credentials())
    server = bench.table.association(PortState("ip", bench.profile.ports["ip"]), Line(), 1)
    challenge = client.receive(server.handle(client.associate(spoil)) or b"")
    assert isinstance(challenge, events.HlsChallenge)
    refusal = client.receive(server.handle(challenge.reply) or b"")
    assert isinstance(refusal, events.HlsRejected)
    assert server.state is State.IDLE
    assert bench.meter.logs["fraud"].last == 46


@pytest.mark.parametrize("suite", [1, 2])
def test_ecdsa_client_refuses_a_meter_with_another_key(bench: Bench, suite: int) -> None:
    """The fourth pass is checked: whoever does not hold the meter's key is not believed."""
    bench.build(suite, True)
    right = bench.credentials()
    assert right.signing_key is not None
    wrong = replace(right, peer_key=VerifyingKey(right.signing_key.public_octets))
    client = bench.client(MechanismId.HLS_ECDSA, wrong)
    with pytest.raises(Exception, match="signature does not fit"):
        bench.talk(client)
    assert client.state is not State.ASSOCIATED


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("suite", [0, 1, 2])
def test_dedicated_key_of_the_suites_length_ciphers_the_services(
    bench: Bench, suite: int, general: bool
) -> None:
    """Services travel under the key of this association, each way, with the tags for it."""
    bench.build(suite, True)
    key = bytes([0x42]) * len(bench.secret.encryption_key)
    client = bench.client(MechanismId.HLS_SHA256, bench.credentials(), dedicated_key=key, general=general)
    assert isinstance(bench.talk(client), events.HlsConfirmed)
    request = client.get(*LDN)
    answer = bench.server.handle(request)
    assert answer is not None
    assert (request[0], answer[0]) == ((0xDC, 0xDC) if general else (0xD0, 0xD4))
    read = client.receive(answer)
    assert isinstance(read, events.GetAnswered)


def test_dedicated_key_of_another_length_is_refused(bench: Bench) -> None:
    """Suite 2 takes no dedicated key of 16 octets; nothing is opened."""
    bench.build(2, True)
    client = bench.client(MechanismId.HLS_SHA256, bench.credentials(), dedicated_key=bytes(16))
    assert isinstance(bench.talk(client), events.AssociationRejected)


def ungranted(bench: Bench) -> None:
    """Build a meter of suite 1 that offers no general protection."""
    bench.build(1, True)
    management = bench.profile.clients["management"]
    offered = [bit for bit in management.conformance if bit != "general-protection"]
    clients = bench.profile.clients | {"management": management.model_copy(update={"conformance": offered})}
    bench.profile = bench.meter.profile = bench.profile.model_copy(update={"clients": clients})


def test_general_protection_that_was_not_granted_is_not_used(bench: Bench) -> None:
    """The client falls back to the tags of the services; general APDUs are what the profile would have."""
    ungranted(bench)
    client = bench.client(MechanismId.HLS_SHA256, bench.credentials(), general=True)
    assert isinstance(bench.talk(client), events.HlsConfirmed)
    request = client.get(*LDN)
    answer = bench.server.handle(request)
    assert answer is not None
    assert (request[0], answer[0]) == (0xC8, 0xCC)


def test_general_ciphering_that_was_not_granted_is_asked_for_in_vain(bench: Bench) -> None:
    """A plan that wants it is told which conformance bit is missing, before anything is sent."""
    ungranted(bench)
    client = bench.client(MechanismId.HLS_SHA256, bench.credentials(), key_way=KeyWay.IDENTIFIED)
    assert isinstance(bench.talk(client), events.HlsConfirmed)
    with pytest.raises(NotGranted, match="general-protection"):
        client.get(*LDN)


def test_meter_refuses_general_ciphering_it_did_not_grant(bench: Bench) -> None:
    """A message of a kind that was not agreed on is not served, whatever its key."""
    bench.build(1, True)
    granted = bench.client(MechanismId.HLS_SHA256, bench.credentials(), key_way=KeyWay.IDENTIFIED)
    assert isinstance(bench.talk(granted), events.HlsConfirmed)
    request = granted.get(*LDN)
    ungranted(bench)
    other = bench.client(MechanismId.HLS_SHA256, bench.credentials())
    assert isinstance(bench.talk(other), events.HlsConfirmed)
    answer = bench.server.handle(request)
    assert answer is not None
    assert answer[0] == 0xD8
