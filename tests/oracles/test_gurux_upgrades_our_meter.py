"""An independent client transfers, verifies and activates an image in the virtual meter, on the wall clock.

gurux-dlms builds the blocks and reads the bitmap with its own class for image transfer; what our meter holds
afterwards is compared with the file. ``SUITES`` names the ways Management may prove itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.clock import WallClock
from adapters.protocols.dlms.image_transfer import ImageTransferStatus as Status
from tests.oracles.gurux import Gurux, identity, wire
from virtual_rig import demo_vendor
from virtual_rig.meters.firmware import Firmware
from virtual_rig.parts.mcs301 import Mcs301Part
from virtual_rig.provider import ServedSite, VirtualProvider

pytestmark = pytest.mark.oracle

IMAGES = Path(__file__).parents[2] / "testplans" / "dlms" / "images"
IMAGE_TRANSFER = "0.0.44.0.0.255"
MANAGEMENT_COUNTER = {"class": 1, "obis": "0.0.43.1.1.255", "attribute": 2}
FIRMWARE_ID = {"class": 1, "obis": "1.0.0.2.0.255", "attribute": 2}
SUITES = {
    "suite-0": ("mcs301", "meter", "HIGH_GMAC"),
    "suite-1": ("mcs301-suites", "suite1", "HIGH_GMAC"),
    "lls": ("mcs301", "meter", "LOW"),
}
"""Site, device and mechanism; another suite is another line here."""


@contextmanager
def served(suite: str) -> Iterator[tuple[ServedSite, str, str]]:
    """Serve a meter whose firmware work is quick; no model may have failed in the end."""
    name, device, authentication = SUITES[suite]
    with VirtualProvider().serve(name, seed=7) as site:
        firmware = firmware_of(site, device)
        firmware.traits = replace(firmware.traits, verify_s=0.3, activate_s=0.1, restart_s=0.2)
        yield site, device, authentication
        assert site.failures == []


def firmware_of(site: ServedSite, device: str) -> Firmware:
    """Return the firmware of the served meter."""
    features = site.built.model(device, Mcs301Part).meter.features
    return next(each for each in features if isinstance(each, Firmware))


def opened(gurux: Gurux, site: ServedSite, at: tuple[str, str], client: str, authentication: str) -> None:
    """Open an association ``at`` a device's link, with the counter the meter waits for."""
    device, link = at
    endpoint = next(e for e in site.endpoints if e["device"] == device and e["link"] == link)
    request = wire(endpoint) | identity(endpoint, client, authentication)
    if authentication == "HIGH_GMAC":
        opened(gurux, site, (device, "ip"), "public", "NONE")
        request["counter"] = gurux.ask("get", **MANAGEMENT_COUNTER)["value"] + 1
        gurux.ask("close")
    gurux.ask("open", **request)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("link", ["ip", "rs485"])
def test_gurux_upgrade_runs_the_new_image(link: str, suite: str) -> None:
    """A foreign client brings the demo image in and finds its version in the identifier afterwards."""
    octets = (IMAGES / "mcs301-1.26.0.img").read_bytes()
    image = demo_vendor.demo_images()["mcs301-1.26.0.img"]
    with served(suite) as (site, device, authentication), Gurux() as gurux:
        opened(gurux, site, (device, link), "management", authentication)
        told = gurux.ask(
            "upgrade", obis=IMAGE_TRANSFER, identifier="demo", image=octets.hex(), patience_s=10.0
        )
        assert (told["initiated"], told["verified"], told["activating"]) == (
            Status.INITIATED,
            Status.VERIFIED,
            Status.ACTIVATION_INITIATED,
        )
        assert (told["block_size"], told["blocks"], told["first_missing"]) == (512, 9, 9)
        assert told["bits"] == "1" * 9
        assert told["verifies"] > 1
        assert told["info"] == [[len(octets), b"1.26.0".hex(), octets[-64:].hex()]]
        assert firmware_of(site, device).slot.octets == octets
        gurux.ask("close")
        firmware = firmware_of(site, device)
        assert WallClock().wait_until(lambda: firmware.status is Status.ACTIVATED, 5.0, 0.05)
        opened(gurux, site, (device, "ip"), "public", "NONE")
        assert bytes.fromhex(gurux.ask("get", **FIRMWARE_ID)["value"]).decode() == image.version
        gurux.ask("close")
