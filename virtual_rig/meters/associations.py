"""Who may talk to the meter, where, and what for: the association table and the policies on it.

Source of the rules: MCS301 manual 1.25, p. 128 and 129. Each line that implements one asks the world
whether the meter obeys it; docs/behaviours/mcs301.md lists what the meter does instead where it does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from adapters.profiles.model import Client, Port
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.acse import Aarq
from adapters.protocols.dlms.apdu import AttributeDescriptor, MethodDescriptor, SelectiveAccess
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import (
    AcseUserDiagnostic,
    ActionResult,
    Conformance,
    DataAccessResult,
    MechanismId,
)
from adapters.protocols.dlms.general_cipher import AgreementKeys
from adapters.protocols.dlms.hls import MECHANISMS, HlsCredentials
from adapters.protocols.dlms.server import ServerAssociation
from adapters.protocols.dlms.server_policy import (
    BUSY,
    Ciphering,
    Denial,
    SecurityEvent,
    Service,
    Terms,
)
from virtual_rig.meters.association_objects import CLASS_ID, SECRET, AssociationObjects
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.guarded import GuardedAssociation
from virtual_rig.meters.lock_out import LockOut
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.meters.message_keys import agreement_of, ciphering_of
from virtual_rig.meters.proofs import NEWER_PROOFS, careless_signer, credentials_of, judged
from virtual_rig.meters.refusals import Refusals
from virtual_rig.meters.security_setup import CLASS_ID as SECURITY_SETUP
from virtual_rig.meters.security_setup import KeyKind

MOST_DEVICES = 0x7F  # the address of all stations where an address has one octet
PUBLIC, MANAGEMENT, READING, PRE_ESTABLISHED = "public", "management", "reading", "pre-established"


@dataclass(frozen=True, kw_only=True)
class ClientSecrets:
    """What one client proves itself with, and what the meter answers it with.

    ``signing_key`` is the client's and ``meter_signing_key`` the meter's private key, ``agreement_key`` and
    ``meter_agreement_key`` those for key agreement; the ``next_`` keys are spares for a change of keys.
    """

    encryption_key: bytes = field(repr=False)
    authentication_key: bytes = field(repr=False)
    password: bytes = field(repr=False)
    hls_secret: bytes = field(default=b"", repr=False)
    signing_key: bytes = field(default=b"", repr=False)
    meter_signing_key: bytes = field(default=b"", repr=False)
    agreement_key: bytes = field(default=b"", repr=False)
    meter_agreement_key: bytes = field(default=b"", repr=False)
    master_key: bytes = field(default=b"", repr=False)
    broadcast_key: bytes = field(default=b"", repr=False)
    next_encryption_key: bytes = field(default=b"", repr=False)
    next_authentication_key: bytes = field(default=b"", repr=False)
    next_broadcast_key: bytes = field(default=b"", repr=False)


class Link(Protocol):
    """A link as the table sees it: only its identity counts."""

    @property
    def name(self) -> str:
        """The line's name."""
        ...


class PortState:
    """A port of the meter: its rules and, on the broken meter, a place that is never given back in time."""

    def __init__(self, name: str, rules: Port) -> None:
        self.name, self.rules = name, rules
        self.held_until_s = 0.0

    @property
    def is_local(self) -> bool:
        """Whether this is the port of IEC 62056-21, which takes one association at a time."""
        return self.rules.channel == "optical"


