"""The rig's HTTP port, bytes in and bytes out: what RFC 9112 asks of a server, limits, damaged requests."""

from __future__ import annotations

import json
import random
from collections.abc import Generator, Iterator

import pytest
from fastapi import APIRouter, Depends, FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import BenchError
from tests.virtual_rig.http_models import PaperLine, converse, service
from virtual_rig.clock import VirtualClock
from virtual_rig.servers.asgi import HttpRequest, new_app, respond
from virtual_rig.servers.http import HttpFaults, HttpPort

GET = b"GET /v1/numbers/2 HTTP/1.1\r\nHost: rig\r\n\r\n"
BODY = b'{"serial":"00012345","phases":3}'
POST = (
    b"POST /v1/units HTTP/1.1\r\nHost: rig\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
) + BODY
CHUNKED = (
    b"POST /v1/units HTTP/1.1\r\nHost: rig\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n" + b"A;x=y\r\n" + BODY[:10] + b"\r\n"
    b"%x\r\n" % len(BODY[10:]) + BODY[10:] + b"\r\n0\r\nTrailer: t\r\n\r\n"
)  # fmt: skip


@pytest.fixture
def rig() -> Iterator[VirtualClock]:
    """A virtual world, closed afterwards."""
    clock = VirtualClock()
    yield clock
    clock.close()


@pytest.fixture
def port(rig: VirtualClock) -> HttpPort:
    """The service on a port."""
    return HttpPort(service(), rig)


def answers(octets: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Take answers apart, with a parser that shares nothing with the port's."""
    found = []
    while octets:
        head, _, octets = bytes(octets).partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", 0))
        found.append((int(first.split(" ")[1]), headers, octets[:length]))
        octets = octets[length:]
    return found


def test_port_get_answers_with_length_type_and_the_rigs_date(port: HttpPort, rig: VirtualClock) -> None:
    """The Date header is the world's time, not the operating system's."""
    rig.sleep_s(3661.5)
    ((status, headers, body),) = answers(bytes(converse(port, [GET]).sent))
    assert status == 200
    assert json.loads(body) == {"numbers": [0, 1], "unit": [], "exact": 0.1}
    assert headers["date"] == "Mon, 05 Jan 2026 01:01:01 GMT"
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("request_octets", [POST, CHUNKED])
def test_port_body_with_length_or_in_chunks_is_the_same_request(
    port: HttpPort, request_octets: bytes
) -> None:
    """Framing is the wire's business."""
    line = converse(port, [request_octets])
    assert [(status, body) for status, _, body in answers(bytes(line.sent))] == [(201, BODY)]
    assert not line.closed


def test_port_pipelined_requests_are_answered_in_order(port: HttpPort) -> None:
    """Three requests in one piece, three answers, one after the other."""
    line = converse(port, [POST + GET + b"DELETE /v1/units/00012345 HTTP/1.1\r\nHost: rig\r\n\r\n"])
    assert [status for status, _, _ in answers(bytes(line.sent))] == [201, 200, 204]
    assert port.app.state.asked == ["add 00012345", "numbers 2", "remove 00012345"]  # type: ignore[attr-defined]


def test_port_pipelined_request_waits_for_the_answer_before_it(rig: VirtualClock) -> None:
    """The second request reaches the application when the first one's late answer has left."""
    app = service()
    slow = HttpPort(app, rig, answer_after_s=lambda request: 5.0 if request.path.endswith("2") else 0.0)
    line = PaperLine()
    slow.opened(line)
    slow.received(line, GET + GET.replace(b"/2", b"/1"))
    assert (app.state.asked, bytes(line.sent)) == (["numbers 2"], b"")
    rig.sleep_s(5.0)
    assert [len(json.loads(body)["numbers"]) for _, _, body in answers(bytes(line.sent))] == [2, 1]


def test_port_expect_continue_is_answered_before_the_body(port: HttpPort) -> None:
    """A client that asks first gets 100, and then its answer."""
    line = PaperLine()
    port.opened(line)
    head, body = POST.partition(b"\r\n\r\n")[::2]
    port.received(line, head + b"\r\nExpect: 100-continue\r\n\r\n")
    assert bytes(line.sent) == b"HTTP/1.1 100 Continue\r\n\r\n"
    port.received(line, body)
    assert [status for status, _, _ in answers(bytes(line.sent))] == [100, 201]


def test_port_head_has_the_headers_of_get_and_no_body(port: HttpPort) -> None:
    """Also for an application that knows GET only."""
    asked = answers(bytes(converse(port, [GET]).sent))[0]
    line = converse(port, [GET.replace(b"GET", b"HEAD")])
    assert bytes(line.sent).endswith(b"\r\n\r\n")
    head = bytes(line.sent).decode().lower()
    assert f"content-length: {len(asked[2])}\r\n" in head


@pytest.mark.parametrize("version, header", [(b"1.0", b""), (b"1.1", b"Connection: close\r\n")])
def test_port_hangs_up_where_the_client_wants_it(port: HttpPort, version: bytes, header: bytes) -> None:
    """HTTP/1.0 and Connection: close end with the answer."""
    line = converse(port, [b"GET /v1/numbers/1 HTTP/%s\r\nHost: rig\r\n%s\r\n" % (version, header)])
    assert line.closed
    assert answers(bytes(line.sent))[0][1]["connection"] == "close"


@pytest.mark.parametrize(
    "octets, status",
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70_000, 431),
        (b"GET /x HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413),
        (
            b"POST /v1/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n"
            + b"a" * 1048577,
            413,
        ),
    ],
)
def test_port_what_is_no_request_is_refused_and_ends_the_connection(
    port: HttpPort, octets: bytes, status: int
) -> None:
    """The status says what is wrong; nothing reaches the application, nothing more is taken."""
    line = converse(port, [octets, GET])
    assert [found for found, _, _ in answers(bytes(line.sent))] == [status]
    assert line.closed
    assert port.app.state.asked == []  # type: ignore[attr-defined]


