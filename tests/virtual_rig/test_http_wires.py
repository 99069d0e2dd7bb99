"""Our HTTP client and the rig's HTTP port over real sockets, in virtual time and on the wall clock."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import shutil
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.clock import WallClock
from adapters.errors import (
    BenchError,
    ConnectError,
    ConnectTimeout,
    LabError,
    LinkLost,
    LocalProtocolError,
    ReadTimeout,
    RemoteProtocolError,
)
from adapters.registry import Secret
from adapters.transports.http import HttpClient
from tests.adapters.test_transports import Tape
from tests.virtual_rig.http_models import Cutter, Served, service, serving
from virtual_rig.clock import VirtualClock
from virtual_rig.servers.http import HttpFaults, HttpPort, HttpRequest
from virtual_rig.servers.tcp import TcpServer
from virtual_rig.wire import HostLine

UNIT = {"serial": "00012345", "phases": 3}


@pytest.fixture(params=["virtual", "real"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """The service in each kind of time."""
    with serving(request.param) as made:
        yield made


@pytest.fixture
def world() -> Iterator[Served]:
    """The service in virtual time."""
    with serving("virtual") as made:
        yield made


def notes(tape: Tape) -> list[str]:
    """Return the events of a link."""
    return [str(text) for kind, text in tape.entries if kind == "--"]


def test_client_conversation_is_the_same_in_virtual_and_in_real_time(served: Served) -> None:
    """Bodies, queries, statuses and exact numbers; one connection for all of it."""
    tape = Tape()
    client = served.client(tap=tape)
    created = client.request("POST", "/v1/units", json=UNIT)
    assert (created.status, created.json(), created.ok) == (201, UNIT, True)
    read = client.request("GET", "/v1/units/00012345", query={"verbose": True})
    assert read.json() == {**UNIT, "verbose": True}
    several = client.request("GET", "/v1/numbers/2", query={"unit": ["Wh", "a&b=c"]})
    assert several.json() == {"numbers": [0, 1], "unit": ["Wh", "a&b=c"], "exact": Decimal("0.1")}
    wrong = client.request("POST", "/v1/units", json={"serial": "x"})
    assert (wrong.status, wrong.media_type) == (422, "application/json")
    gone = client.request("DELETE", "/v1/units/00012345")
    assert (gone.status, gone.body) == (204, b"")
    missing = client.request("GET", "/v1/units/00012345")
    assert (missing.status, missing.json()) == (404, {"detail": "no unit 00012345"})
    moved = client.request("GET", "/v1/moved")
    assert (moved.status, moved.headers["location"]) == (307, "/v1/numbers/1")
    assert client.request("HEAD", "/v1/numbers/5").body == b""
    client.close()
    client.close()
    assert notes(tape) == [f"opened {served.server.address}", "closed"]


def test_client_base_address_may_have_a_path(served: Served) -> None:
    """Paths continue it, escaped where they have to be."""
    client = served.client(url=f"{served.url}/v1/")
    assert client.request("GET", "/numbers/1").json() == {
        "numbers": [0],
        "unit": [],
        "exact": Decimal("0.1"),
    }
    assert client.request("GET", "/units/ü ?#").json() == {"detail": "no unit ü ?#"}
    client.close()


def test_client_half_an_hour_between_requests_costs_no_time_and_keeps_the_connection(world: Served) -> None:
    """Virtual time stands for the wait; the Date header shows it passed."""
    client = world.client()
    before = client.request("GET", "/v1/numbers/1")
    wall, started_s = WallClock(), WallClock().monotonic_s()
    world.clock.sleep_s(1800.0)
    after = client.request("GET", "/v1/numbers/1")
    assert wall.monotonic_s() - started_s < 0.5
    assert (before.headers["date"], after.headers["date"]) == (
        "Mon, 05 Jan 2026 00:00:00 GMT",
        "Mon, 05 Jan 2026 00:30:00 GMT",
    )
    assert len(world.server.lines) == 1
    client.close()


def test_client_same_conversation_leaves_the_same_trace() -> None:
    """Every octet and its time repeat where the Host header does not tell the kernel's choice of a port."""
    digests = set()
    for _ in range(3):
        with serving("virtual") as made:
            client = made.client(server_name="service.rig")
            client.request("GET", "/v1/numbers/3", headers={"X-Seen": "1"})
            made.clock.sleep_s(5.0)
            assert isinstance(made.rig, VirtualClock)
            digests.add(made.rig.trace_digest())
            client.close()
    assert len(digests) == 1


