"""The association table under any course of events, against a model of the manual's policies."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapters.profiles.loader import load_profile
from adapters.protocols.dlms import client_events as events
from adapters.protocols.dlms.client import ClientAssociation
from adapters.protocols.dlms.client_settings import ClientSettings
from adapters.protocols.dlms.enums import MechanismId
from adapters.protocols.dlms.server import ServerAssociation
from virtual_rig.clock import VirtualClock
from virtual_rig.meters.associations import AssociationTable, ClientSecrets, PortState
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.supply import Supply, balanced
from virtual_rig.world import World

PROFILE = load_profile("mcs301")
PASSWORD = b"a password"
CLIENTS = st.sampled_from(["public", "management", "reading"])
LINKS = st.sampled_from(["optical/1", "optical/2", "rs485/1", "ip/1", "ip/2", "ip/3"])
GET_NAME = bytes.fromhex("c001c1000100002a0000ff0200")

assert PROFILE.lock_out is not None
ATTEMPTS = PROFILE.lock_out.attempts


class Line:
    def __init__(self, name: str) -> None:
        self.name = name


class Table(RuleBasedStateMachine):
    """Clients come and go on any link; power fails now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = VirtualClock()
        self.supply = Supply(self.rig, balanced(Decimal(230)))
        meter = Mcs301(world=World(scheduler=self.rig), supply=self.supply, profile=PROFILE)
        secret = ClientSecrets(encryption_key=bytes(16), authentication_key=bytes(16), password=PASSWORD)
        self.table = AssociationTable(meter, {"management": secret, "reading": secret})
        self.ports = {name: PortState(name, rules) for name, rules in PROFILE.ports.items()}
        self.servers: dict[tuple[str, str], ServerAssociation] = {}
        self.open: set[tuple[str, str]] = set()
        self.failures: dict[str, int] = {}  # wrong passwords in a row; time stands still

    def teardown(self) -> None:
        self.rig.close()

    def server(self, client: str, link: str) -> ServerAssociation:
        if (client, link) not in self.servers:
            port = self.ports[link.partition("/")[0]]
            sap = PROFILE.clients[client].sap
            self.servers[client, link] = self.table.association(port, Line(link), sap)
        return self.servers[client, link]

    @rule(client=CLIENTS, link=LINKS, right=st.booleans())
    def associate(self, client: str, link: str, right: bool) -> None:
        """Open, with the right or a wrong password; what was open there under this client ends with it."""
        port = link.partition("/")[0]
        self.open.discard((client, link))
        mechanism = MechanismId.NONE if client == "public" else MechanismId.LLS
        secret = b"" if client == "public" else PASSWORD if right else b"wrong"
        dlms = ClientAssociation(ClientSettings(mechanism=mechanism, secret=secret))
        event = dlms.receive(self.server(client, link).handle(dlms.associate()) or b"")
        here = sum(at.partition("/")[0] == port for _, at in self.open)
        allowed = port in PROFILE.clients[client].channels and here < PROFILE.ports[port].max_associations
        welcome = port in PROFILE.clients[client].channels and self.failures.get(client, 0) < ATTEMPTS
        allowed = allowed and welcome and (right or client == "public")
        if welcome and not right and client != "public":
            self.failures[client] = self.failures.get(client, 0) + 1
        assert isinstance(event, events.AssociationAccepted) == allowed
        if allowed:
            self.open.add((client, link))
            self.failures.pop(client, None)

    @rule(client=CLIENTS, link=LINKS)
    def release(self, client: str, link: str) -> None:
        """Ask for the release of what may or may not be open."""
        answer = self.server(client, link).handle(bytes.fromhex("6203800100"))
        assert answer is not None
        assert (answer[0] == 0x63) == ((client, link) in self.open)
        self.open.discard((client, link))

    @rule(link=LINKS)
    def lose_link(self, link: str) -> None:
        """Everything on the link is gone."""
        for client, at in list(self.servers):
            if at == link:
                self.servers[client, at].link_down()
        self.open = {(client, at) for client, at in self.open if at != link}

    @rule()
    def cut_power(self) -> None:
        """Everything is gone."""
        self.supply.switch(False)
        self.supply.switch(True)
        self.open.clear()
        self.failures.clear()

    @invariant()
    def those_open_are_served_and_no_others(self) -> None:
        """Table and model agree, and so do the services."""
        assert {(at.client, at.link.name) for at in self.table.open} == self.open
        for key, server in self.servers.items():
            answer = server.handle(GET_NAME)
            assert answer is not None
            assert (answer[0] == 0xC4) == (key in self.open)


Table.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTable = Table.TestCase
