"""Procedures of the plans for secured endpoints, on virtual endpoints with something broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import pytest

from adapters.devices.endpoint_radio import EndpointRadio
from adapters.errors import BenchError
from adapters.protocols.endpoint_link.messages import DoneAnswer
from adapters.protocols.endpoint_link.words import Command as Word
from adapters.protocols.endpoint_link.words import Level, Switch
from adapters.roles import Command
from harness.bench import open_bench
from harness.records import CaseRecord
from harness.steps import Steps
from harness.verdicts import CheckFailed
from testplans.secured.hostile import try_hostile_material
from testplans.secured.levels import refuse_levels, restore_level, restore_service
from testplans.secured.matrix import check_matrix
from testplans.secured.matrix_table import COLUMNS, MATRIX
from testplans.secured.matrix_table import Level as Named
from testplans.secured.permissions import check_permissions
from testplans.secured.sessions import time_session
from virtual_rig.secured.endpoint import SecuredEndpoint

BASIC, READY, SECURED, FULL, NETWORK, UNREADABLE = (
    "45000001",
    "45000002",
    "45000003",
    "45000004",
    "45000005",
    "45000010",
)


class Lab:
    """A bench, a step that is open on it, and what simulates the endpoints."""

    def __init__(self, live: Any, run: Steps) -> None:
        self.run = run
        radio = live.devices["radio"]
        assert isinstance(radio, EndpointRadio)
        self.radio = radio
        self._part = live._provided.built.parts["radio"].model

    def endpoint(self, number: str) -> SecuredEndpoint:
        """Return an endpoint from behind."""
        found = self._part.endpoint(number)
        assert isinstance(found, SecuredEndpoint)
        return found


@contextmanager
def lab(broken: str = "") -> Iterator[Lab]:
    live = open_bench("virtual:itron-field", broken=frozenset({broken} if broken else ()))
    record = CaseRecord(key="CASE", title="", plan="", uuid="0")
    run = Steps(record, clock=live.clock, devices=live.devices)
    try:
        with run.step("Procedure"):
            yield Lab(live, run)
    finally:
        live.close()


def test_permissions_counts_and_names_what_is_against_them() -> None:
    """The message has the command, its material, both answers and the trace it left."""
    with lab() as found:
        result = check_permissions(
            found.run,
            radio=found.radio,
            endpoint=SECURED,
            commands=("check", "program"),
            material="right",
            answer="done",
        )
        assert (result.carried_out, result.turned_down) == (2, 0)
    with lab("IT-SEC-10") as found, pytest.raises(CheckFailed, match="program with no material: done"):
        check_permissions(
            found.run,
            radio=found.radio,
            endpoint=SECURED,
            commands=("check", "program"),
            material="none",
            answer="secure-command-required",
        )


def test_permissions_acknowledged_and_not_done_is_a_trace_that_is_missing() -> None:
    """An answer of "done" is not believed: the switch has to have moved."""
    with lab("IT-SEC-11") as found:
        found.radio.send_switch(SECURED, "disconnect")
        with pytest.raises(CheckFailed, match="switch disconnected instead of connected"):
            check_permissions(
                found.run,
                radio=found.radio,
                endpoint=SECURED,
                commands=("connect",),
                material="right",
                answer="done",
            )


def test_permissions_counters_that_cannot_be_read_are_not_expected_to_move() -> None:
    """What an endpoint does not tell cannot be compared; the rest still is."""
    with lab() as found:
        found.radio.send(UNREADABLE, "check", "")  # the false replay it begins with
        result = check_permissions(
            found.run,
            radio=found.radio,
            endpoint=UNREADABLE,
            commands=("check", "program", "reset", "disconnect", "connect"),
            material="right",
            answer="done",
        )
        assert result.carried_out == 5


AT: dict[Named, str] = {
    "basic": BASIC,
    "ready-to-secure": READY,
    "command-security": SECURED,
    "full-security": FULL,
    "network-mode": NETWORK,
}


def attached(found: Lab, mime: str) -> list[str]:
    """Return what has been attached to the open step."""
    kept = [each for step in found.run.record.steps for each in step.attachments if each.mime == mime]
    return [each.data.decode() for each in kept]


@pytest.mark.parametrize(
    ("level", "tried", "left_open"),
    [
        ("basic", 15, 3),
        ("ready-to-secure", 15, 3),
        ("command-security", 30, 0),
        ("full-security", 30, 0),
        ("network-mode", 30, 5),
    ],
)
def test_matrix_of_a_level_is_tried_and_told_as_a_whole(level: Named, tried: int, left_open: int) -> None:
    """Every field there is, once; the table to read has a line for each command."""
    with lab() as found:
        result = check_matrix(found.run, radio=found.radio, endpoint=AT[level], level=level)
        assert (result.tried, result.left_open) == (tried, left_open)
        text, table = attached(found, "text/plain"), attached(found, "text/csv")
        assert [line.split()[0] for line in text[0].splitlines()] == ["command", *MATRIX[level]]
        assert "!!" not in text[0]
        assert len(table[0].splitlines()) == 1 + tried
        assert found.radio.status(AT[level]).session_open is False
        assert found.endpoint(AT[level]).switch is Switch.CONNECTED


def test_matrix_table_has_every_command_at_every_level() -> None:
    """A command that is forgotten is not tried, which nobody would see."""
    assert set(MATRIX) == set(AT)
    for level, rows in MATRIX.items():
        assert set(rows) == set(get_args(Command)), level
        assert {len(cells) for cells in rows.values()} <= {2, len(COLUMNS)}, level


@pytest.mark.parametrize(
    ("behaviour", "level"),
    [
        ("IT-SEC-02", "basic"),
        ("IT-SEC-09", "basic"),
        ("IT-SEC-07", "ready-to-secure"),
        ("IT-SEC-08", "ready-to-secure"),
        ("IT-SEC-10", "command-security"),
        ("IT-SEC-11", "command-security"),
        ("IT-SEC-15", "command-security"),
        ("IT-SEC-12", "full-security"),
        ("IT-SEC-13", "full-security"),
        ("IT-SEC-14", "full-security"),
        ("IT-SEC-17", "network-mode"),
    ],
)
def test_matrix_that_is_not_as_it_should_be_is_marked(behaviour: str, level: Named) -> None:
    """What is wrong at a level is in its table, whichever field it is."""
    with lab(behaviour) as found:
        with pytest.raises(CheckFailed, match="!! "):
            check_matrix(found.run, radio=found.radio, endpoint=AT[level], level=level)
        assert "!! " in attached(found, "text/plain")[0]


def test_matrix_of_another_level_than_the_device_has_is_not_tried() -> None:
    """A device set up wrongly is told at once, before anything is sent to it."""
    with lab() as found, pytest.raises(CheckFailed, match="level: expected"):
        check_matrix(found.run, radio=found.radio, endpoint=SECURED, level="full-security")


def test_matrix_action_that_does_something_else_as_well_is_seen() -> None:
    """A defect nobody has a number for: programming moves the switch."""
    with lab() as found:
        endpoint = found.endpoint(SECURED)
        carry_out = endpoint._carry_out

        def careless(command: Word, *, signed: bool = False) -> DoneAnswer:
            answer = carry_out(command, signed=signed)
            if command is Word.PROGRAM:
                endpoint.switch = Switch.DISCONNECTED
            return answer

        endpoint._carry_out = careless  # type: ignore[method-assign]
        with pytest.raises(CheckFailed, match=r"program: .*switch disconnected instead of"):
            check_matrix(found.run, radio=found.radio, endpoint=SECURED, level="command-security")


def test_hostile_material_is_told_attempt_by_attempt() -> None:
    """Nothing that was sent is missing from the report."""
    with lab() as found:
        try_hostile_material(
            found.run,
            radio=found.radio,
            endpoint=SECURED,
            commands=("check", "disconnect"),
            flaw="tampered",
            reason="bad-authorization",
            times=3,
        )
        head, *rows = attached(found, "text/csv")[0].splitlines()
    assert head == "command,attempt,material,expected,answer,trace"
    assert rows == [
        f"{command},{number},tampered,bad-authorization,bad-authorization,"
        for command in ("check", "disconnect")
        for number in (1, 2, 3)
    ]


def test_hostile_material_taken_is_told_by_attempt() -> None:
    """The message says which attempt was taken."""
    with lab("IT-SEC-18") as found, pytest.raises(CheckFailed, match="open_session, attempt 1: done"):
        try_hostile_material(
            found.run,
            radio=found.radio,
            endpoint=NETWORK,
            commands=("open_session",),
            flaw="tampered",
            reason="bad-authorization",
            times=3,
        )


@pytest.mark.parametrize("actions", [1, 6])
def test_session_ends_are_measured_on_the_clock(actions: int) -> None:
    """The two moments lie around the configured time, however much is done meanwhile."""
    with lab() as found:
        timed = time_session(
            found.run, radio=found.radio, endpoint=NETWORK, timeout=60.0, margin=2.0, actions=actions
        )
    assert 57.5 < timed.last_done_s < 60 < timed.first_refused_s < 63


def test_session_that_work_prolongs_is_seen_by_working_in_it() -> None:
    """The defect of IT-SEC-19 shows after the time is up."""
    with lab("IT-SEC-19") as found, pytest.raises(CheckFailed, match="session open: expected"):
        time_session(found.run, radio=found.radio, endpoint=NETWORK, timeout=60.0, margin=2.0)


def test_session_configured_for_another_time_is_not_timed() -> None:
    """The plan and the endpoint have to agree on the time first."""
    with lab() as found, pytest.raises(CheckFailed, match="configured time"):
        time_session(found.run, radio=found.radio, endpoint=NETWORK, timeout=90.0, margin=2.0)


def test_level_taken_where_it_must_not_is_told() -> None:
    """What was set and what it changed."""
    with lab() as found:
        assert (
            refuse_levels(found.run, radio=found.radio, endpoint=NETWORK, levels=("ready-to-secure",)).refused
            == 1
        )
    with lab("IT-SEC-16") as found, pytest.raises(CheckFailed, match="set to ready-to-secure"):
        refuse_levels(found.run, radio=found.radio, endpoint=NETWORK, levels=("ready-to-secure",))


def test_level_is_given_back_from_wherever_it_is() -> None:
    """From a secured level it takes a session, which is opened for it."""
    with lab() as found:
        same = restore_level(found.run, radio=found.radio, endpoint=READY, level="ready-to-secure")
        assert not same.changed
        for level in ("command-security", "full-security"):
            found.radio.set_level(READY, level)
            back = restore_level(found.run, radio=found.radio, endpoint=READY, level="ready-to-secure")
            assert back.changed
            assert found.endpoint(READY).level is Level.READY_TO_SECURE


@pytest.mark.parametrize(("broken", "endpoint"), [("IT-SEC-08", READY), ("IT-SEC-09", BASIC)])
def test_service_is_given_back_to_a_device_that_moved_its_switch(broken: str, endpoint: str) -> None:
    """An enhanced device by way of command security, a basic one as it was lost."""
    with lab(broken) as found:
        assert not restore_service(found.run, radio=found.radio, endpoint=endpoint).was_disconnected
        found.radio.send_switch(endpoint, "disconnect", "none")
        assert restore_service(found.run, radio=found.radio, endpoint=endpoint).was_disconnected
        assert found.endpoint(endpoint).switch is Switch.CONNECTED
        assert found.radio.status(endpoint).level in ("basic", "ready-to-secure")


@pytest.mark.parametrize("endpoint", [SECURED, FULL, NETWORK])
def test_service_is_given_back_to_a_secured_device(endpoint: str) -> None:
    """With a command of its own, or in a session that is closed again."""
    with lab() as found:
        found.endpoint(endpoint).switch = Switch.DISCONNECTED
        assert restore_service(found.run, radio=found.radio, endpoint=endpoint).was_disconnected
        status = found.radio.status(endpoint)
        assert (status.switch, status.session_open) == ("connected", False)


def test_service_that_cannot_be_given_back_is_a_bench_that_is_not_safe() -> None:
    """A dead meter must not be reported as safe."""
    with lab() as found:
        found.endpoint(BASIC).switch = Switch.DISCONNECTED
        with pytest.raises(BenchError, match="disconnected its customer"):
            restore_service(found.run, radio=found.radio, endpoint=BASIC)
