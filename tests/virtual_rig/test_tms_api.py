"""TMS and the configuration server over HTTP, in virtual time: what is described, refused, and never told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.registry import Secret
from adapters.transports.http import HttpClient
from adapters.transports.http_answer import HttpAnswer
from virtual_rig.provider import VirtualProvider
from virtual_rig.smartsynch.configuration_server import ConfigurationServer

UNIT, STRANGER = "20457301", "20990001"
PROBLEM = "application/problem+json"


class Site:
    """The site in virtual time, and a client of each server."""

    def __init__(self, **options: Any) -> None:
        self.bench = VirtualProvider().open("i210", seed=1, **options)
        self.pin = self.bench.secrets["tms.pin"]
        self.asked: list[HttpAnswer] = []
        self._clients: dict[str, HttpClient] = {}

    def ask(self, device: str, method: str, path: str, body: object = None, **query: str) -> HttpAnswer:
        """Send a request with the right token; every answer is kept."""
        return self.ask_as(device, self.bench.secrets[f"{device}.token"], method, path, body, **query)

    def ask_as(
        self, device: str, token: str, method: str, path: str, body: object = None, **query: str
    ) -> HttpAnswer:
        """Send a request with this token, or with none."""
        if device not in self._clients:
            devices: Any = self.bench.bench["devices"]
            self._clients[device] = HttpClient.open(
                url=devices[device]["link"]["url"], clock=self.bench.clock
            )
        client = self._clients[device]
        client.authorize(Secret(token.encode()) if token else None)
        self.asked.append(client.request(method, path, json=body, query=query or None))
        return self.asked[-1]

    def said(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """Ask TMS for something it does, and return its JSON."""
        answer = self.ask("tms", method, path, body, **query)
        assert answer.ok, answer.text
        return answer.json()

    def reason(self, method: str, path: str, body: object = None, **query: str) -> tuple[int, str]:
        """Ask TMS for something it declines, and return status and reason."""
        answer = self.ask("tms", method, path, body, **query)
        return answer.status, problem(answer)["reason"]

    def placed(self) -> Site:
        """Energise the meter and wait until it is Placed."""
        self.bench.built.supply.switch(True)
        self.bench.clock.sleep_s(60)
        return self

    def close(self) -> None:
        """Close everything."""
        for client in self._clients.values():
            client.close()
        self.bench.close()


def problem(answer: HttpAnswer) -> dict[str, Any]:
    """Return an answer's problem document."""
    assert answer.media_type == PROBLEM, answer.text
    found = answer.json()
    assert isinstance(found, dict)
    assert found["status"] == answer.status
    return found


@pytest.fixture
def site() -> Iterator[Site]:
    """The site, fresh."""
    opened = Site()
    yield opened
    opened.close()


@pytest.mark.parametrize("device", ["tms", "configuration"])
def test_api_describes_itself_and_says_that_it_is_assumed(site: Site, device: str) -> None:
    """The interface is ours, its description says so, and every operation has a sentence."""
    described: Any = site.ask_as(device, "", "GET", "/openapi.json").json()
    assert "**Assumed.**" in described["info"]["description"]
    operations = [each for path in described["paths"].values() for each in path.values()]
    assert len(operations) >= 2
    assert all(operation["description"].endswith(".") for operation in operations)
    assert all("401" in operation["responses"] for operation in operations)


@pytest.mark.parametrize("token", ["", "wrong", "x" * 5000])
@pytest.mark.parametrize(
    ("device", "method", "path"),
    [
        ("tms", "GET", "/v1/about"),
        ("tms", "DELETE", f"/v1/units/{UNIT}"),
        ("tms", "POST", f"/v1/units/{UNIT}/provisioning"),
        ("tms", "POST", "/v1/tickets"),
        ("configuration", "GET", f"/v1/units/{UNIT}"),
    ],
)
def test_api_without_the_right_token_does_nothing(
    site: Site, device: str, method: str, path: str, token: str
) -> None:
    """Nobody gets in without it, whatever he asks for and however wrong it is."""
    site.placed()
    answer = site.ask_as(device, token, method, path, {} if method == "POST" else None)
    assert (answer.status, problem(answer)["reason"]) == (401, "not-permitted")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert site.said("GET", f"/v1/units/{UNIT}")["status"] == "registered"


def test_api_refusals_have_the_models_reason_and_a_status(site: Site) -> None:
    """404 for what is not there, 409 for what cannot be done now; the model's text is in it."""
    assert site.reason("GET", f"/v1/units/{UNIT}") == (404, "unknown-unit")
    assert site.reason("POST", f"/v1/units/{UNIT}/provisioning", {}) == (404, "unknown-unit")
    site.said("PUT", f"/v1/units/{UNIT}/properties", {"pin": site.pin})
    assert site.reason("POST", f"/v1/units/{UNIT}/provisioning", {}) == (409, "not-placed")
    site.placed()
    assert site.reason("GET", f"/v1/units/{UNIT}/data") == (409, "not-provisioned")
    job = site.said("POST", f"/v1/units/{UNIT}/provisioning", {"limit_s": 60})
    assert site.reason("POST", f"/v1/units/{UNIT}/provisioning", {}) == (409, "busy")
    assert site.reason("DELETE", f"/v1/units/{UNIT}") == (409, "busy")
    assert site.reason("GET", "/v1/provisioning/P-9") == (404, "unknown-job")
    assert site.reason("GET", "/v1/section-4/S4-9") == (404, "unknown-check")
    assert site.reason("POST", "/v1/tickets", {"unit": STRANGER, "job": job["job"]}) == (404, "unknown-job")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/units/{unit}/properties", {"pin": "{pin}x"}),
        ("PUT", "/v1/units/{unit}/properties", {"pin": ["{pin}"]}),
        ("PUT", "/v1/units/{unit}/properties", {"pni": "{pin}"}),
        ("PUT", "/v1/units/{unit}/properties", "{pin}"),
        ("POST", "/v1/units/{unit}/properties/pin-review", {"pin": "{pin}", "and": "{pin}"}),
        ("POST", "/v1/units/{unit}/provisioning", {"limit_s": "{pin}s"}),
        ("POST", "/v1/units/{unit}/provisioning", {"limit_s": 0}),
        ("POST", "/v1/units/{unit}/provisioning", {"limit_s": 1e99}),
        ("POST", "/v1/units/{unit}/provisioning", {"limit_s": None}),
    ],
)
def test_api_what_it_does_not_understand_is_not_repeated(
    site: Site, method: str, path: str, body: Any
) -> None:
    """422 says where, and never what: it may have been a PIN."""
    filled = _fill(body, site.pin)
    answer = site.ask("tms", method, path.format(unit=UNIT), filled)
    assert (answer.status, problem(answer)["reason"]) == (422, "not-understood")
    assert site.pin not in answer.text
    assert "body" in problem(answer)["detail"]


