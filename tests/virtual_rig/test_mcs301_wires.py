"""The MCS301 on its wires: limits, time-outs, power cuts, faults, hostile bytes, repeatability."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.base import LineSettings
from adapters.clock import WallClock
from adapters.errors import BenchError, LinkLost, ReadTimeout
from adapters.protocols.dlms import client_events as events
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.client_events import Spoil
from adapters.protocols.dlms.hdlc import HdlcClientLink
from adapters.protocols.dlms.link import ApduReceived
from adapters.transports.serial import SerialTransport
from adapters.transports.tcp import TcpTransport
from tests.virtual_rig.dlms_host import Host, Silence, opened, sign_on
from virtual_rig.parts.mcs301 import Mcs301Entry, Mcs301Part
from virtual_rig.provider import VirtualBench, VirtualProvider
from virtual_rig.site import load_site
from virtual_rig.supply import balanced

LDN = (1, "0-0:42.0.0.255")
NAME = b"MCS3100030112345"
GET_NAME = bytes.fromhex("c001c1000100002a0000ff0200")


# --- provider --------------------------------------------------------------------------------------------


def test_provider_bench_is_what_a_bench_file_holds() -> None:
    """The dictionary validates as a bench file, and names every link of the site with its address."""
    from harness.config.bench_file import BenchFile

    with Host(opened()) as host:
        described = BenchFile.model_validate(host.bench.bench)
        links = described.devices["meter"].all_links
        assert list(links) == ["optical", "optical_direct", "rs485", "ip", "ip_udp"]
        assert links["optical"].options()["mode_e"] == "true"
        assert links["ip"].options()["framing"] == "wrapper"
        assert described.devices["meter"].identity.serial == "30112345"
        assert described.devices["source"].role == "power_source"
        assert set(described.allow) == {"energise", "disconnect", "configure", "firmware", "keys"}


def test_provider_same_seed_same_bytes() -> None:
    """Two sites of one seed, treated alike, leave the same trace; another seed has other secrets."""

    def trace(seed: int) -> tuple[str, dict[str, str]]:
        with Host(opened(seed=seed)) as host:
            management = host.associated("management", "ip")
            management.value(3, "1-0:1.8.0.255")
            management.release()
            host.associated("reading", "optical").value(3, "1-0:32.7.0.255")
            return host.bench.trace_digest(), host.bench.secrets

    first = trace(3)
    assert first == trace(3)
    assert first[0] != trace(4)[0]
    assert first[1] != trace(4)[1]


def test_provider_unknown_site_behaviour_or_fault_is_refused() -> None:
    """Each mistake is one message that names what there is."""
    provider = VirtualProvider()
    with pytest.raises(BenchError, match="mcs301"):
        provider.open("mcs302", seed=1)
    with pytest.raises(BenchError, match="DL-XX-01"):
        provider.open("mcs301", seed=1, broken=frozenset({"DL-XX-01"}))
    for faults, said in (
        ({"damage_byte": "usb:3"}, "optical"),
        ({"damage": "ip:3"}, "damage_byte"),
        ({"drop": "ip"}, "drop=ip:<n>"),
        ({"silent": "ip:0"}, "silent=ip:<n>"),
    ):
        with pytest.raises(BenchError, match=said):
            provider.open("mcs301", seed=1, faults=faults)


def test_site_file_is_read_whole() -> None:
    """The shipped site has the ports, the supply and the permissions its plans need."""
    site = load_site("mcs301")
    assert site.supply.load_point().phases[0].current_a == 5
    meter = site.devices["meter"]
    assert isinstance(meter, Mcs301Entry)
    assert meter.links["rs485"].wire == "pty"


# --- links and their limits ------------------------------------------------------------------------------


def test_ip_fourth_connection_is_hung_up() -> None:
    """The module has three sockets; a fourth connection is closed, a freed one can be used again."""
    with Host(opened()) as host:
        peers = [host.associated("public", "ip") for _ in range(3)]
        with pytest.raises(AssertionError, match="closed"):
            host.peer("public", "ip").associate()
        peers[0].disconnect()
        host.bench.clock.sleep_s(0.1)
        assert host.associated("public", "ip").value(*LDN) == NAME


def test_ip_association_limit_is_the_profiles() -> None:
    """Several clients share one connection, up to the number of associations the profile gives IP."""
    with Host(opened()) as host:
        table = host.bench.built.model("meter", Mcs301Part).table
        for link in ("ip", "ip", "ip"):
            host.associated("public", link)
        host.associated("management", "rs485")
        assert [at.port.name for at in table.open] == ["ip", "ip", "ip", "rs485"]


def test_ip_idle_connection_is_closed_after_its_time_out() -> None:
    """180 s without a request end the association and the connection; activity defers it."""
    with Host(opened()) as host:
        public = host.associated("public", "ip")
        host.bench.clock.sleep_s(170)
        assert public.value(*LDN) == NAME
        host.bench.clock.sleep_s(170)
        assert public.value(*LDN) == NAME
        host.bench.clock.sleep_s(181)
        assert not host.bench.built.model("meter", Mcs301Part).table.open
        with pytest.raises(AssertionError, match="closed"):
            public.get(*LDN)


def test_ip_connection_nobody_speaks_on_is_closed() -> None:
    """A socket that never said anything does not occupy a place for ever."""
    with Host(opened()) as host:
        for _ in range(3):
            host.stream("ip")
        host.bench.clock.sleep_s(181)
        assert host.associated("public", "ip").value(*LDN) == NAME


def test_two_sites_of_one_name_in_one_process() -> None:
    """Each has wires of its own."""
    with Host(opened()) as one, Host(opened()) as other:
        assert one.options("optical")["port"] != other.options("optical")["port"]
        assert other.associated("public", "optical").value(*LDN) == NAME
        assert one.associated("public", "optical").value(*LDN) == NAME


def test_rs485_idle_link_is_disconnected_after_its_time_out() -> None:
    """120 s of silence end an HDLC connection; the next one starts from nothing."""
    with Host(opened()) as host:
        host.associated("public", "rs485")
        host.bench.clock.sleep_s(121)
        assert not host.bench.built.model("meter", Mcs301Part).table.open
        assert host.associated("public", "rs485").value(*LDN) == NAME


def test_snrm_again_starts_the_association_afresh() -> None:
    """A client that lost its memory connects again; what it had open is gone."""
    with Host(opened()) as host:
        host.associated("public", "rs485")
        again = host.peer("public", "rs485")
        assert isinstance(again.associate(), events.AssociationAccepted)
        assert len(host.bench.built.model("meter", Mcs301Part).table.open) == 1


def test_optical_sign_on_at_300_7e1_then_hdlc() -> None:
    """The head answers a sign-on at 300 7E1 only, and wants one again after the last disconnection."""
    with Host(opened()) as host:
        options = host.options("optical")
        stream = SerialTransport.open(
            port=options["port"], settings=LineSettings(baud=9600), clock=host.bench.clock
        )
        link = HdlcClientLink(16, 1)
        link.connect()
        stream.write(link.data_to_send(), 1.0)
        with pytest.raises(ReadTimeout):
            stream.read(100, 2.0)
        stream.close()
        public = host.associated("public", "optical")
        assert public.value(*LDN) == NAME
        public.release()
        host.signed_on.clear()
        assert host.associated("public", "optical").value(*LDN) == NAME


def test_optical_head_is_used_by_one_reader_at_a_time() -> None:
    """While one line has the head, the other one is not heard."""
    with Host(opened()) as host:
        public = host.associated("public", "optical")
        with pytest.raises(Silence):
            host.peer("public", "optical_direct")
        public.release()
        assert host.associated("public", "optical_direct").value(*LDN) == NAME


def test_optical_sign_on_nobody_follows_up_is_forgotten() -> None:
    """Three seconds after a hand-over without HDLC the head waits for a sign-on again."""
    with Host(opened()) as host:
        port = host.options("optical")["port"]
        stream = SerialTransport.open(port=port, clock=host.bench.clock)
        host.streams["optical"] = stream
        sign_on(stream)
        host.bench.clock.sleep_s(3.1)
        assert host.associated("public", "optical").value(*LDN) == NAME


# --- power cuts ------------------------------------------------------------------------------------------


def test_power_cut_ends_every_link_and_association() -> None:
    """The meter hangs up on IP and is deaf on RS485; after power-up everything starts from nothing."""
    with Host(opened()) as host:
        public, serial = host.associated("public", "ip"), host.associated("management", "rs485")
        supply = host.bench.built.supply
        supply.switch(False)
        assert not host.bench.built.model("meter", Mcs301Part).table.open
        with pytest.raises(LinkLost):
            public.stream.read(10, 1.0)
        with pytest.raises(Silence):
            serial.get(*LDN)
        with pytest.raises((AssertionError, LinkLost)):
            host.peer("public", "ip").associate()
        supply.switch(True)
        serial.engine.response_timeout()  # repeats the request: the meter knows of no connection
        with pytest.raises(AssertionError, match="peer-disconnected"):
            serial._until(ApduReceived)
        assert host.associated("management", "rs485").value(*LDN) == NAME
        assert host.associated("public", "ip").value(*LDN) == NAME


def test_power_cut_silent_leaves_connections_half_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site may have the modem die with the meter: nobody tells the host."""
    site = load_site("mcs301")
    meter = site.devices["meter"].model_copy(update={"power_cut": "silent"})
    quiet = site.model_copy(update={"devices": site.devices | {"meter": meter}})
    monkeypatch.setattr("virtual_rig.provider.load_site", lambda _name: quiet)
    with Host(opened()) as host:
        public = host.associated("public", "ip")
        host.bench.built.supply.switch(False)
        with pytest.raises(Silence):
            public.get(*LDN)
        host.bench.built.supply.switch(True)
        with pytest.raises(Silence):
            public._until(ApduReceived, 10.0)


