"""An independent receiver takes a push of the served meter over TCP and reads in it what the meter holds."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.enums import DataAccessResult
from tests.oracles.program import ForeignProgram
from virtual_rig.meters.push import PushFeature
from virtual_rig.parts.mcs301 import Mcs301Part
from virtual_rig.provider import VirtualProvider

pytestmark = pytest.mark.oracle


class GuruxPush(ForeignProgram):
    """The other process."""

    script: ClassVar[Path] = Path(__file__).with_name("gurux_push.py")


@pytest.mark.parametrize(
    "site_name, device, suite",
    [("mcs301", "meter", None), ("mcs301", "meter", 0), ("mcs301-suites", "suite1", 1)],
    ids=["plain", "suite-0", "suite-1"],
)
def test_gurux_push_holds_what_the_meter_holds(site_name: str, device: str, suite: int | None) -> None:
    """The foreign receiver finds the listed values in their order, opened with the key where protected."""
    with VirtualProvider().serve(site_name, seed=7) as site, GuruxPush() as gurux:
        part = site.built.model(device, Mcs301Part)
        feature = next(each for each in part.meter.features if isinstance(each, PushFeature))
        if suite is None:
            feature.protect = lambda apdu: apdu
        address = gurux.ask("listen")["address"]
        live = part.meter.model.by_name["push_interval"]
        destination = dlms.structure(dlms.enum(0), dlms.octet_string(address.encode()), dlms.enum(0))
        number = live.table.attribute_number("send_destination_and_method")
        assert live.setters[number](destination) is DataAccessResult.SUCCESS
        part.meter.world.scheduler.call_later(0.0, feature.setups["push_interval"].trigger)
        secrets = part.client_secrets["management"]
        keys = {
            "encryption_key": secrets.encryption_key.hex(),
            "authentication_key": secrets.authentication_key.hex(),
            "suite": suite,
        }
        told = gurux.ask("push", **(keys if suite is not None else {}))
        assert site.failures == []
        values = told["value"]
        assert live.logical_name.hex() == values[0]
        assert part.meter.identity.logical_device_name.hex() == values[1]
        assert part.meter.metrology.energies.read_wh("A-") == values[4]
        assert len(values) == 6
        assert told["year"] == part.meter.clock.utc().year
