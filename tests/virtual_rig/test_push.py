"""Pushes of the virtual MCS301 over real sockets: what the plan cannot reach, and where calls may go."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import pytest

from adapters.base import Arrival
from adapters.clock import WallClock
from adapters.devices.dlms_meter import DlmsMeter
from adapters.errors import BenchError, LinkLost, ReadTimeout, RemoteProtocolError
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult
from adapters.protocols.dlms.push_receiver import PushReceiver, PushSecurity
from adapters.protocols.dlms.security import Keys, SecuritySuite0
from adapters.transports.listener import TcpListener, UdpListener
from harness.bench import open_bench
from virtual_rig.meters.push import PushFeature, PushSetup
from virtual_rig.meters.push_window import check_windows, opens_in_s
from virtual_rig.parts.mcs301 import Mcs301Part
from virtual_rig.provider import VirtualBench, VirtualProvider
from virtual_rig.servers.outgoing import Outgoing

PLACE = "127.0.0.1:4059"
_DONE = DataAccessResult.SUCCESS
_AT_TWO, _AT_THREE = (bytes.fromhex(f"ffffffffff{hour:02x}0000ff8000ff") for hour in (14, 15))


def opened(seed: int = 7) -> VirtualBench:
    """Return the site in virtual time."""
    return VirtualProvider().open("mcs301", seed=seed)


def part_of(bench: VirtualBench) -> Mcs301Part:
    """Return the meter."""
    return bench.built.model("meter", Mcs301Part)


def feature_of(part: Mcs301Part) -> PushFeature:
    """Return its pushes."""
    return next(each for each in part.meter.features if isinstance(each, PushFeature))


def write(part: Mcs301Part, setup: str, attribute: str, value: Data) -> DataAccessResult:
    """Write an attribute as the meter's own server would."""
    live = part.meter.model.by_name[setup]
    return live.setters[live.table.attribute_number(attribute)](value)


def destined(part: Mcs301Part, setup: str, address: str, service: int = 0) -> PushSetup:
    """Give a push setup its destination."""
    value = dlms.structure(dlms.enum(service), dlms.octet_string(address.encode()), dlms.enum(0))
    assert write(part, setup, "send_destination_and_method", value) is DataAccessResult.SUCCESS
    return feature_of(part).setups[setup]


def listening(bench: VirtualBench, kind: type[TcpListener] | type[UdpListener]) -> TcpListener | UdpListener:
    """Return a listener of the harness."""
    return kind.open(host="127.0.0.1", port=0, clock=bench.clock, announce=PLACE)


@pytest.mark.parametrize(("kind", "service"), [(TcpListener, 0), (UdpListener, 1)])
def test_push_in_virtual_time_arrives_at_its_moment(
    kind: type[TcpListener] | type[UdpListener], service: int
) -> None:
    """A push planned for later is there exactly then, over either transport."""
    bench = opened()
    door = listening(bench, kind)
    part = part_of(bench)
    setup = destined(part, "push_interval", PLACE, service)
    part.meter.world.scheduler.call_later(3600, setup.trigger)
    arrival = door.receive(7200)
    assert pytest.approx(bench.clock.monotonic_s(), abs=1e-3) == 3600
    keys = part.client_secrets["management"]
    suite = SecuritySuite0(
        Keys(encryption_key=keys.encryption_key, authentication_key=keys.authentication_key)
    )
    push = PushReceiver(PushSecurity(suite=suite)).datagram(arrival.data)
    assert ("", part.meter.identity.system_title) == (push.fault, push.system_title)
    door.close()
    with pytest.raises(LinkLost):
        door.receive(0)
    bench.close()


def test_listener_tells_of_the_hang_up_and_then_of_silence() -> None:
    """A call is octets, then its end; afterwards the listener waits in virtual time."""
    bench = opened()
    door = listening(bench, TcpListener)
    destined(part_of(bench), "push_interval", PLACE).trigger()
    first, second = door.receive(5), door.receive(5)
    assert first.data
    assert Arrival(caller=first.caller, data=b"") == second
    before_s = bench.clock.monotonic_s()
    with pytest.raises(ReadTimeout):
        door.receive(100)
    assert pytest.approx(bench.clock.monotonic_s() - before_s) == 100
    door.close()
    bench.close()


@pytest.mark.parametrize(
    "address", ["192.0.2.1:4059", "meter.example:4059", "127.0.0.1", "127.0.0.1:0", "", "8.8.8.8:53"]
)
def test_outgoing_call_leaves_the_loopback_never(address: str) -> None:
    """Whatever is not on the loopback is unreachable, by connection or datagram."""
    bench = opened()
    network = Outgoing("test", bench.built.world.scheduler)  # type: ignore[arg-type]
    assert not network.call(address, b"x")
    assert not network.post(address, b"x")
    bench.close()


def test_two_listeners_with_one_address_are_a_mistake_of_the_bench() -> None:
    """A device could not tell them apart."""
    bench = opened()
    door = listening(bench, TcpListener)
    with pytest.raises(BenchError, match="two listeners"):
        listening(bench, TcpListener)
    door.close()
    bench.close()


