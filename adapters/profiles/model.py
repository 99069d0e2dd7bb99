"""What differs between meter models, as data: clients, addresses, objects, access rights, keys by name.

A profile is YAML beside this file, or a lab's own file. Every entry says where its numbers come from
(``source``) or admits that they are ours (``assumed: true``); an entry with neither is refused.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Obis = Annotated[str, StringConstraints(pattern=r"^\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$")]
Mechanism = Literal[
    "none", "lls", "hls-manufacturer", "hls-md5", "hls-sha1", "hls-gmac", "hls-sha256", "hls-ecdsa",
    "pre-established",
]  # fmt: skip
Channel = Literal["optical", "rs485", "ip", "sms"]


class Strict(BaseModel):
    """Unknown keys are mistakes; instances do not change; secrets never appear in a validation error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Sourced(Strict):
    """An entry whose numbers have a provenance."""

    source: str = ""
    assumed: bool = False
    note: str = ""  # what of the entry comes from elsewhere than ``source`` or ``assumed`` says

    @model_validator(mode="after")
    def _has_provenance(self) -> Sourced:
        if bool(self.source) == self.assumed:
            raise ValueError("give either 'source: <document, page>' or 'assumed: true'")
        return self


class Client(Sourced):
    """One client of the meter: who may connect, how it proves itself and where it may come from."""

    sap: int = Field(ge=0, le=0x3FFF)
    mechanism: Mechanism
    backup: tuple[Mechanism, ...] = ()
    ciphered: bool = False
    channels: tuple[Channel, ...] = ("optical", "rs485", "ip")
    confirmed: bool = True
    services: tuple[Literal["get", "set", "action"], ...] = ()
    conformance: tuple[str, ...] = ()
    invocation_counter: str = ""  # the object that tells the last counter accepted from this client
    max_pdu: int = Field(default=1024, ge=64, le=65535)


class LogicalDevice(Sourced):
    """The logical device and where it tells its name."""

    sap: int = Field(default=1, ge=1, le=0x3FFF)
    name_object: Obis = "0-0:42.0.0.255"
    physical_address: int = Field(default=0, ge=0, le=0x3FFF)  # HDLC lower address; 0 = none used
    address_length: Literal[1, 2, 4] = 1


class CosemObject(Sourced):
    """One COSEM object. ``access`` maps a client to one letter per attribute and method group.

    ``access`` value: ``r`` read, ``w`` write, ``x`` invoke methods, in any combination, for the whole
    object; attribute 1 (the logical name) is always readable to a client that may read anything of it.
    """

    name: str
    class_id: int = Field(ge=1, le=65535)
    version: int = Field(default=0, ge=0, le=255)
    obis: Obis
    title: str = ""
    access: dict[str, Annotated[str, StringConstraints(pattern=r"^[rwx]*$")]] = Field(default_factory=dict)
    unit: str = ""  # the symbol of the DLMS unit table, e.g. Wh
    scaler: int = Field(default=0, ge=-128, le=127)
    type: str = ""  # DLMS type of attribute 2, e.g. double-long-unsigned
    harmless_write: bool = False  # a value may be written and written back on a live meter
    harmless_methods: tuple[int, ...] = ()


class Port(Sourced):
    """A port of the meter and the rules that hang on it."""

    channel: Channel
    baud: int = 9600
    mode_e_baud: int = 300
    max_associations: int = Field(ge=1)
    inactivity_timeout_s: float = Field(default=120.0, gt=0)
    tcp_port: int = 0
    max_connections: int = Field(default=1, ge=1)  # parallel TCP connections


class Security(Sourced):
    """Suite, policy and the names of the secrets a bench file has to supply."""

    suite: Literal[0, 1, 2] = 0
    policy: Literal["none", "authenticated", "encrypted", "authenticated-encrypted"] = "none"
    system_title_prefix: str = ""  # hexadecimal
    client_system_title: str = "4D42454E43480001"  # hexadecimal, 8 octets
    general_ciphering: bool = False  # general-glo-ciphering instead of the service-specific glo- tags
    dedicated_key: bool = False  # every association proposes a key of its own for the services


class EventLogs(Sourced):
    """What the meter's event logs write: numbers by log and event, and how many entries a log keeps."""

    numbers: dict[str, dict[str, int]] = Field(default_factory=dict)
    entries: dict[str, int] = Field(default_factory=dict)