def test_port_body_of_exactly_the_limit_is_taken(port: HttpPort) -> None:
    """1 MB goes through."""
    body = bytes(1024 * 1024)
    line = converse(port, [b"POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n", body])
    assert [(status, data) for status, _, data in answers(bytes(line.sent))] == [(200, body)]


def test_port_request_that_never_becomes_whole_times_out(port: HttpPort, rig: VirtualClock) -> None:
    """After a minute of the rig's time the client is told; an idle connection stays."""
    idle, half = PaperLine("idle"), PaperLine("half")
    for line in (idle, half):
        port.opened(line)
        port.received(line, GET)
    port.received(half, POST[:-3])
    rig.sleep_s(59.0)
    assert not half.closed
    rig.sleep_s(2.0)
    assert [status for status, _, _ in answers(bytes(half.sent))] == [200, 408]
    assert (half.closed, idle.closed) == (True, False)


def test_port_flood_behind_a_request_under_way_is_cut_off(rig: VirtualClock) -> None:
    """What waits behind a late answer is bounded."""
    line = converse(HttpPort(service(), rig, answer_delay_s=10.0), [GET, bytes(2_000_000)])
    assert (line.closed, bytes(line.sent)) == (True, b"")


def test_port_validation_and_documentation_of_fastapi_work_without_an_event_loop(port: HttpPort) -> None:
    """422 with the place of the mistake, 404, 405, and an OpenAPI document."""
    bad = POST.replace(b"00012345", b"ABCDEFGH")
    line = converse(port, [bad, GET.replace(b"numbers", b"nothing"), GET.replace(b"GET", b"PATCH")])
    (wrong, missing, method) = answers(bytes(line.sent))
    assert (wrong[0], missing[0], method[0]) == (422, 404, 405)
    assert json.loads(wrong[2])["detail"][0]["loc"] == ["body", "serial"]
    document = answers(bytes(converse(port, [GET.replace(b"/v1/numbers/2", b"/openapi.json")]).sent))[0][2]
    assert json.loads(document)["info"] == {"title": "Units", "version": "7"}
    assert "/v1/units/{serial}" in json.loads(document)["paths"]
    assert answers(bytes(converse(port, [GET.replace(b"/v1/numbers/2", b"/docs")]).sent))[0][0] == 404


def test_port_takes_a_factory_for_an_application(rig: VirtualClock) -> None:
    """What can be called without arguments makes the application."""
    assert isinstance(HttpPort(service, rig).app, FastAPI)