def test_trace_of_pushes_same_seed_same_bytes() -> None:
    """Ports the kernel hands out leave no mark in the trace."""

    def trace() -> str:
        bench = opened()
        door = listening(bench, TcpListener)
        destined(part_of(bench), "push_interval", PLACE).trigger()
        door.receive(5)
        digest = bench.trace_digest()
        door.close()
        bench.close()
        return digest

    assert trace() == trace()


def test_push_in_real_time_reaches_a_listener_on_the_wall_clock() -> None:
    """A served meter calls a program that listens on the loopback."""
    with VirtualProvider().serve("mcs301", seed=7) as site:
        door = TcpListener.open(host="127.0.0.1", port=0, clock=WallClock())
        part = site.built.model("meter", Mcs301Part)
        setup = destined(part, "push_interval", door.address)
        part.meter.world.scheduler.call_later(0.0, setup.trigger)
        assert door.receive(5).data[:2] == b"\x00\x01"
        door.close()
        assert site.failures == []


def test_trigger_while_one_is_under_way_gives_one_more_round() -> None:
    """Alarms that come while a push is being retried are not lost, however many: one more push tells them."""
    bench = opened()
    part = part_of(bench)
    setup = destined(part, "push_alarm", PLACE)
    assert write(part, "push_alarm", "number_of_retries", dlms.unsigned(1)) is DataAccessResult.SUCCESS
    assert write(part, "push_alarm", "repetition_delay", dlms.long_unsigned(10)) is DataAccessResult.SUCCESS
    setup.trigger()
    bench.clock.sleep_s(1)  # nobody listened
    for _ in range(3):
        setup.trigger()
    door = listening(bench, TcpListener)
    calls = [door.receive(60) for _ in range(4)]
    assert [bool(call.data) for call in calls] == [True, False, True, False]
    with pytest.raises(ReadTimeout):
        door.receive(60)
    door.close()
    bench.close()


def test_power_cut_ends_what_is_under_way_and_keeps_the_descriptor() -> None:
    """A push that was being retried dies with the meter; the alarm itself does not."""
    bench = opened()
    part = part_of(bench)
    destined(part, "push_alarm", PLACE)
    write(part, "push_alarm", "number_of_retries", dlms.unsigned(9))
    write(part, "push_alarm", "repetition_delay", dlms.long_unsigned(10))
    part.meter.record("fraud", "replay")
    bench.clock.sleep_s(1)
    bench.built.supply.switch(on=False)
    bench.clock.sleep_s(5)
    bench.built.supply.switch(on=True)
    door = listening(bench, TcpListener)
    with pytest.raises(ReadTimeout):
        door.receive(120)
    assert feature_of(part).alarms.descriptor == 1 << 24
    door.close()
    bench.close()


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("send_destination_and_method", dlms.structure(dlms.enum(0))),
        ("send_destination_and_method", dlms.unsigned(1)),
        ("send_destination_and_method", dlms.structure(dlms.enum(9), dlms.octet_string(b""), dlms.enum(0))),
        (
            "send_destination_and_method",
            dlms.structure(dlms.enum(0), dlms.octet_string(b"x" * 65), dlms.enum(0)),
        ),
        ("push_object_list", dlms.array(dlms.unsigned(1))),
        ("push_object_list", dlms.array(dlms.structure(dlms.long_unsigned(1)))),
        ("communication_window", dlms.array(dlms.structure(dlms.octet_string(b"")))),
        ("number_of_retries", dlms.long_unsigned(3)),
        ("repetition_delay", dlms.unsigned(3)),
        ("randomisation_start_interval", dlms.double_long_unsigned(3)),
    ],
)
def test_setup_refuses_nonsense_and_keeps_what_it_had(attribute: str, value: Data) -> None:
    """A refused write leaves no trace."""
    bench = opened()
    part = part_of(bench)
    live = part.meter.model.by_name["push_interval"]
    number = live.table.attribute_number(attribute)
    before = live.getters[number]()
    assert write(part, "push_interval", attribute, value) is not DataAccessResult.SUCCESS
    assert before == live.getters[number]()
    bench.close()


def test_list_that_was_written_is_what_is_pushed() -> None:
    """Attributes in the client's order; one the meter does not have is null-data, in its place."""
    bench = opened()
    part = part_of(bench)
    door = listening(bench, TcpListener)
    feature = feature_of(part)
    feature.protect = lambda apdu: apdu

    def column(class_id: int, obis: str) -> Data:
        name = dlms.octet_string(bytes.fromhex(obis))
        return dlms.structure(dlms.long_unsigned(class_id), name, dlms.integer(2), dlms.long_unsigned(0))

    columns = dlms.array(column(3, "0100020800ff"), column(3, "0100630800ff"), column(1, "00002a0000ff"))
    assert write(part, "push_interval", "push_object_list", columns) == DataAccessResult.SUCCESS
    destined(part, "push_interval", PLACE).trigger()
    push = PushReceiver().datagram(door.receive(5).data)
    assert push.notification is not None
    name = dlms.octet_string(part.meter.identity.logical_device_name)
    energy = dlms.double_long_unsigned(part.meter.metrology.energies.read_wh("A-"))
    assert push.notification.body == dlms.structure(energy, dlms.null(), name)
    door.close()
    bench.close()


