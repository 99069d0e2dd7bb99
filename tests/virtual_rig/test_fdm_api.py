"""The FDM Tools server and a handheld over HTTP, in virtual time: who may ask what, and what comes out."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from adapters.protocols.endpoint_link import material
from adapters.protocols.endpoint_link.material import ReadingKey, SecureCommand, SignedAuthorization
from adapters.registry import Secret
from adapters.transports.http import HttpClient
from adapters.transports.http_answer import HttpAnswer
from virtual_rig.parts.security import FdmPart
from virtual_rig.provider import VirtualProvider
from virtual_rig.secured.ism import SecurityManager

T = TypeVar("T")
SECURED, FULL, NETWORK, BASIC = "45000003", "45000004", "45000005", "45000001"
METER = "electric-meter"


@dataclass
class Caller:
    """A client of one server."""

    http: HttpClient

    def ask(self, method: str, path: str, body: object = None) -> HttpAnswer:
        """Send a request."""
        return self.http.request(method, path, json=body)

    def said(self, method: str, path: str, body: object = None) -> Any:
        """Send a request that succeeds, and return its JSON."""
        answer = self.ask(method, path, body)
        assert answer.ok, answer.text
        return answer.json()

    def reason(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """Send a request that is declined, and return its status and reason."""
        answer = self.ask(method, path, body)
        assert answer.media_type == "application/problem+json", answer.text
        problem = answer.json()
        assert isinstance(problem, dict)
        assert problem["status"] == answer.status
        return answer.status, problem["reason"]


class Site:
    """The site in virtual time, with its servers on loopback and whoever calls them."""

    def __init__(self) -> None:
        self.bench = VirtualProvider().open("itron-field", seed=1)
        self.clock, self.secrets = self.bench.clock, self.bench.secrets
        self._clients: list[HttpClient] = []

    def caller(self, device: str, secret: str = "") -> Caller:
        """Return a caller of a server, with the token of one kind of caller or with none."""
        return self.with_token(device, self.secrets[f"{device}.{secret}"] if secret else "")

    def with_token(self, device: str, token: str) -> Caller:
        """Return a caller with this very token."""
        devices: Any = self.bench.bench["devices"]
        http = HttpClient.open(url=devices[device]["link"]["url"], clock=self.clock)
        self._clients.append(http)
        http.authorize(Secret(token.encode()) if token else None)
        return Caller(http)

    def password(self, user: str = "fsr") -> str:
        """Return a user's demo password."""
        return self.secrets[f"tool_a.{user}.password"]

    def logged_in(self, user: str = "fsr") -> Caller:
        """Log a user in at the server, as a handheld would, and return a caller with his token."""
        body = {"user": user, "password": self.password(user)}
        said = self.caller("fdm").said("POST", "/log-in", body)
        return self.with_token("fdm", said["token"])

    def order(self, *endpoints: str, commands: tuple[str, ...], **more: object) -> Any:
        """Order material as the officer."""
        body = {"endpoints": endpoints, "commands": commands, **more}
        return self.caller("fdm", "officer_token").said("POST", "/orders", body)

    def at_work(self) -> Caller:
        """Log somebody in at a handheld and return its caller."""
        tool = self.caller("tool_a", "automation_token")
        credentials = {"user": "fsr", "password": self.password()}
        assert tool.said("POST", "/log-in", credentials) == {"user": "fsr"}
        return tool

    def finished(self, tool: Caller, path: str) -> HttpAnswer:
        """Start a job and return what it came to."""
        started = tool.ask("POST", path)
        assert started.status == 202, started.text
        job = started.json()
        assert isinstance(job, dict)
        self.clock.sleep_s(10)
        return tool.ask("GET", f"/jobs/{job['job']}")

    def model(self, name: str, kind: type[T]) -> T:
        """Return what stands behind a device."""
        return self.bench.built.model(name, kind)

    def close(self) -> None:
        """Hang up, and take the site down."""
        for client in self._clients:
            client.close()
        self.bench.close()


@pytest.fixture
def site() -> Iterator[Site]:
    """A fresh site."""
    opened = Site()
    yield opened
    opened.close()


# --- the FDM Tools server --------------------------------------------------------------------------------


