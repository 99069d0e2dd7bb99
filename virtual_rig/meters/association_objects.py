"""The class 15 objects of the meter: one per client, and the one that means "the current association"."""

from __future__ import annotations

from collections.abc import Callable

from adapters.profiles.model import Client, obis_octets
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ApplicationContext, Conformance, MechanismId
from adapters.protocols.dlms.hls import MECHANISMS
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.mcs301 import Mcs301

CLASS_ID, SECRET = 15, 7
CURRENT = obis_octets("0-0:40.0.0.255")
_CONTEXT_OID = bytes.fromhex("608574050801")
_MECHANISM_OID = bytes.fromhex("608574050802")


class AssociationObjects:
    """Binds the association objects of a meter; ``status_of(client)`` is association_status."""

    def __init__(self, meter: Mcs301, status_of: Callable[[str], int]) -> None:
        self._meter = meter
        self._status_of = status_of
        self._current: dict[str, LiveObject] = {}
        self._lists: dict[str, Data] = {}  # by client; what a meter has and grants does not change
        current = meter.model.by_reference[CLASS_ID, CURRENT]
        for name, client in meter.profile.clients.items():
            own = LiveObject(current.entry)
            self._bind(own, name, client)
            self._current[name] = own
            fixed = meter.model.by_name.get(f"association_{name.replace('-', '_')}")
            if fixed is not None:
                self._bind(fixed, name, client)
        self._bind(current, *next(iter(meter.profile.clients.items())))

    def current(self, client: str, class_id: int, logical_name: bytes) -> LiveObject | None:
        """Return the association object of ``client`` where a request means the current association."""
        if class_id == CLASS_ID and logical_name == CURRENT:
            return self._current.get(client)
        return None

    def _bind(self, live: LiveObject, name: str, client: Client) -> None:
        mechanism = MECHANISMS[client.mechanism]
        ciphered = client.ciphered and mechanism >= MechanismId.HLS
        context = ApplicationContext.LN_CIPHERED if ciphered else ApplicationContext.LN
        live.attribute("object_list", lambda: self._object_list(name))
        live.attribute("associated_partners_id", lambda: self._partners(client))
        live.constant("application_context_name", dlms.octet_string(_CONTEXT_OID + bytes((context,))))
        live.constant("xdlms_context_info", _context_info(client))
        live.constant(
            "authentication_mechanism_name", dlms.octet_string(_MECHANISM_OID + bytes((mechanism,)))
        )
        live.hide("secret")
        live.attribute("association_status", lambda: dlms.enum(self._status_of(name)))
        setup = self._meter.model.by_name.get(f"security_setup_{name.replace('-', '_')}")
        reference = setup.logical_name if ciphered and setup is not None else b""
        live.constant("security_setup_reference", dlms.octet_string(reference))

    def _partners(self, client: Client) -> Data:
        """Return the addresses of the two ends; a careless meter fills in the first client of its table."""
        first = next(iter(self._meter.profile.clients.values()))
        told = client if self._meter.world.obeys("DLX-AA-04") else first
        server = self._meter.profile.logical_device.sap
        return dlms.structure(dlms.integer(told.sap), dlms.long_unsigned(server))

    def _object_list(self, client: str) -> Data:
        known = self._lists.get(client)
        if known is None:
            objects = self._meter.model.by_name.values()
            told = client if self._meter.world.obeys("DLX-AA-06") else "management"
            rows = (live.listed_for(told) for live in objects if live.rights(client))
            known = self._lists[client] = dlms.array(*rows)
        return known


def _context_info(client: Client) -> Data:
    conformance = Conformance.from_labels(client.conformance)
    return dlms.structure(
        dlms.bit_string(f"{int(conformance):024b}"),
        dlms.long_unsigned(client.max_pdu),
        dlms.long_unsigned(client.max_pdu),
        dlms.unsigned(6),
        dlms.integer(0),
        dlms.octet_string(b""),
    )