def test_client_late_answer_is_a_time_out_and_never_that_of_the_next_request() -> None:
    """After a time-out the connection is gone, and with it the answer that was still to come."""

    def slow(request: HttpRequest) -> float:
        return 45.0 if request.path.endswith("/3") else 0.0

    with serving("virtual", answer_after_s=slow, answer_delay_s=0.5) as world:
        client = world.client(timeout_s=30.0)
        with pytest.raises(ReadTimeout, match=r"GET /v1/numbers/3: no whole answer within 30 s"):
            client.request("GET", "/v1/numbers/3")
        assert world.clock.monotonic_s() == 30.0
        assert client.request("GET", "/v1/numbers/1").json()["numbers"] == [0]  # type: ignore[index]
        assert world.clock.monotonic_s() == 30.5
        world.clock.sleep_s(60.0)
        assert client.request("GET", "/v1/numbers/3", timeout_s=50.0).status == 200
        assert world.app.state.asked == ["numbers 3", "numbers 1", "numbers 3"]
        client.close()


def test_client_late_fault_delays_every_answer(world: Served) -> None:
    """The fault a reviewer triggers: the server takes so much longer."""
    world.port.faults = HttpFaults(late_s=20.0)
    client = world.client()
    client.request("GET", "/v1/numbers/1")
    assert world.clock.monotonic_s() == 20.0
    client.close()


def test_client_second_answer_is_an_error_and_never_that_of_the_next_request(served: Served) -> None:
    """A server that answers twice is told so; the next request gets its own answer on a fresh connection."""
    client = served.client()
    served.port.faults = HttpFaults(twice=True)
    with pytest.raises(RemoteProtocolError, match="octets nobody asked for") as caught:
        client.request("GET", "/v1/numbers/1")
    assert caught.value.data.startswith(b"HTTP/1.1 200 OK")
    served.port.faults = HttpFaults()
    assert client.request("GET", "/v1/numbers/2").json()["numbers"] == [0, 1]  # type: ignore[index]
    client.close()


def test_client_second_answer_that_comes_later_stops_the_next_request_unsent(world: Served) -> None:
    """Whatever an idle connection says is looked at before it is used again; then all is well again."""
    tape = Tape()
    client = world.client(tap=tape)
    client.request("GET", "/v1/numbers/1")
    world.server.lines[0].send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 1.0)
    world.clock.sleep_s(2.0)
    with pytest.raises(RemoteProtocolError, match="40 octets nobody asked for came before POST") as caught:
        client.request("POST", "/v1/units", json=UNIT)
    assert caught.value.data.endswith(b"{}")
    assert world.app.state.asked == ["numbers 1"]
    assert "which was not sent" in notes(tape)[1]
    assert client.request("POST", "/v1/units", json=UNIT).status == 201
    client.close()


def test_client_nonsense_is_told_apart(served: Served) -> None:
    """Broken JSON in whole HTTP, an answer that breaks off, another service: three different errors."""
    client = served.client()
    served.port.faults = HttpFaults(nonsense="garbage")
    answer = client.request("GET", "/v1/numbers/1")
    with pytest.raises(RemoteProtocolError, match=r"GET /v1/numbers/1 \(status 200.*is no JSON") as broken:
        answer.json()
    assert broken.value.data == answer.body
    served.port.faults = HttpFaults(nonsense="truncated")
    with pytest.raises(LinkLost, match="closed the connection after") as lost:
        client.request("GET", "/v1/numbers/1")
    assert lost.value.received.startswith(b"HTTP/1.1 200 OK")
    served.port.faults = HttpFaults(nonsense="not-http")
    with pytest.raises(RemoteProtocolError, match=r"not HTTP.*220 ready") as foreign:
        client.request("GET", "/v1/numbers/1")
    assert foreign.value.data == b"220 ready\r\n"
    served.port.faults = HttpFaults()
    assert client.request("GET", "/v1/numbers/1").status == 200
    client.close()