def test_fdm_api_bundle_is_all_a_handheld_needs(site: Site) -> None:
    """Requested by id and type: octets of the three kinds that decode, and whose signatures hold."""
    site.order(FULL, commands=("read", "program", "disconnect"))
    bundle = site.logged_in().said("POST", "/requests", {"devices": [{"id": FULL, "type": METER}]})
    assert (bundle["endpoints"], bundle["not_needed"], bundle["not_found"]) == ([FULL], [], [])
    found = [material.decode(base64.b64decode(piece["material"])) for piece in bundle["material"]]
    assert [type(piece) for piece in found] == [SignedAuthorization, SecureCommand, ReadingKey]
    assert [piece["kind"] for piece in bundle["material"]] == [
        "signed-authorization", "secure-command", "reading-key",
    ]  # fmt: skip
    ism = site.model("ism", SecurityManager)
    for piece, told in zip(found, bundle["material"], strict=True):
        assert (piece.number, f"{piece.endpoint:08d}") == (told["number"], told["endpoint"])
        if isinstance(piece, ReadingKey):
            assert piece.key == ism.reading_key(int(FULL))
        else:
            assert material.verify(piece, ism.public_key)


def test_fdm_api_used_numbers_bring_the_next_copy(site: Site) -> None:
    """A field tool reports what it has used; what is not used is handed out again."""
    site.order(SECURED, commands=("disconnect",), copies=2)
    handheld = site.logged_in()
    wanted: dict[str, object] = {"devices": [{"id": SECURED, "type": METER}]}
    first = handheld.said("POST", "/requests", wanted)["material"]
    assert handheld.said("POST", "/requests", wanted)["material"] == first
    second = handheld.said("POST", "/requests", {**wanted, "used": [first[0]["number"]]})["material"]
    assert [piece["number"] for piece in first] != [piece["number"] for piece in second]
    used = [piece["number"] for piece in (*first, *second)]
    assert handheld.said("POST", "/requests", {**wanted, "used": used})["material"] == []


def test_fdm_api_counts_and_lists_are_free_of_material(site: Site) -> None:
    """The office sees how much there is, and devices as of the last sync in the world's time."""
    issued = site.order(FULL, NETWORK, commands=("read", "disconnect"))
    assert {key: issued[key] for key in ("signed_authorizations", "secure_commands", "keys")} == {
        "signed_authorizations": 2, "secure_commands": 1, "keys": 1,
    }  # fmt: skip
    office = site.caller("fdm", "administrator_token")
    assert office.said("GET", f"/devices/{FULL}/material") == {
        "endpoint": FULL, "commands": ["disconnect"],
        "signed_authorizations": 0, "secure_commands": 1, "keys": 1,
    }  # fmt: skip
    site.clock.sleep_s(60)
    listed = office.said("POST", "/sync")
    assert listed["synced_at"] == "2026-01-05T00:01:00Z"
    assert listed["devices"][3] == {
        "endpoint": FULL, "type": METER, "security_class": "enhanced", "level": "full-security",
    }  # fmt: skip
    assert office.said("GET", "/devices") == listed


def test_fdm_api_permissions_are_read_back(site: Site) -> None:
    """What the administrator sets holds for the user's next request."""
    office = site.caller("fdm", "administrator_token")
    body = {"commands": ["check", "read"]}
    assert office.said("PUT", "/users/fsr/permissions", body)["commands"] == ["read", "check"]
    assert office.said("GET", "/users/fsr/permissions") == {"user": "fsr", "commands": ["read", "check"]}
    bundle = site.logged_in().said("POST", "/requests", {"devices": [{"id": FULL, "type": METER}]})
    assert bundle["permitted"] == ["read", "check"]


ORDER = {"endpoints": [SECURED], "commands": ["disconnect"]}
PIECE = {"endpoint": SECURED, "kind": "secure-command", "command": "disconnect"}
REQUESTS: list[tuple[str, str, object]] = [
    ("GET", "/about", None),
    ("POST", "/orders", ORDER),
    ("GET", "/devices", None),
    ("POST", "/sync", None),
    ("GET", f"/devices/{SECURED}/material", None),
    ("GET", "/users/fsr/permissions", None),
    ("PUT", "/users/fsr/permissions", {"commands": []}),
    ("POST", "/requests", {"devices": [{"id": SECURED, "type": METER}]}),
    ("GET", "/lab/endpoints", None),
    ("POST", "/lab/material", PIECE),
]
ALLOWED = {
    "officer_token": {0, 1, 2, 4},
    "administrator_token": {0, 2, 3, 4, 5, 6},
    "lab_token": {8, 9},
    "fsr.token": {7},
    "": set(),
}


