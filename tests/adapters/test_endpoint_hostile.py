"""Octets nobody should send on the stand-in link: one family of errors, bounded effort, no wrong answer."""

from __future__ import annotations

import contextlib
import random
import sys
from pathlib import Path
from time import process_time  # how long a reader really works is what is tested here
from typing import Any

import pytest
import yaml

from adapters.errors import RemoteProtocolError
from adapters.protocols.endpoint_link import material, messages, readings
from adapters.protocols.endpoint_link.client import Answered, RadioClient
from adapters.protocols.endpoint_link.describe import describe
from adapters.protocols.endpoint_link.frames import MAX_DAMAGE_KEPT_OCTETS, Damage, Frame, FrameReader
from adapters.protocols.endpoint_link.server import Misunderstood, RadioServer, Requested
from adapters.protocols.endpoint_link.words import Command

GOLDEN: Any = yaml.load(
    (Path(__file__).parents[1] / "golden" / "endpoint_link.yaml").read_text("utf-8"), Loader=yaml.BaseLoader
)
FRAMES = [bytes.fromhex(text) for text in GOLDEN["frames"].values()]
MATERIAL = [bytes.fromhex(text) for text in GOLDEN["material"].values()]
TRUE = messages.DoneAnswer(command=Command.CHECK, replay=False, executions=7, information="the true answer")


def mutated(source: random.Random, seeds: list[bytes]) -> bytes:
    """Return a seed with one to four things wrong."""
    raw = bytearray(source.choice(seeds))
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(raw)) if raw else 0
        match source.randrange(6):
            case 0 if raw:
                raw[at] ^= 1 << source.randrange(8)
            case 1 if raw:
                raw[at] = source.choice((0, 1, 7, 0x7E, 0x7F, 0x80, 0xFE, 0xFF))
            case 2:
                del raw[at:]
            case 3:
                del raw[at : at + source.randint(1, 4)]
            case 4:
                raw[at:at] = source.randbytes(source.randint(1, 4))
            case 5:
                raw += raw[at : at + 16]
    return bytes(raw)


def survive(seed: int, count: int) -> None:
    """Throw ``count`` damaged inputs at every decoder and at both engines."""
    source = random.Random(seed)
    server, client = RadioServer(), RadioClient()
    for number in range(count):
        raw = mutated(source, FRAMES)
        server.receive_data(raw)
        while (event := server.next_event()) is not None:
            if isinstance(event, Requested | Misunderstood):
                event.answer(TRUE)
        server.skip()
        body = raw[10:-2]
        for decode in (messages.decode_request, messages.decode_answer):
            with contextlib.suppress(RemoteProtocolError):
                decode(raw[9] if len(raw) > 9 else 0, body).encode()
        describe(Frame(endpoint=1, sequence=1, type=source.randrange(256), payload=body[:255]))
        spoilt = mutated(source, MATERIAL)
        with contextlib.suppress(RemoteProtocolError):
            material.decode(spoilt).encode()
        with contextlib.suppress(RemoteProtocolError):
            readings.unseal(spoilt[:32], bytes(16), 1)
        if number % 5 == 0:
            _answered_rightly(source, client, raw)


def _answered_rightly(source: random.Random, client: RadioClient, noise: bytes) -> None:
    """Ask, hear noise and then the answer: nothing but the answer may be taken for it."""
    server = RadioServer()
    server.receive_data(client.request(1, messages.CommandRequest(command=Command.CHECK)))
    heard = server.next_event()
    assert isinstance(heard, Requested)
    client.receive_data(noise + heard.answer(TRUE))
    while client.waiting:
        event = client.next_event()
        if isinstance(event, Answered):
            assert event.answer == TRUE
        elif event is None:
            client.skip()  # the noise began as a long frame does
            if not client.incomplete:
                client.give_up()
    client.give_up()


@pytest.mark.parametrize("seed", range(4))
def test_hostile_damaged_octets_meet_only_protocol_errors(seed: int) -> None:
    """20,000 damaged inputs, seeded: the fast part of the campaign."""
    survive(seed, 5_000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 110))
def test_hostile_damaged_octets_campaign_meets_only_protocol_errors(seed: int) -> None:
    """100,000 damaged inputs."""
    survive(seed, 10_000)


@pytest.mark.parametrize(
    "unit",
    [b"\x7e", b"\x7e\x01\x06", b"\x7e\x01\x06\x7e", b"\x7e\x00\x07", bytes(range(256)), b"\x00"],
    ids=["starts", "longest lengths", "starts in lengths", "shortest", "everything", "nothing"],
)
def test_hostile_worst_stream_costs_a_bounded_effort(unit: bytes) -> None:
    """64 KiB made of whatever is dearest are read in a fraction of a second, and little of them is kept."""
    raw = (unit * (65536 // len(unit) + 1))[:65536]
    reader = FrameReader()
    before = process_time()
    reader.feed(raw)
    told = 0
    while (found := reader.take()) is not None:
        assert isinstance(found, Damage)
        assert len(found.data) <= MAX_DAMAGE_KEPT_OCTETS
        told += found.octets
    took_s = process_time() - before
    assert took_s < (0.1 if sys.gettrace() is None else 2.0)
    assert 65536 - told < 300