def test_bench_entry_of_a_listener_is_what_a_bench_file_holds() -> None:
    """In virtual time the address is always the same; on the wall clock the kernel hands a port out."""
    from harness.config.bench_file import BenchFile

    bench = opened()
    links = BenchFile.model_validate(bench.bench).devices["push_receiver"].all_links
    assert links["tcp"].options() == {"transport": "tcp-listener", "announce": PLACE}
    bench.close()
    with VirtualProvider().serve("mcs301", seed=7) as site:
        links = BenchFile.model_validate(site.bench).devices["push_receiver"].all_links
        assert links["udp"].options() == {"transport": "udp-listener"}


def test_list_of_a_setup_is_put_back_as_it_was() -> None:
    """A plan may write another list twice; what comes back is what stood there first."""
    with closing(open_bench("virtual:mcs301")) as live:
        meter = live.devices["meter"]
        assert isinstance(meter, DlmsMeter)
        meter.associate("management", "ip", "lab")
        with pytest.raises(BenchError, match="no list of push_interval has been replaced"):
            meter.write_push_list("push_interval", "", "lab")
        with pytest.raises(BenchError, match="names no attribute"):
            meter.write_push_list("push_interval", "clock", "lab")
        first = meter.read_push_setup("push_interval", "lab").columns
        for columns in ("push_interval#logical_name clock#time", "clock#time"):
            written = meter.write_push_list("push_interval", columns, "lab").columns
            assert len(columns.split()) == len(written)
        assert first == meter.write_push_list("push_interval", "", "lab").columns


def test_setup_turned_off_forgets_what_waits() -> None:
    """A push that waits for its window ends with its destination: the next one is not kept waiting by it."""
    bench = opened()
    part = part_of(bench)
    setup = destined(part, "push_interval", PLACE)
    door = listening(bench, TcpListener)
    live = part.meter.model.by_name["push_interval"]
    closed = dlms.array(dlms.structure(*(dlms.octet_string(octets) for octets in (_AT_TWO, _AT_THREE))))
    assert live.setters[live.table.attribute_number("communication_window")](closed) is _DONE
    assert setup.trigger()
    destined(part, "push_interval", "")
    destined(part, "push_interval", PLACE)
    assert live.setters[live.table.attribute_number("communication_window")](dlms.array()) is _DONE
    assert setup.trigger()
    assert door.receive(5).data
    door.close()
    bench.close()


def test_method_push_without_a_destination_fails() -> None:
    """There is nowhere to push to, and the meter says so."""
    bench = opened()
    live = part_of(bench).meter.model.by_name["push_interval"]
    result, _ = live.methods[live.table.method_number("push")](None)
    assert result == ActionResult.TEMPORARY_FAILURE
    bench.close()


def daily(start: str, end: str) -> Data:
    """Return one window of every day."""

    def at(text: str) -> Data:
        hour, minute = map(int, text.split(":"))
        return dlms.octet_string(bytes((0xFF, 0xFF, 0xFF, 0xFF, 0xFF, hour, minute, 0, 0xFF, 0x80, 0, 0xFF)))

    return dlms.array(dlms.structure(at(start), at(end)))


@pytest.mark.parametrize(
    ("now", "wait_s"),
    [("21:59", 60.0), ("22:00", 0.0), ("23:59", 0.0), ("05:59", 0.0), ("06:00", 16 * 3600.0)],
)
def test_window_over_midnight_opens_and_closes_on_time(now: str, wait_s: float) -> None:
    """The start belongs to a window, the end does not; times are the meter's local ones."""
    hour, minute = map(int, now.split(":"))
    local = datetime(2026, 1, 5, hour, minute, tzinfo=UTC)
    assert wait_s == opens_in_s(daily("22:00", "06:00"), local, 0)


def test_window_with_a_date_is_over_for_good() -> None:
    """An absolute window waits, is open, and never comes back."""
    start, end = (
        dlms.octet_string(CosemDateTime.from_datetime(datetime(2026, 1, 5, hour, tzinfo=UTC)).octets())
        for hour in (10, 11)
    )
    windows = dlms.array(dlms.structure(start, end))
    check_windows(windows)
    waits = [opens_in_s(windows, datetime(2026, 1, 5, hour, tzinfo=UTC), 0) for hour in (9, 10, 11)]
    assert [3600.0, 0.0, float("inf")] == waits


def test_window_without_a_time_of_day_is_refused() -> None:
    """A window nobody can compute is not taken."""
    blank = dlms.octet_string(bytes.fromhex("ffffffffffffffffff8000ff"))
    with pytest.raises(RemoteProtocolError):
        check_windows(dlms.array(dlms.structure(blank, blank)))
