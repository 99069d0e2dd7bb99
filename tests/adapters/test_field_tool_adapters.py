"""The adapters of the FDM Tools server and of handhelds, against the virtual ones: words in, records out."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from adapters.devices.fdm_server import FdmTools
from adapters.devices.field_tools import JOB_TIMEOUT_S, FieldTools
from adapters.errors import (
    BenchError,
    LabError,
    LocalProtocolError,
    NotPermitted,
    ReadTimeout,
    Refused,
    RemoteProtocolError,
)
from adapters.registry import AdapterContext
from adapters.roles import Identity
from harness.bench import LiveBench, open_bench
from virtual_rig.parts.security import FdmPart
from virtual_rig.secured.handheld import Handheld

BENCH = "virtual:itron-field"
SECURED, FULL, NETWORK, BASIC = "45000003", "45000004", "45000005", "45000001"
METER = "electric-meter"


@contextmanager
def bench(**options: Any) -> Iterator[LiveBench]:
    live = open_bench(BENCH, **options)
    try:
        yield live
    finally:
        live.close()


@pytest.fixture
def live() -> Iterator[LiveBench]:
    """The bench, fresh."""
    with bench() as opened:
        yield opened


def behind(live: LiveBench, name: str) -> Any:
    """Return what simulates a device of a virtual bench."""
    return live._provided.built.parts[name].model  # type: ignore[union-attr]


def test_identities_are_those_of_the_site(live: LiveBench) -> None:
    """Each says its own serial number, which is the one the bench names."""
    assert live.devices["fdm"].identify() == Identity(
        serial="FDM-0001", model="FDM Tools server (virtual)", firmware="stand-in"
    )
    for name in ("fdm", "tool_a", "tool_b"):
        assert live.devices[name].identify().serial == live.identity_expected[name]


def test_nothing_is_connected_before_it_is_asked(live: LiveBench) -> None:
    """Closing and making safe what nobody used is silent."""
    for name in ("fdm", "tool_a"):
        live.devices[name].end_case()
        live.devices[name].make_safe()
    assert live.clock.monotonic_s() == 0.0


def test_permissions_are_given_back_at_the_end_of_the_case(live: LiveBench) -> None:
    """Whatever a case changes twice is as it was before the first time."""
    fdm, server = live.devices["fdm"], behind(live, "fdm").server
    before = server.permissions("reader")
    fdm.set_permissions("reader", ("program",))
    assert fdm.set_permissions("reader", ("reset", "read")).permissions == ("read", "reset")
    fdm.end_case()
    assert server.permissions("reader") == before
    fdm.end_case()


def test_permissions_of_nobody_are_refused(live: LiveBench) -> None:
    """The server knows no such user."""
    with pytest.raises(Refused, match="unknown-user"):
        live.devices["fdm"].set_permissions("no body", ("read",))


def test_handheld_is_logged_out_and_connected_at_the_end_of_the_case(live: LiveBench) -> None:
    """The next case finds nobody at the tool, nothing in its store, and the network there."""
    fdm, tool = live.devices["fdm"], live.devices["tool_a"]
    fdm.issue_material((SECURED,), ("disconnect",))
    tool.log_in("fsr")
    tool.request_commands((f"{SECURED}:{METER}",))
    tool.go_offline()
    tool.end_case()
    model = behind(live, "tool_a")
    assert isinstance(model, Handheld)
    assert (model.user, model.online, model.store.summary()) == ("", True, ())


def test_handheld_of_another_site_is_left_alone_when_dead() -> None:
    """Giving back what cannot be given back does not raise: the run is over."""
    with bench() as live:
        tool, fdm = live.devices["tool_a"], live.devices["fdm"]
        tool.log_in("fsr")
        tool.go_offline()
        fdm.set_permissions("reader", ("read",))
        live._provided.close()  # type: ignore[union-attr]
        tool.end_case()
        fdm.end_case()


@pytest.mark.parametrize("wrong", ["45000003", "45000003:", ":electric-meter", "meter:electric-meter", ""])
def test_device_of_a_request_is_written_id_and_type(live: LiveBench, wrong: str) -> None:
    """Anything else is the plan's mistake, told before the tool is asked."""
    with pytest.raises(BenchError, match="<id>:<type>"):
        live.devices["tool_a"].request_commands((wrong,))


def test_id_that_no_server_takes_is_the_plans_mistake(live: LiveBench) -> None:
    """An id of three digits is none on any label: nobody refused anything."""
    with pytest.raises(LocalProtocolError, match="not understand"):
        live.devices["fdm"].material_waiting("123")
    live.devices["tool_a"].log_in("fsr")
    with pytest.raises(LocalProtocolError, match="not understand"):
        live.devices["tool_a"].perform("123", "check")


@pytest.mark.parametrize("command", ["connect", "disconnect"])
def test_switching_by_perform_needs_the_bench_to_allow_it(live: LiveBench, command: str) -> None:
    """The general word is no way round the mark on the special ones."""
    fdm, tool = live.devices["fdm"], live.devices["tool_a"]
    fdm.issue_material((SECURED,), ("connect", "disconnect"))
    tool.log_in("fsr")
    tool.request_commands((f"{SECURED}:{METER}",))
    allowed = live.allow
    live.allow = frozenset()
    with pytest.raises(NotPermitted):
        tool.perform(SECURED, command)
    assert behind(live, "radio").endpoint(SECURED).executions == 0
    live.allow = allowed
    assert tool.perform(SECURED, command).executions == 1


