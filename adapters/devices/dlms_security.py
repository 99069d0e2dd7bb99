"""The security setup of a DLMS meter: reading it, changing keys, activating a policy (class 64)."""

from __future__ import annotations

from adapters.devices import dlms_values
from adapters.devices.dlms_association import OpenAssociation
from adapters.devices.dlms_flaws import Flaw
from adapters.devices.dlms_services import DlmsServices
from adapters.devices.dlms_values import Target
from adapters.errors import BenchError, RemoteProtocolError
from adapters.protocols.dlms import data as typed
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.key_wrap import wrap
from adapters.protocols.dlms.security import SUITES
from adapters.protocols.dlms.spoiling import flipped
from adapters.roles.dlms_security import KeysChanged, SecurityFound

KEY_IDS = {"encryption_key": 0, "broadcast_key": 1, "authentication_key": 2}
"""key_id of a transfer, by the kind of secret (Blue Book 4.4.7)."""

_POLICIES = ("none", "authenticated", "encrypted", "authenticated-encrypted")
_POLICY_V1 = {"none": 0x00, "authenticated": 0x24, "encrypted": 0x48, "authenticated-encrypted": 0x6C}
_TRANSFER = {0: "global_key_transfer", 1: "key_transfer"}
_KEY_FLAWS = ("", "wrong-master-key", "damaged-last", "long-key", "replayed-counter")
_TOO_MANY_OCTETS = 8


class SecurityServices(DlmsServices):
    """What the role ``dlms_security`` asks for."""

    def read_security(self, client: str = "", association: str = "") -> SecurityFound:
        """Read the security setup of a client. Raises Refused, and RemoteProtocolError for odd types."""
        opened, client, target, version = self._setup(client, association)
        policy, suite, ours, theirs = (self._read(opened, target, number) for number in (2, 3, 4, 5))
        words = dict(enumerate(_POLICIES)) if version == 0 else {v: k for k, v in _POLICY_V1.items()}
        return SecurityFound(
            client=client,
            version=version,
            policy=words.get(policy.integer(), f"0x{policy.integer():02x}"),
            suite=suite.integer(),
            client_system_title=ours.octets().hex(),
            meter_system_title=theirs.octets().hex(),
        )

    def answer_counter(self, association: str = "") -> int:
        """Return the invocation counter of the last ciphered answer (see the role)."""
        return self._connections.find(association).answer_counter

    def change_keys(
        self,
        client: str = "",
        encryption_key: str = "",
        authentication_key: str = "",
        broadcast_key: str = "",
        association: str = "",
        flaw: str = "",
    ) -> KeysChanged:
        """Transfer new keys, and use them from the next association on (see the role)."""
        if flaw not in _KEY_FLAWS:
            raise BenchError(f"flaw {flaw!r} is none of {', '.join(_KEY_FLAWS[1:])}")
        named = {
            "encryption_key": encryption_key,
            "broadcast_key": broadcast_key,
            "authentication_key": authentication_key,
        }
        wanted = {kind: secret for kind, secret in named.items() if secret}
        if not wanted:
            raise BenchError("name the bench secret of at least one key to change")
        opened, client, target, version = self._setup(client, association)
        transfer = self._transfer(client, wanted, flaw)
        method = target.method(_TRANSFER[version])
        request = Flaw.replayed_counter if flaw == "replayed-counter" else None
        self._asked(opened, lambda: opened.action(target, method, transfer, True, request))
        self._connections.heard.key_taken(client)
        for kind, secret in wanted.items():
            self._connections.use_key(client, kind, secret)
        return KeysChanged(client=client, taken=tuple(wanted.values()))

    def use_keys(self, client: str = "", encryption_key: str = "", authentication_key: str = "") -> None:
        """Use other bench secrets as a client's keys from the next association on."""
        client = self._connections.client(client)[0]
        named = {"encryption_key": encryption_key, "authentication_key": authentication_key}
        for kind, secret in named.items():
            if secret:
                self._connections.secret(client, secret)
                self._connections.use_key(client, kind, secret)

    def activate_policy(self, policy: str, client: str = "", association: str = "") -> None:
        """Activate a security policy (security_activate)."""
        opened, client, target, version = self._setup(client, association)
        if policy not in _POLICIES:
            raise BenchError(f"policy {policy!r} is none of {', '.join(_POLICIES)}")
        value = _POLICIES.index(policy) if version == 0 else _POLICY_V1[policy]
        method = target.method("security_activate")
        self._asked(opened, lambda: opened.action(target, method, typed.enum(value), True, None))

    # --- inside -----------------------------------------------------------------------------------------

    def _setup(self, client: str, association: str) -> tuple[OpenAssociation, str, Target, int]:
        """Return the association, whose setup is meant, the object and its version."""
        opened = self._connections.find(association)
        client = client or opened.client
        name = f"security_setup_{client.replace('-', '_')}"
        target = dlms_values.target(self.profile, name)
        return opened, client, target, target.entry.version if target.entry is not None else 0

    def _read(self, opened: OpenAssociation, target: Target, number: int) -> Data:
        data = self._asked(opened, lambda: opened.get(target, number, None)).data
        if data is None:
            raise RemoteProtocolError(f"attribute {number} of {target.name} comes without data")
        return data

    def _key(self, client: str, secret: str) -> bytes:
        """Return a symmetric key of the bench. Raises BenchError where it has not the suite's length.

        A typing mistake in a bench must not end as a refusal of the meter.
        """
        key, octets = self._connections.secret(client, secret), SUITES[self.profile.security.suite].key_octets
        if len(key) != octets:
            raise BenchError(f"secret {client}.{secret}: {len(key)} octets where the suite takes {octets}")
        return key

    def _transfer(self, client: str, wanted: dict[str, str], flaw: str) -> Data:
        master = self._key(client, "master_key")
        if flaw == "wrong-master-key":
            master = flipped(master)
        rows = []
        for number, (kind, secret) in enumerate(wanted.items(), 1):
            key = self._key(client, secret)
            if flaw == "long-key":
                key += key[:_TOO_MANY_OCTETS]
            wrapped = wrap(master, key)
            if flaw == "damaged-last" and number == len(wanted):
                wrapped = flipped(wrapped)
            rows.append(typed.structure(typed.enum(KEY_IDS[kind]), typed.octet_string(wrapped)))
        return typed.array(*rows)