def test_client_server_that_is_down_refuses_and_comes_back(served: Served) -> None:
    """Old connections end, new ones are refused; afterwards everything is as before."""
    client = served.client()
    client.request("GET", "/v1/numbers/1")
    served.server.down = True
    with pytest.raises(ConnectError, match="refused"):
        client.request("GET", "/v1/numbers/1")
    served.server.down = False
    assert client.request("GET", "/v1/numbers/1").status == 200
    client.close()


def test_client_server_that_goes_down_under_a_request_loses_the_answer() -> None:
    """The request was taken, its answer never comes: LinkLost, and a POST is not repeated."""
    with serving("virtual", answer_delay_s=10.0) as world:
        assert isinstance(world.rig, VirtualClock)
        world.rig.call_later(5.0, setattr, world.server, "down", True)
        client = world.client()
        with pytest.raises(LinkLost, match="after 0 octets"):
            client.request("POST", "/v1/units", json=UNIT)
        assert world.app.state.asked == ["add 00012345"]
        client.close()


def test_client_swallowed_connection_is_a_connect_time_out(world: Served) -> None:
    """Nobody answers the attempt; the wait is bounded by connecting, not by the answer."""
    world.server.blackhole = True
    client = world.client(timeout_s=300.0)
    with pytest.raises(ConnectTimeout):
        client.request("GET", "/v1/numbers/1")
    assert world.clock.monotonic_s() == 10.0
    client.close()


def test_client_half_open_connection_is_silent_and_reset_one_is_lost(world: Served) -> None:
    """A hung server is ReadTimeout; a reset under a fresh request is LinkLost, not the end of an answer."""
    client = world.client(timeout_s=3.0)
    client.request("GET", "/v1/numbers/1")
    world.server.lines[0].stalled = True
    with pytest.raises(ReadTimeout):
        client.request("GET", "/v1/numbers/1")
    world.port.faults = HttpFaults(late_s=2.0)
    assert isinstance(world.rig, VirtualClock)
    world.rig.call_later(1.0, lambda: world.server.lines[-1].reset())
    with pytest.raises(LinkLost, match="reset"):
        client.request("GET", "/v1/numbers/1")
    client.close()


class _ClosesWhenAsked:
    """A server that closes kept connections the moment the next request comes, unread."""

    def __init__(self, model: HttpPort) -> None:
        self._model = model
        self.asked = 0
        self._used: set[str] = set()

    def opened(self, line: HostLine) -> None:
        self._model.opened(line)

    def received(self, line: HostLine, data: bytes) -> None:
        self.asked += 1
        if line.name in self._used:
            line.close()
        else:
            self._used.add(line.name)
            self._model.received(line, data)

    def broke(self, line: HostLine, duration_s: float) -> None:
        pass

    def closed(self, line: HostLine) -> None:
        self._model.closed(line)


def test_client_repeats_a_get_on_a_connection_closed_before_the_answer_but_never_a_post() -> None:
    """Once, on a fresh connection; a POST may have been carried out, so it is lost and told."""
    rig = VirtualClock()
    model = _ClosesWhenAsked(HttpPort(service(), rig))
    server = TcpServer("service", model, rig)
    tape = Tape()
    client = HttpClient.open(url=f"http://{server.address}", clock=rig, tap=tape)
    client.request("GET", "/v1/numbers/1")
    assert client.request("GET", "/v1/numbers/2").status == 200
    assert model.asked == 3
    assert "the kept connection was closed; GET /v1/numbers/2 once more on a fresh one" in notes(tape)
    with pytest.raises(LinkLost):
        client.request("POST", "/v1/units", json=UNIT)
    assert model.asked == 4
    client.close()
    rig.close()