# --- security events -------------------------------------------------------------------------------------


def fraud_codes(host: Host) -> list[object]:
    peer = host.associated("management", "ip", "lls")
    codes = [row[1] for row in peer.value(7, "0-0:99.98.1.255")]  # type: ignore[attr-defined]
    peer.release()
    return codes


def test_fraud_log_wrong_password() -> None:
    """A wrong LLS password is refused with authentication-failure and logged."""
    with Host(opened()) as host:
        event = host.peer("management", "ip", "lls").associate(Spoil.WRONG_PASSWORD)
        assert isinstance(event, events.AssociationRejected)
        assert event.diagnostic.label == "authentication-failure"
        assert fraud_codes(host) == [46]


def test_fraud_log_damaged_tag_and_replayed_counter() -> None:
    """A tag that does not fit and a counter used before are refused, logged, and have no effect."""
    with Host(opened()) as host:
        peer = host.associated("management", "ip")
        damaged = peer.get(*LDN, spoil=Spoil.DAMAGED_TAG)
        assert isinstance(damaged, events.ServiceRefused)
        assert damaged.refusal.service.label == "deciphering-error"
        assert peer.value(*LDN) == NAME
        expected = host.bench.built.model("meter", Mcs301Part).meter.received_counters["management"].expected
        replayed = peer.get(*LDN, spoil=Spoil.REPLAYED_COUNTER)
        assert isinstance(replayed, events.ServiceRefused)
        assert replayed.refusal.invocation_counter == expected
        assert (
            host.bench.built.model("meter", Mcs301Part).meter.received_counters["management"].expected
            == expected
        )
        assert peer.value(*LDN) == NAME
        assert fraud_codes(host) == [49, 50]


