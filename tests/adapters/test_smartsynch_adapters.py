"""The adapters of TMS and of the configuration server, against the virtual ones: words in, records out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.clock import WallClock
from adapters.devices.configuration_server import HttpConfigurationServer
from adapters.devices.http_api import PROBLEM_JSON
from adapters.devices.smartsynch_tms import SmartSynchTms
from adapters.errors import (
    BenchError,
    LinkLost,
    NotPermitted,
    ReadTimeout,
    Refused,
    RemoteProtocolError,
)
from adapters.registry import AdapterContext, OpenedLink, Secret
from adapters.roles import Identity, UnitEntry
from adapters.transports.http_answer import HttpAnswer
from harness.bench import LiveBench, open_bench

UNIT, STRANGER = "20457301", "20990001"


@contextmanager
def bench(**options: Any) -> Iterator[LiveBench]:
    live = open_bench("virtual:i210", **options)
    try:
        yield live
    finally:
        live.close()


@pytest.fixture
def live() -> Iterator[LiveBench]:
    """The bench, fresh: nothing has power yet."""
    with bench() as opened:
        yield opened


def tms_of(live: LiveBench) -> SmartSynchTms:
    found = live.devices["tms"]
    assert isinstance(found, SmartSynchTms)
    return found


def configuration_of(live: LiveBench) -> HttpConfigurationServer:
    found = live.devices["configuration"]
    assert isinstance(found, HttpConfigurationServer)
    return found


def placed(live: LiveBench) -> SmartSynchTms:
    """Energise the meter, and wait until its unit is Placed and has its PIN."""
    live.devices["source"].switch_on()
    live.clock.sleep_s(60)
    tms = tms_of(live)
    assert tms.set_pin(UNIT).saved
    live.clock.sleep_s(1)
    return tms


def open_path(live: LiveBench, path: str) -> None:
    live.devices["paths"].open_path(path)


# -- TMS


def test_tms_says_who_it_is(live: LiveBench) -> None:
    """Its serial number is the one the bench names."""
    assert tms_of(live).identify() == Identity(serial="TMS-0001", model="TMS (virtual)", firmware="1")


def test_tms_unit_before_and_after_its_registration(live: LiveBench) -> None:
    """A unit nobody has heard of is an answer and not an error."""
    assert tms_of(live).unit_entry(UNIT) == UnitEntry(unit=UNIT, known=False)
    assert placed(live).unit_entry(UNIT) == UnitEntry(
        unit=UNIT,
        known=True,
        group="Registration Group",
        status="registered",
        registrations=1,
        module_version="4.12.0",
        entries=1,
    )


def test_tms_removed_unit_is_gone_and_removing_it_again_is_no_mistake(live: LiveBench) -> None:
    """What is not there can be taken off the list as often as one likes."""
    tms = placed(live)
    for _ in range(2):
        assert tms.remove_unit(UNIT) == UnitEntry(unit=UNIT, known=False)
    assert not tms.review_pin(UNIT).configured


def test_tms_provisioning_from_request_to_data(live: LiveBench) -> None:
    """The job as it runs and as it ends, its events, and the newest reading in the unit TMS gives it."""
    tms = placed(live)
    asked_at = live.clock.utc_now()
    job = tms.provision(UNIT, 600)
    assert (job.state, job.first, job.get_version, job.transactions) == ("running", "", "", ())
    assert abs(job.requested_at - asked_at) < timedelta(seconds=1)
    live.clock.sleep_s(60)
    done = tms.provisioning(job.job)
    assert (done.state, done.first, done.version, done.get_version) == (
        "complete",
        "get-version",
        "4.12.0",
        "ok",
    )
    assert done.transactions[0] == "get-version: ok"
    assert done.ended_at is not None
    assert (done.ended_at - done.requested_at).total_seconds() == pytest.approx(done.elapsed_s, abs=0.001)
    found = tms.search_events(UNIT, job.requested_at)
    assert (found.count, found.kinds[:2]) == (
        len(found.events),
        ("provisioning-requested", "transaction-sent"),
    )
    data = tms.collect_data(UNIT)
    shown = live.devices["meter"].read_register("energy_import")
    assert (data.register, data.unit_of_value, data.interpreted) == ("energy_import", "kWh", True)
    assert isinstance(data.value, Decimal)
    assert 0 <= shown.value - data.value * 1000 < 30


@pytest.mark.parametrize(
    ("reason", "unit", "prepare"),
    [
        ("unknown-unit", STRANGER, ()),
        ("not-placed", STRANGER, ("set_pin",)),
        ("busy", UNIT, ("provision",)),
    ],
)
def test_tms_refusals_are_the_roles_words(
    live: LiveBench, reason: str, unit: str, prepare: tuple[str, ...]
) -> None:
    """Each with the head end's own text beside it."""
    tms = placed(live)
    for method in prepare:
        getattr(tms, method)(unit)
    with pytest.raises(Refused) as refused:
        tms.provision(unit)
    assert (refused.value.reason, unit in refused.value.detail or reason == "busy") == (reason, True)