def test_client_connection_the_server_closed_long_ago_is_replaced_for_any_request(world: Served) -> None:
    """The good-bye was there before the request, so nothing had been sent: a POST goes out once."""
    client = world.client()
    client.request("GET", "/v1/numbers/1")
    world.server.lines[0].close()
    world.clock.sleep_s(60.0)
    assert client.request("POST", "/v1/units", json=UNIT).status == 201
    assert world.app.state.asked == ["numbers 1", "add 00012345"]
    client.close()


def test_client_early_refusal_of_a_large_body_is_the_answer(served: Served) -> None:
    """A server that answers 413 while the body is still on its way is heard."""
    client = served.client()
    assert client.request("POST", "/v1/units", json={"serial": "1" * 3_000_000}).status == 413
    assert client.request("GET", "/v1/numbers/1").status == 200
    client.close()


def test_client_bearer_token_is_sent_and_never_shown(served: Served) -> None:
    """The token reaches the server, and neither repr nor error."""
    client = served.client()
    token = Secret(b"t0p-s3cret-token")
    client.authorize(token)
    assert client.request("GET", "/v1/who").json() == {"authorization": "Bearer t0p-s3cret-token"}
    served.port.faults = HttpFaults(nonsense="not-http")
    with pytest.raises(RemoteProtocolError) as caught:
        client.request("GET", "/v1/who")
    served.port.faults = HttpFaults()
    with pytest.raises(LocalProtocolError) as bad_header:
        client.request("GET", "/v1/who", headers={"X-Bad": "a\nb"})
    shown = (
        f"{client!r} {client.__dict__} {caught.value!r} {bad_header.value!r} {bad_header.value.__context__!r}"
    )
    assert "t0p-s3cret" not in shown
    client.authorize(None)
    assert client.request("GET", "/v1/who").json() == {"authorization": ""}
    with pytest.raises(BenchError, match="no header can carry") as refused:
        client.authorize(Secret(b"two\nlines-of-secret"))
    assert "secret" not in str(refused.value)
    client.close()


def test_client_one_request_at_a_time() -> None:
    """Two threads of a bench on one client: the second is refused, the first one is served."""
    with serving("virtual", answer_delay_s=5.0) as world:
        client = world.client()
        assert isinstance(world.rig, VirtualClock)

        def other() -> None:
            world.clock.sleep_s(1.0)
            with pytest.raises(LocalProtocolError, match="another request is under way"):
                client.request("GET", "/v1/numbers/1")

        first, _ = world.rig.run_together(lambda: client.request("GET", "/v1/numbers/2").status, other)
        assert first == 200
        client.close()


@settings(max_examples=40)
@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_client_any_cuts_of_the_answer_make_the_same_answer(sizes: list[int]) -> None:
    """How TCP cut the octets never shows, kept connection and second request included."""
    rig = VirtualClock()
    server = TcpServer("service", Cutter(HttpPort(service(), rig), sizes), rig)
    client = HttpClient.open(url=f"http://{server.address}", clock=rig)
    assert client.request("POST", "/v1/units", json=UNIT).json() == UNIT
    assert client.request("GET", "/v1/numbers/40").json()["numbers"] == list(range(40))  # type: ignore[index]
    assert client.request("GET", "/v1/units/1").status == 404
    assert len(server.lines) == 1
    client.close()
    rig.close()


