"""Class 64 of the meter: per client the keys, the policy and the suite its associations run under.

One object serves one client, ``security_setup_<client>`` of the profile, in version 0 (global_key_transfer)
or 1 (key_transfer) as the profile lists it. Keys arrive wrapped with the client's master key; a transfer is
taken whole or not at all. What was agreed stays with an association until it ends; new keys count from the
next one on. Keys, policy and counters survive power cuts. Blue Book 4.4.7; that the meter has one such object
for each client, and who may use it, is assumed.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ActionResult, DataType
from adapters.protocols.dlms.key_wrap import unwrap
from adapters.protocols.dlms.security import SUITES, Keys, Suite
from adapters.protocols.dlms.server_policy import Ciphering
from virtual_rig.meters.careless_suites import AnySuite, EitherKeys
from virtual_rig.meters.cosem import LiveObject

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301

CLASS_ID = 64
PREFIX = "security_setup_"
MAX_TRANSFER = 4  # one of each kind
CONTROL = {"none": 0, "authenticated": 0x10, "encrypted": 0x20, "authenticated-encrypted": 0x30}
_POLICY_V1 = {0x00: 0x00, 0x10: 0x24, 0x20: 0x48, 0x30: 0x6C}
"""Security control to policy of version 1: the same for requests (0x04, 0x08) and responses (0x20, 0x40)."""

Done = tuple[ActionResult, Data | None]


class KeyKind(IntEnum):
    """key_id of a key transfer."""

    UNICAST = 0
    BROADCAST = 1
    AUTHENTICATION = 2
    MASTER = 3


class SecuritySetups:
    """The feature: one setup for every client that has keys."""

    def __init__(self, meter: Mcs301) -> None:
        self._meter = meter
        self.of = {
            name: SecuritySetup(self, meter, name)
            for name, client in meter.profile.clients.items()
            if client.ciphered or "hls-gmac" in (client.mechanism, *client.backup)
        }

    def start(self) -> None:
        """Nothing begins by itself."""

    def bind(self, name: str, live: LiveObject) -> bool:
        """Bind a security setup object to the client its name ends with."""
        client = name.removeprefix(PREFIX).replace("_", "-")
        if live.entry.class_id != CLASS_ID or client not in self.of:
            return False
        self.of[client].bind(live)
        return True

    def power(self, up: bool) -> None:
        """The supply comes or goes; what is stored stays."""
        if up and not self._meter.world.obeys("DLX-KEY-08"):
            for setup in self.of.values():
                setup.restore_factory_keys()
        if up and not self._meter.world.obeys("DLX-KEY-14"):
            for setup in self.of.values():
                setup.restart_counters()


class SecuritySetup:
    """Keys, policy and suite of one client. ``keys`` is empty until the meter was given its first ones."""

    def __init__(self, siblings: SecuritySetups, meter: Mcs301, client: str) -> None:
        self._siblings, self._meter, self._world = siblings, meter, meter.world
        self.client = client
        self.suite_number: int = meter.profile.security.suite
        self.control = CONTROL[meter.profile.security.policy]
        self.keys: dict[KeyKind, bytes] = {}
        self._factory: dict[KeyKind, bytes] = {}
        self._previous: Keys | None = None
        self._ciphering: Ciphering | None = None

    # --- keys ----------------------------------------------------------------------------------------------

    def install(self, keys: dict[KeyKind, bytes]) -> None:
        """Take the keys of the factory."""
        self.keys, self._factory = dict(keys), dict(keys)
        self._ciphering = None

    def restore_factory_keys(self) -> None:
        """Go back to the keys of the factory; a correct meter never does."""
        self.keys = dict(self._factory)
        self._ciphering = None

    def restart_counters(self) -> None:
        """Count from the beginning under the same keys; a correct meter never does."""
        self._meter.restart_counters(self.client)
        self._ciphering = None

    @property
    def ciphering(self) -> Ciphering | None:
        """What the next association of this client runs under; None before there are keys."""
        if not self.keys:
            return None
        if self._ciphering is None:
            self._ciphering = Ciphering(
                suite=self._suite(),
                authentication_key=self.keys[KeyKind.AUTHENTICATION],
                send=self._meter.sent_counters[self.client],
                received=self._meter.received_counters[self.client],
                control=self.control,
                least=self._least(),
            )
        return self._ciphering

    def _least(self) -> int | None:
        """Return what is demanded of the client where a careless meter looks at one half of it only."""
        if not self._world.obeys("DLX-SEC-08"):
            return 0x10 & self.control
        if not self._world.obeys("DLX-SEC-13"):
            return 0x20 & self.control
        return None

    def _suite(self) -> Suite:
        keys = self._pair()
        suite: Suite = SUITES[self.suite_number](keys)
        if not self._world.obeys("DLX-SEC-05"):
            suite = AnySuite(self.suite_number, keys)
        if self._previous is not None and not self._world.obeys("DLX-KEY-02"):
            suite = EitherKeys(suite, SUITES[self.suite_number](self._previous))
        return suite

    def _pair(self) -> Keys:
        return Keys(
            encryption_key=self.keys[KeyKind.UNICAST], authentication_key=self.keys[KeyKind.AUTHENTICATION]
        )

    def transfer(self, argument: Data | None) -> Done:
        """Take new keys, each wrapped with the master key: an array of (key_id, key_wrapped)."""
        try:
            entries = self._entries(argument)
        except RemoteProtocolError:
            return ActionResult.TYPE_UNMATCHED, None
        taken: dict[KeyKind, bytes] = {}
        for number, wrapped in entries:
            key = self._unwrapped(number, wrapped)
            if key is None or not self._fits(key):
                if not self._world.obeys("DLX-KEY-05"):
                    self._take(taken)
                if key is None and not self._world.obeys("DLX-KEY-03"):
                    return ActionResult.SUCCESS, None
                return ActionResult.OTHER_REASON, None
            taken[KeyKind(number)] = key[: SUITES[self.suite_number].key_octets]
        self._take(taken)
        return ActionResult.SUCCESS, None

    def _entries(self, argument: Data | None) -> list[tuple[int, bytes]]:
        if argument is None or argument.tag is not DataType.ARRAY:
            raise RemoteProtocolError("a key transfer takes an array")
        rows = [row.items() for row in argument.items()]
        if not 1 <= len(rows) <= MAX_TRANSFER or any(len(row) != 2 for row in rows):
            raise RemoteProtocolError("a key transfer takes one to four pairs")
        if any(row[0].tag is not DataType.ENUM or row[1].tag is not DataType.OCTET_STRING for row in rows):
            raise RemoteProtocolError("a key transfer takes pairs of enum and octet-string")
        return [(row[0].integer(), row[1].octets()) for row in rows]

    def _unwrapped(self, number: int, wrapped: bytes) -> bytes | None:
        """Return the key of one entry, None where it is no key of ours."""
        if number not in KeyKind.__members__.values() or KeyKind.MASTER not in self.keys:
            return None
        try:
            return unwrap(self.keys[KeyKind.MASTER], wrapped)
        except RemoteProtocolError:
            return None

    def _fits(self, key: bytes) -> bool:
        """Return whether a key has the suite's length; a careless meter cuts what is too long."""
        octets = SUITES[self.suite_number].key_octets
        return len(key) == octets or (len(key) > octets and not self._world.obeys("DLX-KEY-04"))

    def _take(self, taken: dict[KeyKind, bytes]) -> None:
        """Put new keys into force, all at once."""
        if not taken:
            return
        before = self._pair()
        for kind, key in taken.items():
            if kind is KeyKind.UNICAST and not self._world.obeys("DLX-KEY-01"):
                continue
            if kind is KeyKind.AUTHENTICATION and not self._world.obeys("DLX-KEY-06"):
                continue
            self.keys[kind] = key
        if self._pair() != before:
            self._previous = before
        if KeyKind.UNICAST in taken:
            if self._world.obeys("DLX-KEY-07"):
                self._meter.restart_counters(self.client)
            if not self._world.obeys("DLX-KEY-11"):
                for sibling in self._siblings.of.values():
                    sibling.adopt(taken[KeyKind.UNICAST])
        if KeyKind.BROADCAST in taken and not self._world.obeys("DLX-KEY-12"):
            self._meter.restart_counters(self.client)
        if KeyKind.AUTHENTICATION in taken and not self._world.obeys("DLX-KEY-13"):
            self._meter.restart_counters(self.client)
        self._ciphering = None
        if self._world.obeys("DLX-KEY-10"):
            self._meter.record("standard", "keys_changed")

    def adopt(self, unicast: bytes) -> None:
        """Take a unicast key that was meant for another client; a correct meter never does."""
        if self.keys:
            self.keys[KeyKind.UNICAST] = unicast
            self._ciphering = None

    # --- policy --------------------------------------------------------------------------------------------

    def activate(self, version: int, argument: Data | None) -> Done:
        """Put a policy into force that takes away nothing of the present one (security_activate)."""
        if argument is None or argument.tag is not DataType.ENUM:
            return ActionResult.TYPE_UNMATCHED, None
        values = {self._policy(version, control): control for control in CONTROL.values()}
        wanted = values.get(argument.integer())
        if wanted is None:
            return ActionResult.OTHER_REASON, None
        if self.control & ~wanted and self._world.obeys("DLX-SEC-06"):
            return ActionResult.OTHER_REASON, None
        self.control = wanted
        self._ciphering = None
        return ActionResult.SUCCESS, None

    @staticmethod
    def _policy(version: int, control: int) -> int:
        return control >> 4 if version == 0 else _POLICY_V1[control]

    # --- the object ----------------------------------------------------------------------------------------

    def bind(self, live: LiveObject) -> None:
        """Serve this setup as ``live`` (class 64)."""
        version = live.table.version
        client_title = bytes.fromhex(self._meter.profile.security.client_system_title)
        live.attribute("security_policy", lambda: dlms.enum(self._policy(version, self.control)))
        live.attribute("security_suite", lambda: dlms.enum(self._told_suite()))
        live.constant("client_system_title", dlms.octet_string(client_title))
        live.attribute("server_system_title", lambda: dlms.octet_string(self._told_title()))
        live.method("security_activate", lambda argument: self.activate(version, argument))
        live.method("global_key_transfer" if version == 0 else "key_transfer", self.transfer)
        if version:
            live.constant("certificates", dlms.array())

    def _told_suite(self) -> int:
        return self.suite_number if self._world.obeys("DLX-SEC-07") else 0

    def _told_title(self) -> bytes:
        title = self._meter.identity.system_title
        return title if self._world.obeys("DLX-SEC-12") else title[:3] + bytes(5)