class AssociationTable:
    """The open associations of one meter, by port and link."""

    def __init__(self, meter: Mcs301, secrets: dict[str, ClientSecrets]) -> None:
        self.meter, self.world = meter, meter.world
        self.open: list[ClientAtLink] = []
        self._ports: dict[str, PortState] = {}
        self.opened_since_power_up = False
        self._challenges = meter.world.random_for(f"{meter.identity.serial}/challenges")
        self.last_challenge = b""
        self.credentials: dict[str, HlsCredentials] = {}
        self.passwords: dict[str, bytes] = {}
        self.agreements: dict[str, AgreementKeys | None] = {}
        for name, secret in secrets.items():
            if name in meter.security.of:
                keys = {
                    KeyKind.UNICAST: secret.encryption_key,
                    KeyKind.AUTHENTICATION: secret.authentication_key,
                    KeyKind.BROADCAST: secret.broadcast_key,
                    KeyKind.MASTER: secret.master_key,
                }
                meter.security.of[name].install({kind: key for kind, key in keys.items() if key})
            self.credentials[name] = credentials_of(
                secret.hls_secret, secret.meter_signing_key, secret.signing_key
            )
            self.passwords[name] = secret.password
            self.agreements[name] = agreement_of(
                secret.meter_agreement_key,
                secret.agreement_key,
                secret.meter_signing_key,
                secret.signing_key,
                meter.world.random_for(f"{meter.identity.serial}/{name}/ephemeral"),
            )
        self.objects = AssociationObjects(meter, self.status_of)
        self.lock_out = LockOut(meter.world, meter.profile.lock_out)
        self.refusals = Refusals(meter.world, meter.model)
        meter.on_power(self._power)
        meter.on_links(self._power)

    def association(self, port: PortState, link: Link, client_sap: int) -> ServerAssociation:
        """Return a new association, still closed unless pre-established, for ``client_sap`` at ``link``."""
        self._ports[port.name] = port
        name = self._client_of(client_sap)
        policy = ClientAtLink(self, port, link, name)
        rules = self.meter.profile.clients[name] if name else None
        policy.association = GuardedAssociation(
            policy,
            self.world,
            max_pdu=rules.max_pdu if rules is not None else 0xFFFF,
            window=lambda: self.meter.received_counters.get(name or ""),
            pre_established=name == PRE_ESTABLISHED,
        )
        return policy.association

    def status_of(self, client: str) -> int:
        """Return association_status of ``client``: 0 non-associated, 2 associated."""
        return 2 if client == PRE_ESTABLISHED or any(at.client == client for at in self.open) else 0

    def logical_devices(self) -> tuple[int, ...]:
        """Return the addresses the meter answers at; a careless one answers at any."""
        own = self.meter.profile.logical_device.sap
        return (own,) if self.world.obeys("DLX-AA-08") else tuple(range(1, MOST_DEVICES))

    def challenge(self) -> bytes:
        """Return the next challenge StoC."""
        if not self.last_challenge or self.world.obeys("DLX-SEC-10"):
            self.last_challenge = self._challenges.randbytes(16)
        return self.last_challenge

    def _client_of(self, client_sap: int) -> str | None:
        for name, client in self.meter.profile.clients.items():
            if client.sap == client_sap:
                return name
        return None if self.world.obeys("DL-CLI-01") else PUBLIC

    def _power(self, up: bool) -> None:
        if up:
            return
        if self.world.obeys("DLX-UDP-03"):  # other links end theirs as they go down; over UDP none goes down
            for at_link in tuple(self.open):
                at_link.association.link_down()
            self.open.clear()
        self.lock_out.forget()
        for port in self._ports.values():
            port.held_until_s = 0.0
        self.opened_since_power_up = False
        if not self.world.obeys("DLX-SEC-14"):
            for window in self.meter.received_counters.values():
                window.expected = 0
        if not self.world.obeys("DLX-SEC-15"):
            for counter in self.meter.sent_counters.values():
                counter.next_value = 1