class _Damaging(Cutter):
    """What the service sends, with octets bent, missing and doubled; sometimes it hangs up then."""

    def __init__(self, model: HttpPort, dice: random.Random) -> None:
        super().__init__(model, [1])
        self.dice, self.on = dice, False

    def opened(self, line: HostLine) -> None:
        """See ``LineModel``."""
        super().opened(line)
        self._lines[line.name].send = partial(self._send, line)  # type: ignore[method-assign]

    def _send(self, line: HostLine, data: bytes, delay_s: float = 0.0, settings: object = None) -> None:
        octets = bytearray(data)
        for _ in range(self.dice.randrange(1, 5) if self.on else 0):
            at = self.dice.randrange(len(octets))
            match self.dice.randrange(4):
                case 0:
                    octets[at] = self.dice.randrange(256)
                case 1:
                    del octets[at : at + self.dice.randrange(1, 9)]
                case 2:
                    octets[at:at] = octets[at : at + self.dice.randrange(1, 80)]
                case _:
                    octets[at:at] = self.dice.choice((b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"HTTP/1.1 200"))
            octets = octets or bytearray(b"?")
        line.send(bytes(octets))
        if self.on and self.dice.random() < 0.3:
            line.close()


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_client_damaged_answers_are_an_answer_or_a_typed_error_and_leave_no_trace(count: int) -> None:
    """Whatever comes back, the next request of a healthy server gets its own answer."""
    rig, dice = VirtualClock(), random.Random(count)
    model = _Damaging(HttpPort(service(), rig), dice)
    server = TcpServer("service", model, rig)
    client = HttpClient.open(url=f"http://{server.address}", clock=rig, timeout_s=5.0)
    outcomes: Counter[str] = Counter()
    for number in range(count):
        model.on = True
        try:
            answer = client.request(*dice.choice((("GET", "/v1/numbers/9"), ("HEAD", "/v1/who"))))
            answer.json()
            outcomes["answer"] += 1
        except LabError as error:
            outcomes[type(error).__name__] += 1
        model.on = False
        healthy = client.request("GET", f"/v1/units/{number}")
        assert healthy.json() == {"detail": f"no unit {number}"}
    assert set(outcomes) >= {"answer", "LinkLost", "ReadTimeout", "RemoteProtocolError"}
    client.close()
    rig.close()


# -- foreign clients, on the wall clock


@pytest.fixture
def foreign() -> Iterator[Served]:
    """The service on the wall clock."""
    with serving("real") as made:
        yield made


def test_port_serves_urllib(foreign: Served) -> None:
    """The standard library's opener: a POST, a GET, and an error status."""
    data = json.dumps(UNIT).encode()
    headers = {"Content-Type": "application/json"}
    post = urllib.request.Request(f"{foreign.url}/v1/units", data=data, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(post, timeout=5) as answer:
        assert (answer.status, json.load(answer)) == (201, UNIT)
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(f"{foreign.url}/v1/units/1", timeout=5)
    assert caught.value.code == 404
    caught.value.close()


def test_port_serves_the_standard_librarys_client_on_one_connection(foreign: Served) -> None:
    """Keep-alive, chunked request bodies, HEAD."""
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", foreign.server.port, timeout=5)
    ) as client:
        client.request("POST", "/v1/echo", body=iter([b"in ", b"chunks"]), encode_chunked=True)
        assert client.getresponse().read() == b"in chunks"
        client.request("HEAD", "/v1/numbers/9")
        head = client.getresponse()
        assert (head.status, head.read()) == (200, b"")
        assert int(head.headers["Content-Length"]) > 20
        client.request("GET", "/openapi.json")
        assert json.loads(client.getresponse().read())["openapi"].startswith("3.")
    assert len(foreign.server.lines) == 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_port_serves_curl_with_a_large_body_after_100_continue(foreign: Served, tmp_path: Path) -> None:
    """curl asks before it sends much; two transfers share a connection."""
    body = bytes(range(256)) * 2000
    (tmp_path / "body").write_bytes(body)
    url = f"{foreign.url}/v1/echo"
    once = ["-sS", "--noproxy", "*", "-H", "Expect: 100-continue", "--data-binary", f"@{tmp_path}/body", url]
    done = subprocess.run(
        ["curl", "-v", *once, "-o", str(tmp_path / "1"), "--next", *once, "-o", str(tmp_path / "2")],
        capture_output=True, timeout=20, check=True,
    )  # fmt: skip
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes() == body
    assert done.stderr.count(b"HTTP/1.1 100 Continue") == 2
    assert b"Re-using existing" in done.stderr