def test_user_without_a_password_on_the_bench_is_a_bench_error(live: LiveBench) -> None:
    """Who is meant to log in must be known to the bench, and no log-in is tried."""
    with pytest.raises(BenchError, match=r"fsr-3\.password"):
        live.devices["tool_a"].log_in("fsr-3")


@pytest.mark.parametrize("made", [FdmTools, FieldTools])
def test_missing_token_is_named(made: type) -> None:
    """A bench file without the token says which secret is missing."""

    def nothing(link: str) -> Any:
        raise AssertionError(link)

    with bench() as live:
        context = AdapterContext(
            name="x", clock=live.clock, links={"main": {}}, open_link=nothing, open_http=nothing
        )
        with pytest.raises(BenchError, match=r"gives no secret .*_token"):
            made(context).identify()


def test_job_that_never_ends_is_given_up_in_time(live: LiveBench) -> None:
    """A tool that hangs is the bench's, and the command is not sent twice."""
    tool, model = live.devices["tool_a"], behind(live, "tool_a")
    tool.log_in("fsr")
    model._radio.start = lambda talk: None
    began_s = live.clock.monotonic_s()
    with pytest.raises(ReadTimeout, match="J00001"):
        tool.perform(BASIC, "check")
    assert JOB_TIMEOUT_S <= live.clock.monotonic_s() - began_s <= JOB_TIMEOUT_S + 1
    with pytest.raises(Refused, match="busy"):
        tool.perform(BASIC, "check")


@pytest.mark.parametrize("fault", ["nonsense", "answer_twice", "late_answer"])
@pytest.mark.parametrize("device", ["fdm", "tool_a"])
def test_server_that_is_out_of_its_mind_is_the_benchs(fault: str, device: str) -> None:
    """Late is waited for; twice and nonsense are protocol errors with the octets, never a refusal."""
    with bench(faults={fault: f"{device}:5" if fault == "late_answer" else device}) as live:
        if fault == "late_answer":
            assert live.devices[device].identify().serial
            assert live.clock.monotonic_s() >= 5
            return
        with pytest.raises(RemoteProtocolError) as caught:
            identified_twice(live.devices[device])
        assert caught.value.data
        assert not caught.value.frame_intact


def identified_twice(device: Any) -> None:
    for _ in range(2):
        device.identify()


def test_wire_logs_hold_no_password_token_key_or_material(tmp_path: Path) -> None:
    """What the adapters say and hear is written down; what opens doors is not in it, in no notation."""
    with bench(wire_dir=tmp_path / "wire") as live:
        fdm, tool = live.devices["fdm"], live.devices["tool_a"]
        fdm.issue_material((FULL, NETWORK), ("read", "program", "disconnect", "connect"))
        server = behind(live, "fdm")
        assert isinstance(server, FdmPart)
        pieces = [piece for endpoint in (FULL, NETWORK) for piece in server.server.waiting(int(endpoint))]
        tool.log_in("fsr")
        tool.request_commands((f"{FULL}:{METER}", f"{NETWORK}:{METER}"))
        for endpoint, command in ((FULL, "read"), (FULL, "program"), (NETWORK, "read")):
            tool.perform(endpoint, command)
        tool.disconnect_service(FULL)
        provided = live._provided
        assert provided is not None
        secrets = {**provided.secrets, **{f"piece {p.number}": p.encode().hex() for p in pieces}}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"fdm-main.log", "tool_a-main.log"}
    assert "POST /log-in" in (tmp_path / "wire" / "tool_a-main.log").read_text()
    for path in files:
        assert found_in(path.read_bytes(), secrets) == [], path


def found_in(data: bytes, secrets: dict[str, str]) -> list[str]:
    """Return the secrets a file holds: as text, as octets, in hexadecimal or in base64."""
    squeezed = data.replace(b" ", b"").lower()
    found = []
    for name, text in secrets.items():
        octets = [text.encode()]
        with suppress(ValueError):
            octets.append(bytes.fromhex(text))
        for value in octets:
            notations = (value, base64.b64encode(value)[:-4], value.hex().encode())
            if any(n in data or n.lower() in squeezed for n in notations):
                found.append(name)
                break
    return found


def test_outcomes_are_the_words_of_the_role(live: LiveBench) -> None:
    """From order to disconnect, field by field."""
    fdm, tool = live.devices["fdm"], live.devices["tool_a"]
    issued = fdm.issue_material((FULL,), ("disconnect", "read"), 2)
    assert (issued.endpoints, issued.secure_commands, issued.keys) == ((FULL,), 2, 1)
    held = fdm.material_waiting(FULL)
    assert (held.endpoint, held.commands, held.secure_commands, held.keys) == (FULL, ("disconnect",), 2, 1)
    assert tool.log_in("fsr").user == "fsr"
    assert tool.open_request_commands().tab_count == 2
    brought = tool.request_commands((f"{FULL}:{METER}", f"{BASIC}:{METER}", f"{NETWORK}:gas-ert"))
    assert (brought.endpoints, brought.not_needed, brought.not_found) == ((FULL,), (BASIC,), (NETWORK,))
    assert tool.current_commands().entries == (f"{FULL} read", f"{FULL} disconnect")
    assert "disconnect" in tool.action_menu(FULL)
    outcome = tool.disconnect_service(FULL)
    assert (outcome.endpoint, outcome.command, outcome.answered, outcome.replay) == (
        FULL,
        "disconnect",
        True,
        False,
    )
    assert (outcome.executions, outcome.typed) == (1, ())
    with pytest.raises(Refused) as caught:
        tool.connect_service(FULL)
    assert caught.value.reason == "no-material"
    assert isinstance(caught.value, LabError)
