"""A bench file as written: which devices there are, how they are reached, what may be done to them.

A secret never stands in the file, only where to find it: ``env:NAME``, ``file:PATH`` or
``keyring:SERVICE/USER``. What is not under ``allow`` is refused, and the case is skipped saying so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from adapters import yaml_file

Permission = Literal["energise", "disconnect", "firmware", "keys", "factory_reset", "configure"]
Channel = Literal["optical", "rs485", "ip", "sms"]

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+|keyring:[^/]+/.+")


def _secret_reference(text: str) -> str:
    """Refuse anything but a reference, without repeating what was written: it may be the secret."""
    if not _REFERENCE.fullmatch(text):
        raise ValueError(
            "a secret does not stand in the file itself; "
            "expected `env:NAME`, `file:PATH` or `keyring:SERVICE/USER`"
        )
    return text


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.:%-]+", text) or text.startswith((".", "-")):
        raise ValueError("not a host name or address; expected e.g. 192.0.2.7 or meter-3.lab.example")
    return text


Text = Annotated[str, WithJsonSchema({"type": ["string", "number", "boolean"]})]
SecretReference = Annotated[
    str,
    AfterValidator(_secret_reference),
    WithJsonSchema({"type": "string", "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|keyring:[^/]+/.+)$"}),
]
Host = Annotated[str, AfterValidator(_host)]
TcpPort = Annotated[int, Field(ge=1, le=65535)]


class BenchModel(BaseModel):
    """Unknown keys are mistakes; what was given is never repeated by the library's own messages."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class AnyLink(BenchModel):
    """Any way to a device."""

    def options(self) -> dict[str, str]:
        """Return what the file says about this link, as text; what it leaves open is left out."""
        given = self.model_dump(exclude_unset=True, exclude_none=True)
        return {key: _as_text(value) for key, value in given.items()}


class LinkBase(AnyLink):
    """What every wire may say."""

    channel: Channel | None = Field(default=None, description="which of the device's ports this is")
    timeout_s: float | None = Field(default=None, gt=0, le=3600, description="longest wait for an answer")


class DlmsLinkBase(LinkBase):
    """Links that may carry DLMS: framing and addresses, where they differ from the profile's."""

    framing: Literal["hdlc", "wrapper", "sms"] | None = Field(
        default=None, description="how APDUs are framed"
    )
    server_sap: int | None = Field(default=None, ge=1, le=0x3FFF, description="logical device address")
    physical_address: int | None = Field(default=None, ge=0, le=0x3FFF, description="HDLC lower address")
    address_length: Literal[1, 2, 4] | None = Field(default=None, description="octets of the HDLC address")
    max_info: int | None = Field(default=None, ge=32, le=2030, description="HDLC information field, octets")
    general_blocks: int | None = Field(
        default=None, ge=0, le=63, description="DLMS: ask in general blocks, so many in a row are taken"
    )
    window: int | None = Field(default=None, ge=1, le=7, description="HDLC window")
    hdlc_timeout_s: float | None = Field(default=None, gt=0, le=60, description="HDLC response time-out")


class SerialLink(DlmsLinkBase):
    """A serial port."""

    transport: Literal["serial"]
    port: str = Field(min_length=1, description="a device path such as /dev/ttyUSB0, or a pyserial URL")
    baud: int | None = Field(default=None, ge=50, le=4_000_000, description="line speed, bit/s")
    data_bits: Literal[7, 8] | None = None
    parity: Literal["N", "E", "O"] | None = Field(default=None, description="none, even, odd")
    stop_bits: Literal[1, 2] | None = None
    mode_e: bool | None = Field(
        default=None, description="start with the IEC 62056-21 sign-on, then hand over to HDLC"
    )
    mode_e_baud: int | None = Field(default=None, ge=300, le=19200, description="speed of the sign-on")
    mode_e_address: str | None = Field(
        default=None, max_length=32, description="device address of the sign-on"
    )
    max_baud: int | None = Field(
        default=None, ge=300, le=19200, description="highest speed after the sign-on"
    )
    confirmation: Literal["old-speed", "new-speed", "none"] | None = Field(
        default=None, description="when the meter confirms the option select"
    )
    echo: bool | None = Field(default=None, description="C12.18: the optical head sends back what it hears")
    identity: int | None = Field(
        default=None, ge=0, le=255, description="C12.18: the meter's identity octet on a shared line"
    )
    number: str | None = Field(
        default=None, pattern=r"^\+\d{3,15}$", description="framing sms: the meter's telephone number"
    )
    protection: Literal["none", "authenticated", "encrypted", "authenticated-encrypted"] | None = Field(
        default=None, description="framing sms: what the meter's security policy asks of messages"
    )
    report_timeout_s: float | None = Field(
        default=None, gt=0, le=3600, description="framing sms: longest wait for a message to be delivered"
    )


