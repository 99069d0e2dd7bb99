"""The helper for JSON servers: answers become models, refusals keep to words, nonsense keeps its octets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from adapters.clock import WallClock
from adapters.devices.http_api import PROBLEM_JSON, ApiModel, JsonApi, segment
from adapters.errors import BenchError, LocalProtocolError, Refused, RemoteProtocolError
from adapters.registry import AdapterContext, OpenedLink, Secret
from adapters.transports.http_answer import HttpAnswer


class Unit(ApiModel):
    """What the server promises."""

    serial: str
    phases: int
    names: tuple[str, ...] = ()


class Channel:
    """Answers what it was told to, and keeps what it was asked."""

    def __init__(self, *answers: HttpAnswer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, object]] = []
        self.tokens: list[bytes | None] = []
        self.closed = 0

    def authorize(self, token: Secret | None) -> None:
        """Take note of the token."""
        self.tokens.append(token.reveal() if token is not None else None)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        query: Mapping[str, str | int | bool | Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> HttpAnswer:
        """Return the next answer."""
        self.asked.append((method, path, json))
        return self.answers.pop(0)

    def close(self) -> None:
        """Take note."""
        self.closed += 1


def answer(body: object, status: int = 200, media_type: str = "application/json") -> HttpAnswer:
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status=status, body=octets, media_type=media_type, request="GET /units/1")


def problem(reason: object, status: int = 409, **more: object) -> HttpAnswer:
    return answer({"reason": reason, "status": status, **more}, status, PROBLEM_JSON)


def no_stream(link: str) -> OpenedLink:
    raise AssertionError(link)


def api(channel: Channel, links: Any = ("main",)) -> JsonApi:
    context = AdapterContext(
        name="server",
        clock=WallClock(),
        links={link: {} for link in links},
        open_link=no_stream,
        open_http=lambda link: channel,
    )
    return JsonApi(context, reasons=("busy", "unknown-unit"))


def test_answer_becomes_the_model_and_more_members_pass() -> None:
    """A newer server may say more than we ask for."""
    channel = Channel(answer({"serial": "0012", "phases": 3, "names": ["a", "b"], "new": {"x": 1}}))
    found = api(channel).ask(Unit, "GET", "/units/1", token=Secret(b"t0ken"))
    assert found == Unit(serial="0012", phases=3, names=("a", "b"))
    assert (channel.asked, channel.tokens) == ([("GET", "/units/1", None)], [b"t0ken"])


@pytest.mark.parametrize(
    "body",
    [
        {"serial": "1", "phases": "3"},
        {"serial": 1, "phases": 3},
        {"serial": "1", "phases": 3.0},
        {"serial": "1"},
        {"serial": "1", "phases": None},
        {"serial": "1", "phases": 3, "names": "ab"},
        [],
        "text",
        b"",
        b"<html></html>",
        b'{"serial": "1", "phases": NaN}',
        b"[" * 5000,
        b"\xff\xfe",
    ],
)
def test_answer_of_another_form_keeps_its_octets(body: object) -> None:
    """Types are taken as they are: a number written as text is not what the description promises."""
    sent = answer(body)
    with pytest.raises(RemoteProtocolError, match=r"server|GET /units/1") as caught:
        api(Channel(sent)).ask(Unit, "GET", "/units/1")
    assert caught.value.data == sent.body[:4096]
    assert not caught.value.frame_intact


@pytest.mark.parametrize("status", [403, 404, 409, 422, 503])
def test_refusal_with_a_known_reason_is_refused_whatever_the_status(status: int) -> None:
    """The reason is what counts; the detail comes along for people."""
    with pytest.raises(Refused) as caught:
        api(Channel(problem("busy", status, detail="come back later"))).ask(Unit, "GET", "/units/1")
    assert (caught.value.reason, caught.value.detail) == ("busy", "come back later")


@pytest.mark.parametrize(
    "declined",
    [
        problem("never-heard-of"),
        problem("Busy"),
        problem(7),
        problem(""),
        answer({"reason": "busy"}, 409),  # not a problem document
        answer(b"busy", 409, PROBLEM_JSON),
        answer(b"Bad gateway", 502, "text/html"),
        answer({"serial": "1", "phases": 3}, 302),
        answer(b"", 500),
    ],
)
def test_refusal_that_is_none_of_the_roles_words_is_unexpected(declined: HttpAnswer) -> None:
    """A proxy's error page is no device that says no."""
    with pytest.raises(RemoteProtocolError) as caught:
        api(Channel(declined)).ask(Unit, "GET", "/units/1")
    assert caught.value.data == declined.body


@pytest.mark.parametrize(
    "declined", [problem("not-understood", 422), answer({"detail": []}, 422), answer(b"", 400)]
)
def test_request_nobody_understands_is_our_mistake(declined: HttpAnswer) -> None:
    """What no such server takes was asked by us, or by a plan."""
    with pytest.raises(LocalProtocolError, match="does not understand GET /units/1"):
        api(Channel(declined)).ask(Unit, "GET", "/units/1")


def test_link_opens_with_the_first_request_and_again_after_closing() -> None:
    """A device that is never asked is never connected to; closing twice is harmless."""
    channel = Channel(answer({"serial": "1", "phases": 1}), answer({"serial": "2", "phases": 1}))
    client = api(channel)
    client.close()
    assert channel.closed == 0
    client.ask(Unit, "GET", "/units/1")
    client.close()
    client.close()
    assert channel.closed == 1
    assert client.ask(Unit, "GET", "/units/2").serial == "2"


@pytest.mark.parametrize("links", [(), ("one", "two")])
def test_device_without_exactly_one_link_is_a_mistake_of_the_bench(links: tuple[str, ...]) -> None:
    """Which of two servers is meant, nobody could tell."""
    with pytest.raises(BenchError, match="one link"):
        api(Channel(), links)


def test_segment_escapes_whatever_a_path_cannot_hold() -> None:
    """An id with a slash is one segment."""
    assert segment("a/b?c=d ü%") == "a%2Fb%3Fc%3Dd%20%C3%BC%25"