def test_fraud_log_wrong_proof() -> None:
    """A wrong HLS proof closes the association and is logged."""
    with Host(opened()) as host:
        event = host.peer("management", "ip").associate(Spoil.WRONG_CHALLENGE_RESPONSE)
        assert isinstance(event, events.HlsRejected)
        assert fraud_codes(host) == [46]


# --- faults ----------------------------------------------------------------------------------------------


def test_fault_damage_byte_bends_one_octet() -> None:
    """The twelfth octet from the meter arrives with its lowest bit flipped; everything after it is whole."""
    clean, bent = [_first_answer(opened(**faults)) for faults in ({}, {"damage_byte": "ip:12"})]
    assert [i for i, (a, b) in enumerate(zip(clean, bent, strict=True)) if a != b] == [11]


def _first_answer(bench: VirtualBench) -> bytes:
    with Host(bench) as host:
        peer = host.peer("public", "ip")
        peer.engine.send_apdu(peer.dlms.associate())
        peer._flush()
        return peer.stream.read(1000, 5.0)


def test_fault_silent_and_drop() -> None:
    """A silenced link says nothing; a dropped one is cut after the octets it still sent."""
    with Host(opened(silent="ip")) as host, pytest.raises(Silence):
        host.peer("public", "ip").associate()
    with Host(opened(drop="ip:20")) as host:
        peer = host.peer("public", "ip")
        peer.engine.send_apdu(peer.dlms.associate())
        peer._flush()
        assert len(peer.stream.read(1000, 5.0)) == 20
        with pytest.raises(LinkLost):
            peer.stream.read(1000, 5.0)


