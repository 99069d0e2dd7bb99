"""An ANSI meter as a part of a site: any profile of protocol c1219, its optical head and TCP on wires."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from adapters.profiles.ansi import AnsiProfile
from adapters.profiles.loader import load_profile_as
from virtual_rig.meters.ansi.identity import AnsiIdentity
from virtual_rig.meters.ansi.model import AnsiMeterModel
from virtual_rig.meters.ansi.port import OpticalPort, TcpPort
from virtual_rig.parts.base import BuiltPart, LinkEntry, PartEntry, SiteContext

Quantity = Annotated[str, StringConstraints(pattern=r"^[AR][+-]$")]
PASSWORD_OCTETS = 4  # of a demo secret, written in hexadecimal


class AnsiMeterEntry(PartEntry):
    """An ANSI meter. ``flaw``: one that tells another serial number than its name plate has."""

    model: Literal["ansi_meter"]
    profile: str
    serial: str = Field(pattern=r"^[0-9]{1,16}$")
    drift_ppm: int = Field(default=0, ge=-1000, le=1000)
    clock_offset_min: int = Field(default=0, ge=-720, le=840)  # local time is UTC + this
    energy_wh: dict[Quantity, int] = Field(default_factory=dict)
    links: dict[str, LinkEntry]
    flaw: Literal["", "lies-about-identity"] = ""
    answer_delay_s: float = Field(default=0.0, ge=0, le=1)

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make the meter and its ports."""
        profile = load_profile_as(self.profile, AnsiProfile)
        passwords = {
            level: context.demo_secret(f"{name}.{level}.password", PASSWORD_OCTETS).hex()
            for level in profile.levels
        }
        claimed = str(int(self.serial) + 1).zfill(len(self.serial)) if self.flaw else ""
        meter = AnsiMeterModel(
            world=context.world,
            supply=context.supply,
            profile=profile,
            identity=AnsiIdentity(serial=self.serial, claimed=claimed),
            passwords={level: text.encode("ascii") for level, text in passwords.items()},
            drift_ppm=self.drift_ppm,
            clock_offset_min=self.clock_offset_min,
            energy_wh=dict(self.energy_wh),
        )
        optical = OpticalPort(meter, answer_delay_s=self.answer_delay_s)
        tcp = TcpPort(meter, answer_delay_s=self.answer_delay_s)
        endpoints = tuple(
            context.tcp(name, link, tcp, port=entry.tcp_port)
            if entry.wire == "tcp"
            else context.serial(name, link, optical, entry.wire)
            for link, entry in self.links.items()
        )
        serial = {"channel": "optical", "baud": str(profile.link.baud)}
        return BuiltPart(
            model=meter,
            bench={
                "role": "ansi_meter",
                "adapter": "c1218",
                "profile": self.profile,
                "identity": {"serial": self.serial},
            },
            endpoints=endpoints,
            link_options={link: serial for link, entry in self.links.items() if entry.wire != "tcp"},
            secrets={f"{level}.password": text for level, text in passwords.items()},
            served={
                "user_id": profile.link.user_id,
                "user": profile.link.user,
                "levels": [{"level": level, "password": text} for level, text in passwords.items()],
            },
        )