def _fill(body: Any, pin: str) -> Any:
    if isinstance(body, dict):
        return {name: _fill(value, pin) for name, value in body.items()}
    if isinstance(body, list):
        return [_fill(value, pin) for value in body]
    return body.replace("{pin}", pin) if isinstance(body, str) else body


def test_api_never_tells_the_pin(site: Site) -> None:
    """Through a whole provisioning, a wrong PIN and every page there is: it goes in and never comes out."""
    site.placed()
    site.said("PUT", f"/v1/units/{UNIT}/properties", {"pin": site.pin})
    site.said("POST", f"/v1/units/{UNIT}/properties/pin-review", {"pin": "0000"})
    job = site.said("POST", f"/v1/units/{UNIT}/provisioning", {"limit_s": 600})["job"]
    site.bench.clock.sleep_s(60)
    for path in ("", "/data", "/coverage"):
        site.said("GET", f"/v1/units/{UNIT}{path}")
    site.said("GET", f"/v1/provisioning/{job}")
    site.said("GET", "/v1/events", unit=UNIT)
    site.said("GET", "/v1/connection")
    check = site.said("POST", f"/v1/units/{UNIT}/section-4")["check"]
    site.bench.clock.sleep_s(20)
    site.said("GET", f"/v1/section-4/{check}")
    site.said("POST", "/v1/tickets", {"unit": UNIT, "job": job})
    site.ask("configuration", "GET", f"/v1/units/{UNIT}")
    assert [answer.request for answer in site.asked if site.pin in answer.text] == []
    server = site.bench.built.model("configuration", ConfigurationServer)
    assert site.pin not in repr(server.log)


def test_api_events_take_a_moment_with_and_without_time_zone(site: Site) -> None:
    """Without one it is UTC; a moment that is none is not understood."""
    site.placed()
    all_of_them = site.said("GET", "/v1/events", unit=UNIT)["events"]
    assert [event["kind"] for event in all_of_them] == ["registration"]
    since = "2026-01-05T00:00:00"
    for zone, count in (("", 1), ("Z", 1), ("+00:00", 1), ("-01:00", 0), ("+01:00", 1)):
        assert len(site.said("GET", "/v1/events", unit=UNIT, since=since + zone)["events"]) == count
    assert site.reason("GET", "/v1/events", unit=UNIT, since="yesterday") == (422, "not-understood")


def test_api_section_four_is_begun_and_asked_about(site: Site) -> None:
    """The answer comes at once; what it came to, when the module has answered."""
    site.placed()
    begun = site.ask("tms", "POST", f"/v1/units/{UNIT}/section-4")
    check: Any = begun.json()
    assert (begun.status, check["done"], check["finding"]) == (202, False, "")
    site.bench.clock.sleep_s(10)
    ended = site.said("GET", f"/v1/section-4/{check['check']}")
    assert (ended["done"], ended["finding"], ended["module_reachable"]) == (True, "nothing-found", True)


def test_api_quantities_are_exact_texts(site: Site) -> None:
    """Energies are decimal texts with every digit; nothing becomes a float on its way."""
    site.placed()
    site.said("PUT", f"/v1/units/{UNIT}/properties", {"pin": site.pin})
    site.said("POST", f"/v1/units/{UNIT}/provisioning", {})
    site.bench.clock.sleep_s(60)
    data = site.said("GET", f"/v1/units/{UNIT}/data")
    whole, _, fraction = data["value"].partition(".")
    assert (whole, len(fraction), data["unit_of_value"]) == ("1234", 3, "kWh")


@pytest.mark.parametrize(("method", "status"), [("PATCH", 405), ("GET", 404)])
def test_api_paths_and_methods_there_are_not(site: Site, method: str, status: int) -> None:
    """Are told as HTTP does."""
    path = f"/v1/units/{UNIT}" if status == 405 else "/v1/nothing"
    assert site.ask("tms", method, path).status == status


def test_api_late_answers_come_late_and_are_what_they_would_have_been() -> None:
    """The fault of an overloaded server: the work is done when it is asked for, the answer comes later."""
    opened = Site(faults={"late_answer": "tms:20"})
    try:
        opened.placed()
        began_s = opened.bench.clock.monotonic_s()
        assert opened.said("GET", f"/v1/units/{UNIT}")["status"] == "registered"
        assert opened.bench.clock.monotonic_s() - began_s == pytest.approx(20)
    finally:
        opened.close()