def test_tms_without_properties_and_without_data_says_so(live: LiveBench) -> None:
    """A registered unit without PIN; a Placed one that has delivered nothing."""
    tms = placed(live)
    with pytest.raises(Refused, match="not-provisioned"):
        tms.collect_data(UNIT)
    tms.remove_unit(UNIT)
    live.devices["source"].switch_off()
    live.devices["source"].switch_on()
    live.clock.sleep_s(60)
    with pytest.raises(Refused, match="no-properties"):
        tms.provision(UNIT)


def test_tms_wrong_pin_is_another_and_the_right_one_matches(live: LiveBench) -> None:
    """The review compares with the bench's secret, whatever is in the properties."""
    tms = placed(live)
    assert tms.review_pin(UNIT).matches
    tms.set_pin(UNIT, "wrong-pin")
    assert (tms.review_pin(UNIT).configured, tms.review_pin(UNIT).matches) == (True, False)
    tms.set_pin(UNIT)
    assert tms.review_pin(UNIT).matches


def test_tms_without_the_benchs_pin_sends_nothing() -> None:
    """A bench that does not hold the PIN lacks a capability; nobody is blamed."""
    tms = SmartSynchTms(context(Channel()))
    with pytest.raises(NotPermitted, match=r"tms\.pin"):
        tms.set_pin(UNIT)


@pytest.mark.parametrize(
    ("path", "finding", "reachable", "takes_s"),
    [
        ("", "nothing-found", True, 5),
        ("tms", "gateway-down", False, 1),
        ("antenna", "module-silent", False, 12),
    ],
)
def test_tms_section_four_waits_for_its_end(
    live: LiveBench, path: str, finding: str, reachable: bool, takes_s: float
) -> None:
    """The module is given its time to answer, in the clock in use."""
    tms = placed(live)
    if path:
        open_path(live, path)
    began_s = live.clock.monotonic_s()
    found = tms.section_four(UNIT)
    assert (found.finding, found.module_reachable, found.registered) == (finding, reachable, True)
    assert live.clock.monotonic_s() - began_s <= takes_s


def test_tms_section_four_that_never_ends_is_given_up() -> None:
    """A check that stays open is the head end's answer, not a wire's."""
    going_on = {"check": "S4-1", "unit": UNIT, "done": False, "module_reachable": False, "registered": True}
    channel = Channel(*[answer(going_on | {"finding": ""})] * 400)
    clock = FastClock()
    with pytest.raises(Refused, match="unavailable"):
        SmartSynchTms(context(channel, clock)).section_four(UNIT)
    assert clock.slept_s == pytest.approx(300)


def test_tms_coverage_connection_and_ticket(live: LiveBench) -> None:
    """What troubleshooting looks at, with and without what it looks for."""
    tms = placed(live)
    job = tms.provision(UNIT)
    good = tms.coverage_record(UNIT)
    assert (good.validated, good.rssi_dbm, good.minimum_dbm) == (True, -79, -95)
    assert tms.connection_status().internet
    open_path(live, "internet")
    assert not tms.connection_status().internet
    ticket = tms.open_ticket(UNIT, job.job)
    assert ticket.attached_events == tms.search_events(UNIT, job.requested_at).count
    with pytest.raises(Refused, match="unknown-job"):
        tms.open_ticket(UNIT, "P-999999")


def test_tms_unit_with_odd_characters_is_one_unit(live: LiveBench) -> None:
    """What is written in a plan cannot reach another path of the server."""
    tms = placed(live)
    for odd in ("a b", "%2e%2e", "?x=1", "é"):
        assert not tms.unit_entry(odd).known
    with pytest.raises(RemoteProtocolError, match="404"):
        tms.unit_entry("../about")
    with pytest.raises(RemoteProtocolError, match="404"):
        tms.provision("../units/" + UNIT)


def test_tms_pin_and_token_are_in_no_transcript(tmp_path: Path) -> None:
    """What goes out as a secret is blanked in everything that is written down."""
    with bench(wire_dir=tmp_path / "wire") as live:
        tms = placed(live)
        tms.review_pin(UNIT)
        secrets = live._provided.secrets  # type: ignore[union-attr]
        hidden = [secrets["tms.pin"], secrets["tms.token"], secrets["configuration.token"]]
        configuration_of(live).configuration_record(UNIT)
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert b"pin-review" in b"".join(written)
    assert [secret for secret in hidden if any(secret.encode() in octets for octets in written)] == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"nonsense": "tms:garbage"}, RemoteProtocolError),
        ({"nonsense": "tms:not-http"}, RemoteProtocolError),
        ({"nonsense": "tms:truncated"}, LinkLost),
        ({"late_answer": "tms:45"}, ReadTimeout),
    ],
)
def test_tms_that_answers_badly_is_told_as_what_it_is(fault: dict[str, str], error: type[Exception]) -> None:
    """Nonsense, half an answer and a late one are three different things to a lab."""
    with bench(faults=fault) as live, pytest.raises(error):
        tms_of(live).unit_entry(UNIT)