class ClientAtLink:
    """The ``ServerPolicy`` of one client at one link. ``client`` is None for an address nobody knows."""

    association: ServerAssociation

    def __init__(self, table: AssociationTable, port: PortState, link: Link, client: str | None) -> None:
        self.table, self.port, self.link = table, port, link
        self.meter, self.world = table.meter, table.world
        self.client = client or ""
        self._rules: Client | None = self.meter.profile.clients[client] if client else None

    @property
    def system_title(self) -> bytes:
        """The meter's."""
        return self.meter.identity.system_title

    # --- opening -----------------------------------------------------------------------------------------

    def denial(self, _request: Aarq) -> Denial | None:
        """Refuse unknown clients and clients that have no business on this channel."""
        if self._rules is None or self.client == PRE_ESTABLISHED:
            return Denial()
        if self.table.lock_out.locked(self.client):
            return Denial(diagnostic=AcseUserDiagnostic.AUTHENTICATION_FAILURE)
        channel = self.port.rules.channel
        allowed = channel in self._rules.channels
        if self.client == PUBLIC and channel == "ip":
            allowed = self.world.obeys("DL-CLI-03")
        elif self.client == MANAGEMENT and channel == "optical":
            allowed = self.world.obeys("DL-CLI-07")
        elif self.client == READING and channel == "ip":
            allowed = not self.world.obeys("DL-CLI-15")
        return None if allowed else Denial()

    def terms(self) -> Terms:
        """Return the profile's terms for this client."""
        rules = self._rules
        assert rules is not None, "an unknown client was denied before"
        mechanisms = {MECHANISMS[name] for name in (rules.mechanism, *rules.backup)}
        if self.client == PUBLIC and not self.world.obeys("DL-CLI-04"):
            mechanisms = {MechanismId.LLS}
        if self.client == READING and not self.world.obeys("DL-CLI-16"):
            mechanisms.add(MechanismId.NONE)
        hls = self.table.credentials.get(self.client, HlsCredentials())
        if hls.secret and not self.world.obeys("DLX-SEC-04"):
            mechanisms.add(MechanismId.HLS_MD5)
        setup = self.meter.security.of.get(self.client)
        return Terms(
            mechanisms=frozenset(mechanisms),
            ciphered=frozenset(m for m in mechanisms if m.is_hls) if rules.ciphered else frozenset(),
            conformance=Conformance.from_labels(rules.conformance),
            max_pdu=rules.max_pdu,
            password=self.table.passwords.get(self.client, b"00000000"),
            serves_plain=not self.world.obeys("DLX-NEG-25"),
            ciphering=None if setup is None else self._ciphering(setup.ciphering),
            hls=careless_signer(hls, self.world),
        )

    def _ciphering(self, ciphering: Ciphering | None) -> Ciphering | None:
        return ciphering_of(ciphering, self.table.agreements.get(self.client), self.world)

    def claim(self) -> Denial | None:
        """Take a place at this port: the parallel association policies."""
        others = [at for at in self.table.open if at is not self]
        here = [at for at in others if at.port is self.port]
        elsewhere = [at for at in others if at.port is not self.port]
        if self.port.is_local:
            held = self.port.held_until_s > self.world.scheduler.now_s()
            if (len(here) >= self.port.rules.max_associations and self.world.obeys("DL-ASSOC-01")) or held:
                return BUSY
        elif here:
            limit = self.port.rules.max_associations
            if self.port.rules.channel == "ip" and not self.world.obeys("DL-ASSOC-02"):
                limit = 1
            if len(here) >= limit:
                return BUSY
        if any(at.client == self.client for at in elsewhere) and not self.world.obeys("DL-ASSOC-04"):
            return BUSY
        if any(at.client != self.client for at in elsewhere) and not self.world.obeys("DL-ASSOC-05"):
            return BUSY
        if elsewhere and not self.world.obeys("DL-ASSOC-03"):
            self._close(elsewhere)
        self.table.open.append(self)
        return None

    def associated(self, _request: Aarq) -> None:
        """Note it in the communication log."""
        self.table.lock_out.succeeded(self.client)
        self.table.opened_since_power_up = True
        self.meter.record("communication", "association_opened")

    def ended(self, released: bool) -> None:
        """Give the place back."""
        if self in self.table.open:
            self.table.open.remove(self)
        told = released and self.world.obeys("DLX-LOG-09")
        self.meter.record("communication", "association_released" if told else "connection_lost")
        if not released:
            return
        if self.port.is_local and not self.world.obeys("DL-ASSOC-08"):
            self.port.held_until_s = self.world.scheduler.now_s() + self.port.rules.inactivity_timeout_s
        if not self.world.obeys("DL-ASSOC-07"):
            self._close([at for at in self.table.open if at.port is not self.port])

    def _close(self, others: list[ClientAtLink]) -> None:
        for at_link in others:
            at_link.association.link_down()

    def challenge(self) -> bytes:
        """Return a fresh challenge."""
        return self.table.challenge()

    def accepts_proof(self, correct: bool, reflected: bool = False) -> bool:
        """Accept the right proof only."""
        mechanism = self.association.mechanism
        if mechanism is MechanismId.HLS_GMAC and self.client == MANAGEMENT:
            correct = correct or not self.world.obeys("DL-CLI-08")
        elif mechanism is MechanismId.HLS_GMAC and not reflected:
            correct = correct or not self.world.obeys("DLX-NEG-19")
        return judged(self.world, mechanism, correct, reflected)

    def security_event(self, event: SecurityEvent) -> None:
        """Write it to the fraud log, each under its own number."""
        named = event
        if event is SecurityEvent.AUTHENTICATION_FAILED:
            self.table.lock_out.failed(self.client)
            if self.association.mechanism in NEWER_PROOFS:
                logged = self.world.obeys("DLX-SEC-09")
            else:
                logged = self.world.obeys("DLX-NEG-26")
            if not logged:
                return
        elif event is SecurityEvent.DECIPHERING_FAILED and not self.world.obeys("DLX-NEG-27"):
            named = SecurityEvent.AUTHENTICATION_FAILED
        elif event is SecurityEvent.COUNTER_REPLAYED and not self.world.obeys("DLX-NEG-28"):
            named = SecurityEvent.DECIPHERING_FAILED
        self.meter.record("fraud", named.value)

    # --- services ----------------------------------------------------------------------------------------

    def serves_unassociated(self, service: Service) -> bool:
        """Serve nobody who has not opened an association at this very port."""
        if self.client == PUBLIC and service is Service.GET and not self.world.obeys("DL-CLI-05"):
            return True
        if self.client == MANAGEMENT and service is Service.SET and not self.world.obeys("DL-CLI-09"):
            return True
        open_here = any(at.client == self.client and at.port is self.port for at in self.table.open)
        if open_here and not self.world.obeys("DLX-UDP-02"):
            return True
        open_elsewhere = any(at.client == self.client and at.port is not self.port for at in self.table.open)
        return open_elsewhere and not self.world.obeys("DL-ASSOC-06")

    def serves_pre_established(self, service: Service, confirmed: bool) -> bool:
        """Carry out unconfirmed SET and ACTION, on the channels of the client, from power-up on."""
        rules, channel = self._rules, self.port.rules.channel
        assert rules is not None, "the pre-established client is in the profile"
        allowed = channel in rules.channels
        if channel == "optical":
            allowed = not self.world.obeys("DL-CLI-12")
        elif channel == "rs485":
            allowed = self.world.obeys("DL-CLI-11")
        if not self.table.opened_since_power_up and not self.world.obeys("DL-CLI-13"):
            return False
        if confirmed:
            return allowed and service is Service.GET and not self.world.obeys("DL-CLI-10")
        return allowed and service.value in rules.services

    def get(
        self, attribute: AttributeDescriptor, selection: SelectiveAccess | None
    ) -> Data | DataAccessResult:
        """Read an attribute, as far as this client may."""
        live = self._find(attribute.class_id, attribute.instance_id)
        if isinstance(live, DataAccessResult):
            return live
        number = attribute.attribute_id
        if number not in live.table.attributes:
            return self.table.refusals.unknown_attribute()
        if not live.readable(number, self._letters(live)):
            secret = (live.entry.class_id, number) == (CLASS_ID, SECRET) and "r" in self._letters(live)
            if secret and not self.world.obeys("DLX-AA-05"):
                return dlms.octet_string(self.table.passwords.get(self.client, b""))
            return DataAccessResult.READ_WRITE_DENIED
        if selection is None:
            return live.getters[number]()
        selector = live.selectors.get(number)
        return DataAccessResult.OTHER_REASON if selector is None else selector(selection)

    def set(
        self, attribute: AttributeDescriptor, value: Data, selection: SelectiveAccess | None
    ) -> DataAccessResult:
        """Write an attribute, as far as this client may."""
        live = self._find(attribute.class_id, attribute.instance_id)
        if isinstance(live, DataAccessResult):
            return live
        if attribute.attribute_id not in live.table.attributes:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        setter = live.setters.get(attribute.attribute_id)
        if setter is None:
            return self.table.refusals.read_only()
        if "w" not in self._letters(live):
            return DataAccessResult.READ_WRITE_DENIED
        if selection is not None:
            return DataAccessResult.OTHER_REASON
        if self.client == MANAGEMENT and not self.world.obeys("DL-CLI-06"):
            return DataAccessResult.SUCCESS
        return setter(self.table.refusals.taken(live, attribute.attribute_id, value))

    def action(self, method: MethodDescriptor, argument: Data | None) -> tuple[ActionResult, Data | None]:
        """Invoke a method, as far as this client may."""
        live = self._find(method.class_id, method.instance_id)
        if isinstance(live, DataAccessResult):
            return ActionResult(live.value), None
        if method.method_id not in live.table.methods:
            return self.table.refusals.unknown_method(), None
        run = live.methods.get(method.method_id)
        if run is None or "x" not in self._letters(live):
            return ActionResult.READ_WRITE_DENIED, None
        return run(argument)

    def _find(self, class_id: int, logical_name: bytes) -> LiveObject | DataAccessResult:
        current = self.table.objects.current(self.client, class_id, logical_name)
        return self.table.refusals.find(class_id, logical_name) if current is None else current

    def _letters(self, live: LiveObject) -> str:
        """Return the rights of this client on ``live``."""
        letters = live.rights(self.client)
        if self.client == PUBLIC and not self.world.obeys("DL-CLI-02"):
            return letters + live.rights(READING).replace("x", "")
        if self.client == PRE_ESTABLISHED and not self.world.obeys("DL-CLI-10"):
            return letters + live.rights(PUBLIC)  # it answers GET, so it has something to tell
        if (
            self.client == READING
            and live.entry.class_id == SECURITY_SETUP
            and not self.world.obeys("DLX-KEY-09")
        ):
            return letters + live.rights(MANAGEMENT)
        if self._reading_writes() and "w" in live.rights(MANAGEMENT):
            return letters + "w"
        return letters

    def _reading_writes(self) -> bool:
        return self.client == READING and not self.world.obeys("DL-CLI-14")