@pytest.mark.parametrize("secret", ALLOWED)
def test_fdm_api_each_token_opens_its_own_doors(site: Site, secret: str) -> None:
    """Nobody orders but the officer, nobody requests but a user, and without a token nothing is to be had."""
    caller = site.caller("fdm", secret)
    for number, (method, path, body) in enumerate(REQUESTS):
        answer = caller.ask(method, path, body)
        if number in ALLOWED[secret]:
            assert answer.ok, (method, path, answer.text)
        else:
            wanted = (401, "not-logged-in") if path == "/requests" else (403, "not-permitted")
            assert caller.reason(method, path, body) == wanted
    if "order" not in secret and secret != "officer_token":
        office = site.caller("fdm", "administrator_token")
        assert office.said("GET", f"/devices/{SECURED}/material")["secure_commands"] == 0


@pytest.mark.parametrize(
    "method, path, body, expected",
    [
        ("POST", "/orders", {**ORDER, "endpoints": ["99999999"]}, (404, "unknown-endpoint")),
        ("POST", "/orders", {**ORDER, "endpoints": [SECURED, BASIC]}, (409, "not-needed")),
        ("GET", "/devices/99999999/material", None, (404, "unknown-endpoint")),
    ],
)
def test_fdm_api_declines_in_one_word(
    site: Site, method: str, path: str, body: object, expected: tuple[int, str]
) -> None:
    """A problem document with a reason, and nothing has been issued."""
    assert site.caller("fdm", "officer_token").reason(method, path, body) == expected
    assert site.model("ism", SecurityManager).orders == 0


@pytest.mark.parametrize("user", ["fsr", "nobody"])
def test_fdm_api_wrong_password_is_not_repeated(site: Site, user: str) -> None:
    """Neither a wrong password nor one that is too long comes back in an answer."""
    caller = site.caller("fdm")
    assert caller.reason("POST", "/log-in", {"user": user, "password": "hunter2"}) == (401, "wrong-password")
    answer = caller.ask("POST", "/log-in", {"user": user, "password": "hunter2" * 100, "stay": True})
    assert answer.status == 422
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"endpoints": [], "commands": ["read"]},
        {"endpoints": ["1"], "commands": ["read"]},
        {"endpoints": [SECURED], "commands": ["explode"]},
        {**ORDER, "copies": 0},
        {**ORDER, "copies": 21},
        {**ORDER, "valid_for_s": 0},
        {**ORDER, "officer": "me"},
    ],
)
def test_fdm_api_order_that_is_none_is_not_understood(site: Site, body: object) -> None:
    """422, and ISM has heard of nothing."""
    assert site.caller("fdm", "officer_token").ask("POST", "/orders", body).status == 422
    assert site.model("ism", SecurityManager).orders == 0


def test_fdm_api_lab_piece_is_fresh_each_time(site: Site) -> None:
    """The lab's radio gets material that nobody else has, as hexadecimal text."""
    lab = site.caller("fdm", "lab_token")
    texts = [lab.said("POST", "/lab/material", PIECE)["material"] for _ in range(2)]
    one, other = (material.decode(bytes.fromhex(text)) for text in texts)
    assert isinstance(one, SecureCommand)
    assert one.number != other.number
    listed = lab.said("GET", "/lab/endpoints")["endpoints"]
    devices = site.caller("fdm", "officer_token").said("GET", "/devices")["devices"]
    unsecured = ("basic", "ready-to-secure")
    assert listed == [each["endpoint"] for each in devices if each["level"] not in unsecured]
    assert {SECURED, FULL, NETWORK} < set(listed)


# --- a handheld ------------------------------------------------------------------------------------------


def test_handheld_api_job_is_not_done_before_the_air_has_answered(site: Site) -> None:
    """202 at once, done when the device has been asked and has answered, in virtual time."""
    tool = site.at_work()
    job = tool.said("POST", f"/endpoints/{BASIC}/commands/check")["job"]
    assert tool.said("GET", f"/jobs/{job}") == {"done": False, "menu": None, "outcome": None}
    assert tool.reason("POST", f"/endpoints/{BASIC}/menu") == (409, "busy")
    site.clock.sleep_s(0.2)
    shown = tool.said("GET", f"/jobs/{job}")
    assert shown["done"]
    assert shown["outcome"] == {
        "endpoint": BASIC, "command": "check", "replay": False, "executions": 1, "typed": [],
        "information": "check: program revision 1; record 1; 2026-01-05T00:00:00Z",
    }  # fmt: skip