class TcpLink(DlmsLinkBase):
    """A TCP connection."""

    transport: Literal["tcp"]
    host: Host = Field(description="host name or address")
    port: TcpPort
    connect_timeout_s: float | None = Field(default=None, gt=0, le=600, description="longest wait to connect")


class UdpLink(DlmsLinkBase):
    """UDP datagrams."""

    transport: Literal["udp"]
    host: Host = Field(description="host name or address")
    port: TcpPort


class ListenerLink(LinkBase):
    """A place on this host that devices call: pushes arrive there."""

    transport: Literal["tcp-listener", "udp-listener"]
    host: Host = Field(default="127.0.0.1", description="the interface to listen on; the loopback by default")
    port: int = Field(default=0, ge=0, le=65535, description="0: any that is free")
    announce: str | None = Field(
        default=None,
        pattern=r"^[^\s:]+:\d{1,5}$",
        description="host:port to tell the device, where it reaches us by another address",
    )


class VisaLink(LinkBase):
    """A VISA session."""

    transport: Literal["visa"]
    resource: str = Field(min_length=1, description="VISA resource, e.g. TCPIP::192.0.2.8::INSTR")


class UsbLink(LinkBase):
    """A USB device."""

    transport: Literal["usb"]
    vendor_id: str = Field(pattern=r"^[0-9A-Fa-f]{4}$", description="four hexadecimal digits")
    product_id: str = Field(pattern=r"^[0-9A-Fa-f]{4}$", description="four hexadecimal digits")
    serial_number: str = ""


class HttpLink(LinkBase):
    """A service over HTTP."""

    transport: Literal["http"]
    url: str = Field(
        pattern=r"^https?://[^\s/]+", description="base address, e.g. https://head-end.example/api"
    )
    verify_tls: bool | None = Field(default=None, description="check the server's certificate (true)")
    ca_file: str | None = Field(
        default=None, min_length=1, description="authorities to trust instead of the system's, PEM"
    )
    server_name: Host | None = Field(
        default=None, description="what the server is called, where `url` reaches it by another name"
    )


class TerminalLink(AnyLink):
    """A person at a terminal, who does what has no API; for the adapter ``operator``."""

    transport: Literal["terminal"]
    device: str | None = Field(
        default=None,
        pattern=r"^/dev/.+",
        description="another terminal than the one the run is started from, e.g. /dev/pts/7",
    )
    answer_s: float | None = Field(
        default=None, gt=0, le=86400, description="longest wait for one answer of the person (1800)"
    )


Link = Annotated[
    SerialLink | TcpLink | UdpLink | ListenerLink | VisaLink | UsbLink | HttpLink | TerminalLink,
    Field(discriminator="transport"),
]


class IdentityEntry(BenchModel):
    """What the device on this bench must say it is before anything destructive is done to it."""

    serial: str = Field(min_length=1, description="serial number, as the device reports it")


class DeviceEntry(BenchModel):
    """One device: its role, the adapter that speaks to it, and the ways to it."""

    role: str = Field(description="what it can do: dlms_meter, power_source, ...")
    adapter: str = Field(description="the adapter that speaks to it, see `meterbench devices`")
    profile: str = Field(default="", description="a shipped profile, or a file that ends in .yaml")
    link: Link | None = Field(default=None, description="the way to it, where there is one")
    links: dict[str, Link] = Field(default_factory=dict, description="the ways to it, by name")
    secrets: dict[str, SecretReference] = Field(
        default_factory=dict, description="<client>.<kind>: env:, file: or keyring: reference"
    )
    identity: IdentityEntry | None = None

    @model_validator(mode="after")
    def _one_way_of_writing_links(self) -> DeviceEntry:
        if self.link is not None and self.links:
            raise ValueError("`link` and `links` together; name the single link under `links` too")
        return self

    @property
    def all_links(self) -> Mapping[str, Link]:
        """Return the links by name; a single one is called ``main``."""
        return {"main": self.link} if self.link is not None else self.links


class BenchFile(BenchModel):
    """A bench."""

    bench: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$", description="short name of the bench")
    provider: str = Field(default="local", description="local: real wires; virtual: the rig")
    site: str = Field(default="", description="for provider virtual: the site to open")
    clock: Literal["wall", "virtual"] | None = Field(
        default=None, description="the virtual rig implies its own"
    )
    station: str = Field(default="", description="where the bench stands; for the report")
    operator: str = Field(default="", description="who is responsible; for the report")
    devices: dict[str, DeviceEntry] = Field(default_factory=dict, description="devices by name")
    allow: tuple[Permission, ...] = Field(
        default=(), description="what may be done here that can hurt; anything absent is refused"
    )


def load_bench(path: str | Path) -> BenchFile:
    """Read a bench file. Raises ConfigErrors with every mistake in its shape, each at its line and column."""
    return yaml_file.load_model(path, BenchFile)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