def test_fault_damaged_frame_on_hdlc_is_repeated() -> None:
    """One bent octet on a serial line costs a repetition, not the answer."""
    with Host(opened(damage_byte="rs485:60")) as host:
        peer = host.peer("public", "rs485")
        with pytest.raises(Silence):
            peer.associate()
        peer.engine.response_timeout()
        peer._flush()
        assert b"\x61" in peer.stream.read(1000, 5.0)


# --- hostile bytes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile",
    [
        bytes.fromhex("000100100001ffff"),  # a header that claims 65535 octets
        bytes.fromhex("0001001000010100"),  # a header whose message never comes
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 100,
        bytes.fromhex("00010010000100") + b"\x09" + bytes.fromhex("01021302000100237e23"),
    ],
)
def test_ip_hostile_bytes_do_not_silence_the_port(hostile: bytes) -> None:
    """Whatever one connection sent, it is served again or closed within seconds, and others never notice."""
    with Host(opened()) as host:
        other = host.associated("management", "ip")
        options = host.options("ip")
        stream = TcpTransport.open(host=options["host"], port=int(options["port"]), clock=host.bench.clock)
        host.connections.append(stream)
        stream.write(hostile, 1.0)
        host.bench.clock.sleep_s(6)
        assert other.value(*LDN) == NAME
        stream.close()
        assert host.associated("public", "ip").value(*LDN) == NAME


def test_ip_same_connection_recovers_from_an_unfinished_message() -> None:
    """Five seconds after a header without its message the connection itself is as good as new."""
    with Host(opened()) as host:
        peer = host.peer("public", "ip")
        peer.stream.write(bytes.fromhex("0001001000010100aabb"), 1.0)
        host.bench.clock.sleep_s(5.5)
        assert isinstance(peer.associate(), events.AssociationAccepted)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_serial_port_survives_noise(noise: list[bytes]) -> None:
    """After any noise, and a pause, a client gets its answer."""
    with Host(opened()) as host:
        stream = host.stream("rs485")
        for piece in noise:
            stream.write(piece, 1.0)
            host.bench.clock.sleep_s(0.1)
        host.bench.clock.sleep_s(1.0)
        stream.discard_input()
        assert host.associated("public", "rs485").value(*LDN) == NAME


# --- the same meter in real time -------------------------------------------------------------------------


def test_served_site_answers_on_the_wall_clock() -> None:
    """Endpoints tell everything a foreign client needs, and the meter behind them is the same."""
    with VirtualProvider().serve("mcs301", seed=1) as site:
        endpoints = {entry["link"]: entry for entry in site.endpoints}
        assert set(endpoints) == {"optical", "optical_direct", "rs485", "ip", "ip_udp", "main"}
        assert str(endpoints["optical"]["address"]).startswith("/dev/")
        clients = {client["client"]: client for client in endpoints["ip"]["clients"]}  # type: ignore[attr-defined]
        assert clients["reading"]["sap"] == 2
        assert len(clients["management"]["authentication_key"]) == 32
        host, _, port = str(endpoints["ip"]["address"]).rpartition(":")
        stream = TcpTransport.open(host=host, port=int(port), clock=WallClock())
        aarq = bytes.fromhex("601da109060760857405080101be10040e01000000065f1f040000101dffff")
        stream.write(b"\x00\x01\x00\x10\x00\x01" + len(aarq).to_bytes(2, "big") + aarq, 1.0)
        answer = stream.read(1000, 5.0)
        assert answer[8] == 0x61
        stream.write(b"\x00\x01\x00\x10\x00\x01\x00\x0d" + GET_NAME, 1.0)
        assert stream.read(1000, 5.0).endswith(NAME)
        stream.close()
        assert site.failures == []


def test_supply_through_the_wire_reaches_the_registers() -> None:
    """What the site's supply does is what the meter measures."""
    with Host(opened()) as host:
        peer = host.associated("management", "ip", "lls")
        host.bench.built.supply.apply(balanced(Decimal(240), Decimal(2)))
        assert peer.value(3, "1-0:32.7.0.255") == 2400
        assert peer.value(3, "1-0:1.7.0.255") == 1440
        done = peer.action(70, "0-0:96.3.10.255", 1, dlms.integer(0))
        assert isinstance(done, events.ActionAnswered)
        assert peer.value(3, "1-0:1.7.0.255") == 0
