"""The radio port and the part of a site that brings endpoints, on real wires."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.base import LineSettings
from adapters.errors import BenchError, ReadTimeout
from adapters.protocols.endpoint_link import messages
from adapters.protocols.endpoint_link.client import Answered, RadioClient
from adapters.protocols.endpoint_link.frames import Frame
from adapters.transports.serial import SerialTransport
from virtual_rig.build import build
from virtual_rig.clock import VirtualClock
from virtual_rig.parts.secured import EndpointsEntry
from virtual_rig.provider import VirtualBench, VirtualProvider
from virtual_rig.secured.air import PATIENCE_S, RADIO_BAUD
from virtual_rig.site import Site, load_site

METER = 45000003


@pytest.fixture
def site() -> Iterator[VirtualBench]:
    """The site, fresh."""
    bench = VirtualProvider().open("itron-field", seed=1)
    yield bench
    bench.close()


def opened(bench: VirtualBench, baud: int = RADIO_BAUD) -> SerialTransport:
    """Open the radio's port as a program does."""
    port = bench.bench["devices"]["radio"]["links"]["radio"]["port"]  # type: ignore[index]
    return SerialTransport.open(port=port, settings=LineSettings(baud=baud), clock=bench.clock)


def asked(stream: SerialTransport, octets: bytes, client: RadioClient) -> Answered:
    """Send ``octets`` and return the answer to the open request."""
    stream.write(octets, 1.0)
    client.receive_data(stream.read(1000, 2.0))
    event = client.next_event()
    assert isinstance(event, Answered)
    return event


def test_radio_answers_for_itself_and_for_endpoints(site: VirtualBench) -> None:
    """Address 0 is the radio; the rest is on the air."""
    stream, client = opened(site), RadioClient()
    itself = asked(stream, client.request(messages.RADIO, messages.IdentifyRequest()), client)
    assert itself.answer == messages.IdentityAnswer(model="MeterBench virtual radio", serial="R0001")
    other = asked(stream, client.request(METER, messages.StatusRequest()), client)
    assert isinstance(other.answer, messages.StatusAnswer)
    refused = asked(stream, client.request(METER, messages.StatusRequest()), client)
    assert refused.sequence == 3


def test_radio_leaves_alone_what_is_for_nobody(site: VirtualBench) -> None:
    """An endpoint that is not there, an answer, a question to the radio it does not know: silence."""
    stream = opened(site)
    frames = (
        Frame(endpoint=99, sequence=1, type=1),
        Frame(endpoint=METER, sequence=1, type=0x8F, payload=b"\x01"),
        Frame(endpoint=messages.RADIO, sequence=1, type=1),
    )
    stream.write(b"".join(frame.encode() for frame in frames), 1.0)
    with pytest.raises(ReadTimeout):
        stream.read(100, 5.0)


def test_radio_finds_a_request_behind_noise_after_its_patience(site: VirtualBench) -> None:
    """What began as a frame and never ended holds a request up for a moment, and not for good."""
    stream, client = opened(site), RadioClient()
    began_s = site.clock.monotonic_s()
    found = asked(stream, b"\x7e\x00\xff" + client.request(METER, messages.StatusRequest()), client)
    assert isinstance(found.answer, messages.StatusAnswer)
    assert PATIENCE_S <= site.clock.monotonic_s() - began_s < PATIENCE_S + 1


def test_radio_hears_a_request_in_pieces(site: VirtualBench) -> None:
    """However a request is cut, it is one."""
    stream, client = opened(site), RadioClient()
    octets = client.request(METER, messages.StatusRequest())
    for at in range(len(octets) - 1):
        stream.write(octets[at : at + 1], 1.0)
        site.clock.sleep_s(PATIENCE_S / 2)
    assert isinstance(asked(stream, octets[-1:], client).answer, messages.StatusAnswer)


def test_radio_at_another_speed_hears_nothing(site: VirtualBench) -> None:
    """A wrong line speed is what it is on a bench: rubbish, and no answer."""
    stream, client = opened(site, baud=9600), RadioClient()
    site.clock.sleep_s(1.0)  # the radio has started
    stream.write(client.request(METER, messages.StatusRequest()), 1.0)
    with pytest.raises(ReadTimeout):
        stream.read(100, 5.0)


def test_served_site_has_the_radio_on_a_tty() -> None:
    """For other programs the port is a pseudo-terminal, and its speed is told."""
    with VirtualProvider().serve("itron-field", seed=1) as served:
        (radio,) = (each for each in served.endpoints if each["link"] == "radio")
        (fdm,) = (each for each in served.endpoints if (each["device"], each["link"]) == ("radio", "fdm"))
    assert str(radio["address"]).startswith("/dev/")
    assert radio["baud"] == str(RADIO_BAUD)
    assert fdm["kind"] == "http"


def spoilt(**changed: Any) -> Site:
    """Return the site with another table of endpoints."""
    site = load_site("itron-field")
    entry = site.devices["radio"]
    assert isinstance(entry, EndpointsEntry)
    raw = entry.model_dump(exclude_none=True) | changed
    return site.model_copy(update={"devices": {**site.devices, "radio": EndpointsEntry.model_validate(raw)}})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"endpoints": {"00000007": {"type": "a", "security": "basic", "level": "full-security"}}},
            "knows no level full-security",
        ),
        (
            {
                "endpoints": {
                    "00000007": {"type": "a", "security": "basic"},
                    "000000007": {"type": "a", "security": "basic"},
                }
            },
            "two endpoints 00000007",
        ),
        ({"endpoints": {"00000000": {"type": "a", "security": "basic"}}}, "00000000"),
        ({"authority": "fdm"}, "SecurityAuthority"),
        ({"authority": "nobody"}, "nobody"),
        ({"fdm": "nobody"}, "nobody"),
    ],
)
def test_site_with_a_mistake_is_told(changed: dict[str, Any], told: str) -> None:
    """What cannot be built says why."""
    rig = VirtualClock()
    try:
        with pytest.raises(BenchError, match=told):
            build(spoilt(**changed), rig, seed=1)
    finally:
        rig.close()