# -- the configuration server


def test_configuration_server_counts_and_dates(live: LiveBench) -> None:
    """Before, nothing has happened; afterwards everything has, in its order."""
    server = configuration_of(live)
    assert server.identify().serial == "CFG-0001"
    before = server.configuration_record(UNIT)
    assert (before.auto_configurations, before.parameters_written, before.confirmed) == (0, 0, False)
    assert before.written_at is None
    placed(live)
    after = server.configuration_record(UNIT)
    assert (after.auto_configurations, after.parameters_written, after.parameters_expected) == (1, 4, 4)
    assert after.first_message_at is not None
    assert after.written_at is not None
    assert after.confirmed_at is not None
    assert after.first_message_at < after.written_at < after.confirmed_at


def test_configuration_server_refuses_somebody_elses_unit(live: LiveBench) -> None:
    """Only the customer's units are known to it."""
    with pytest.raises(Refused, match="unknown-unit"):
        configuration_of(live).configuration_record(STRANGER)


# -- whose fault an answer is


class FastClock(WallClock):
    """A wall clock on which sleeping takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.slept_s = 0.0

    def monotonic_s(self) -> float:
        return self.slept_s

    def sleep_s(self, duration_s: float) -> None:
        self.slept_s += duration_s


class Channel:
    """Answers what it was told to."""

    def __init__(self, *answers: HttpAnswer) -> None:
        self.answers = list(answers)

    def authorize(self, token: Secret | None) -> None:
        """Nobody asks for it here."""

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
        return self.answers.pop(0)

    def close(self) -> None:
        """Closing is harmless."""


def answer(body: object, status: int = 200, media_type: str = "application/json") -> HttpAnswer:
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status=status, body=octets, media_type=media_type, request="GET /v1/connection")


def context(channel: Channel, clock: WallClock | None = None) -> AdapterContext:
    def no_stream(link: str) -> OpenedLink:
        raise AssertionError(link)

    return AdapterContext(
        name="tms",
        clock=clock or WallClock(),
        links={"main": {}},
        open_link=no_stream,
        open_http=lambda link: channel,
    )


def test_head_end_that_says_unavailable_has_spoken() -> None:
    """A reason of the role's is the system's answer: evidence in a stall, a failure elsewhere."""
    said = answer({"reason": "unavailable", "detail": "maintenance"}, 503, PROBLEM_JSON)
    with pytest.raises(Refused, match="unavailable"):
        SmartSynchTms(context(Channel(said))).connection_status()


def test_head_end_bare_5xx_blames_nobody() -> None:
    """It may come from a proxy in between: told with its octets, and no reason made up."""
    said = answer(b"<html>Bad Gateway</html>", 502, "text/html")
    with pytest.raises(RemoteProtocolError) as error:
        SmartSynchTms(context(Channel(said))).connection_status()
    assert (error.value.data, error.value.frame_intact) == (b"<html>Bad Gateway</html>", False)


@pytest.mark.parametrize("made", [SmartSynchTms, HttpConfigurationServer])
def test_head_end_that_does_not_accept_the_token_is_a_mistake_of_the_bench(made: type[Any]) -> None:
    """Nobody can judge a system he is not let into."""
    said = answer({"reason": "not-permitted"}, 401, PROBLEM_JSON)
    with pytest.raises(BenchError, match=r"tms\.token"):
        made(context(Channel(said))).identify()


@pytest.mark.parametrize(
    "body",
    [
        {"internet": "yes", "checked_at": "2026-01-05T00:00:00Z"},
        {"internet": True, "checked_at": "yesterday"},
        {"internet": True},
        ["internet"],
        b"\xff\xfe",
        b'{"internet": true, "checked_at": "2026-01-05T00:00:00Z"',
    ],
)
def test_head_end_answer_that_is_not_as_promised_keeps_its_octets(body: object) -> None:
    """Words for truth values, dates that are none, half a body: bytes to look at, never a guess."""
    said = answer(body)
    with pytest.raises(RemoteProtocolError) as error:
        SmartSynchTms(context(Channel(said))).connection_status()
    assert error.value.data == said.body


def test_head_end_answer_with_members_nobody_asked_for_passes() -> None:
    """A newer server says more; what was promised is still there."""
    said = answer({"internet": True, "checked_at": "2026-01-05T00:00:00Z", "latency_ms": 12})
    assert SmartSynchTms(context(Channel(said))).connection_status().internet