def test_handheld_api_refused_job_says_so_each_time_it_is_asked(site: Site) -> None:
    """The reason stays until the job is forgotten, which is after a hundred others."""
    tool = site.at_work()
    answer = site.finished(tool, f"/endpoints/{SECURED}/commands/check")
    assert (answer.status, answer.json()["reason"]) == (403, "not-listed")  # type: ignore[index]
    assert tool.reason("GET", "/jobs/J00001") == (403, "not-listed")
    for _ in range(100):
        site.finished(tool, f"/endpoints/{BASIC}/menu")
    assert tool.reason("GET", "/jobs/J00001") == (404, "unknown-job")
    assert tool.said("GET", "/jobs/J00002")["menu"] == ["read", "check", "program", "reset"]


@pytest.mark.parametrize(
    "method, path, expected",
    [
        ("GET", "/screens/request-commands", (401, "not-logged-in")),
        ("GET", "/screens/request-commands/current", (401, "not-logged-in")),
        ("POST", f"/endpoints/{BASIC}/menu", (401, "not-logged-in")),
        ("GET", "/jobs/J1", (404, "unknown-job")),
    ],
)
def test_handheld_api_without_a_user(site: Site, method: str, path: str, expected: tuple[int, str]) -> None:
    """With nobody logged in every screen says so."""
    assert site.caller("tool_a", "automation_token").reason(method, path) == expected


def test_handheld_api_takes_no_other_token(site: Site) -> None:
    """One handheld's token is nothing to the other, and none is nothing anywhere."""
    stranger = site.with_token("tool_a", site.secrets["tool_b.automation_token"])
    paths = [("GET", "/about"), ("POST", "/log-out"), ("GET", "/network"), ("GET", "/jobs/J1")]
    for caller in (stranger, site.caller("tool_a")):
        for method, path in paths:
            assert caller.reason(method, path) == (403, "not-permitted")


def test_handheld_api_offline_shows_in_network_and_requests(site: Site) -> None:
    """Cut off, it can still be automated: that is USB."""
    site.order(SECURED, commands=("disconnect",))
    tool = site.at_work()
    assert (
        tool.said("PUT", "/network", {"online": False}) == tool.said("GET", "/network") == {"online": False}
    )
    wanted = {"devices": [{"id": SECURED, "type": METER}]}
    assert tool.reason("POST", "/screens/request-commands/request", wanted) == (503, "no-connection")
    tool.said("PUT", "/network", {"online": True})
    brought = tool.said("POST", "/screens/request-commands/request", wanted)
    assert (brought["endpoints"], brought["secure_commands"]) == ([SECURED], 1)


def test_handheld_api_nothing_it_says_holds_a_secret(site: Site) -> None:
    """Not a password, token, key, signature or number of a piece, whatever is looked at."""
    site.order(FULL, NETWORK, commands=("read", "program", "disconnect"))
    tool, said = site.at_work(), []
    for method, path, body in [
        ("GET", "/about", None),
        ("GET", "/screens/request-commands", None),
        (
            "POST",
            "/screens/request-commands/request",
            {"devices": [{"id": FULL, "type": METER}, {"id": NETWORK, "type": METER}]},
        ),
        ("GET", "/screens/request-commands/current", None),
    ]:
        said.append(tool.ask(method, path, body).text)
    for command in ("read", "program", "disconnect", "connect"):
        said.append(site.finished(tool, f"/endpoints/{FULL}/commands/{command}").text)
    said.append(site.finished(tool, f"/endpoints/{NETWORK}/menu").text)
    text = "\n".join(said).lower()
    pieces = [
        piece
        for endpoint in (FULL, NETWORK)
        for piece in site.model("fdm", FdmPart).server.waiting(int(endpoint))
    ]
    secrets = [*site.secrets.values(), *(piece.encode().hex() for piece in pieces)]
    secrets += [base64.b64encode(piece.encode()).decode().lower() for piece in pieces]
    assert [secret for secret in secrets if secret.lower() in text] == []


@pytest.mark.parametrize("device", ["fdm", "tool_a"])
def test_api_description_says_what_is_assumed(site: Site, device: str) -> None:
    """Every operation is described, says why it may be refused, and the whole says that it is assumed."""
    described = site.caller(device).said("GET", "/openapi.json")
    assert "assumed" in described["info"]["description"].lower()
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            refusals = [
                status for status in operation["responses"] if status not in ("200", "201", "202", "422")
            ]
            assert refusals, (method, path)
    assert "password" not in json.dumps(described["info"])