@pytest.mark.parametrize("path", ["/plain", "/needs", "/sleeps", "/yields"])
def test_respond_endpoint_that_waits_is_told_as_a_mistake_of_the_rig(path: str) -> None:
    """A thread pool, a sleep or any other wait ends in plain words, not in a hang."""
    import asyncio

    app, router = new_app("waits"), APIRouter()

    class Never:
        def __await__(self) -> Generator[None, None, None]:
            yield

    @router.get("/plain")
    def plain() -> int:
        return 1

    @router.get("/needs")
    async def needs(value: int = Depends(lambda: 1)) -> int:
        return value

    @router.get("/sleeps")
    async def sleeps() -> None:
        await asyncio.sleep(1)

    @router.get("/yields")
    async def yields() -> None:
        await Never()

    app.include_router(router)
    with pytest.raises(BenchError, match=f"GET {path} of the rig waits.*async def"):
        respond(app, HttpRequest(method="GET", path=path, target=path.encode()))


def test_respond_endpoint_that_fails_is_not_hidden() -> None:
    """A slip in an endpoint is the rig's and goes through; no answer at all is told."""
    app = new_app("fails")

    @app.get("/fails")
    async def fails() -> None:
        raise ZeroDivisionError

    async def silent(scope: object, receive: object, send: object) -> None:
        return

    request = HttpRequest(method="GET", path="/fails", target=b"/fails")
    with pytest.raises(ZeroDivisionError):
        respond(app, request)
    with pytest.raises(BenchError, match="without a whole answer"):
        respond(silent, request)


def test_faults_leave_what_their_names_say(rig: VirtualClock) -> None:
    """Twice is the same octets twice; garbage is whole HTTP around broken JSON; truncated ends early."""
    plain = bytes(converse(HttpPort(service(), rig), [GET]).sent)
    spoiled = {
        faults: converse(HttpPort(service(), rig, faults=faults), [GET])
        for faults in (
            HttpFaults(twice=True),
            HttpFaults(nonsense="garbage"),
            HttpFaults(nonsense=True),
            HttpFaults(nonsense="truncated"),
            HttpFaults(nonsense="not-http"),
        )
    }
    assert bytes(spoiled[HttpFaults(twice=True)].sent) == plain * 2
    for nonsense in ("garbage", True):
        ((status, _, body),) = answers(bytes(spoiled[HttpFaults(nonsense=nonsense)].sent))
        assert status == 200
        with pytest.raises(ValueError):
            json.loads(body)
    cut = spoiled[HttpFaults(nonsense="truncated")]
    assert (plain.startswith(bytes(cut.sent)), cut.closed) == (True, True)
    assert len(cut.sent) < len(plain)
    other = spoiled[HttpFaults(nonsense="not-http")]
    assert (bytes(other.sent), other.closed) == (b"220 ready\r\n", True)


@settings(max_examples=60)
@given(cuts=st.lists(st.integers(1, 400), max_size=12))
def test_port_any_cuts_of_the_stream_make_the_same_answers(cuts: list[int]) -> None:
    """How TCP cut the requests never shows."""
    stream = POST + GET + CHUNKED + b"hello\r\n\r\n" + GET
    rig = VirtualClock()
    pieces, start = [], 0
    for size in cuts:
        pieces.append(stream[start : start + size])
        start += size
    line = converse(HttpPort(service(), rig), [piece for piece in (*pieces, stream[start:]) if piece])
    assert [status for status, _, _ in answers(bytes(line.sent))] == [201, 200, 201, 400]
    assert line.closed


@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_port_damaged_requests_never_hang_or_raise(rig: VirtualClock, count: int) -> None:
    """Requests with bent, missing, doubled and foreign octets: an answer, a refusal or patience."""
    dice, port = random.Random(count), HttpPort(service(), rig)
    seeds = (GET, POST, CHUNKED, GET + POST, GET.replace(b"Host: rig", b"Host: rig\r\nConnection: close"))
    seen: set[int] = set()
    for _ in range(count):
        octets = bytearray(dice.choice(seeds))
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(octets))
            match dice.randrange(5):
                case 0:
                    octets[at] = dice.randrange(256)
                case 1:
                    del octets[at : at + dice.randrange(1, 9)]
                case 2:
                    octets[at:at] = dice.randbytes(dice.randrange(1, 9))
                case 3:
                    octets[at:at] = octets[at : at + dice.randrange(1, 40)]
                case _:
                    octets[at:at] = dice.choice(
                        (b"\r\n", b"\r\n\r\n", b": ", b"HTTP/1.1", b"%zz", b"[", b"\0")
                    )
            octets = octets or bytearray(b" ")
        line = converse(port, [bytes(octets)])
        found = [status for status, _, _ in answers(bytes(line.sent))]
        assert line.closed or not any(status in (400, 413, 431, 501) for status in found[:-1])
        seen.update(found)
    assert {200, 201, 400, 404, 405, 422} <= seen
    assert 500 not in seen