class LockOutRules(Sourced):
    """After how many wrong passwords in a row a client is locked out, and for how long."""

    attempts: int = Field(ge=1, le=100)
    duration_s: float = Field(gt=0)


class ModeCData(Strict):
    """One data set of the readout: its reduced OBIS code, and the object and scaling it shows."""

    code: str = Field(pattern=r"^[0-9A-F.]{1,16}$")
    object: str
    decimals: int = Field(default=0, ge=0, le=6)  # of the unit below: Wh as kWh has 3
    unit: str = ""
    writable: bool = False


class ModeC(Sourced):
    """Readout and programming by IEC 62056-21 mode C."""

    data: tuple[ModeCData, ...] = ()
    programming: bool = False
    programming_timeout_s: float = Field(default=60.0, gt=0)
    attempts: int = Field(default=3, ge=1)  # wrong passwords in a session before the meter ends it


class Capture(Sourced):
    """What a profile-generic object captures, how often, and how many rows it keeps.

    ``objects`` are names of the profile, or ``name.attribute``; the first one is the clock. ``period_s`` is
    on the grid of the meter's local time (86400: at midnight); 0 captures only when told to.
    """

    objects: tuple[str, ...] = Field(min_length=1)
    period_s: int = Field(default=0, ge=0, le=86400)
    entries: int = Field(ge=1, le=100_000)


class PushEntry(Sourced):
    """What a push setup (class 40) sends and what makes it send; ``columns`` are ``<object>.<attribute>``."""

    columns: tuple[Annotated[str, StringConstraints(pattern=r"^\w+\.\w+$")], ...]
    on: tuple[Literal["power-up", "alarm", "interval"], ...] = ()


class Alarms(Sourced):
    """Which event of which log sets which bit of the alarm register: ``log.event`` to the bit's number."""

    bits: dict[str, Annotated[int, Field(ge=0, le=31)]]


class Profile(Strict):
    """A meter model."""

    profile: str
    title: str
    protocol: Literal["dlms"] = "dlms"
    documents: tuple[str, ...] = ()
    logical_device: LogicalDevice = LogicalDevice(assumed=True)
    security: Security = Security(assumed=True)
    clients: dict[str, Client]
    ports: dict[str, Port] = Field(default_factory=dict)
    objects: tuple[CosemObject, ...] = ()
    events: EventLogs | None = None
    lock_out: LockOutRules | None = None
    mode_c: ModeC | None = None
    captures: dict[str, Capture] = Field(default_factory=dict)  # by the name of the class 7 object
    pushes: dict[str, PushEntry] = Field(default_factory=dict)  # by the name of the push setup
    alarms: Alarms | None = None
    limits: dict[str, str] = Field(default_factory=dict)  # e.g. clock_drift: 0.5 s/day

    @model_validator(mode="after")
    def _pushes_name_objects(self) -> Profile:
        names = {entry.name for entry in self.objects}
        for setup, push in self.pushes.items():
            for name in (setup, *(column.partition(".")[0] for column in push.columns)):
                if name not in names:
                    raise ValueError(f"push {setup}: the profile has no object {name}")
        return self

    @model_validator(mode="after")
    def _names_are_unique(self) -> Profile:
        seen: set[str] = set()
        for entry in self.objects:
            for key in (entry.name, f"{entry.class_id}/{entry.obis}"):
                if key in seen:
                    raise ValueError(f"object {key} is listed twice")
                seen.add(key)
        return self

    def object(self, name: str) -> CosemObject:
        """Return the object called ``name``, or the one written ``class/obis``. Raises KeyError."""
        for entry in self.objects:
            if name in (entry.name, f"{entry.class_id}/{entry.obis}"):
                return entry
        raise KeyError(name)


def obis_octets(text: str) -> bytes:
    """Return the six octets of an OBIS code written ``A-B:C.D.E.F``. Raises ValueError."""
    parts = re.fullmatch(r"(\d{1,3})-(\d{1,3}):(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})", text)
    if parts is None:
        raise ValueError(f"{text!r} is not an OBIS code A-B:C.D.E.F")
    return bytes(int(part) for part in parts.groups())


def obis_text(octets: bytes) -> str:
    """Return six octets as ``A-B:C.D.E.F``. Raises ValueError."""
    if len(octets) != 6:
        raise ValueError(f"an OBIS code has 6 octets, not {len(octets)}")
    a, b, c, d, e, f = octets
    return f"{a}-{b}:{c}.{d}.{e}.{f}"
