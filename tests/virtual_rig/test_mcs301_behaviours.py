"""Every modelled behaviour, through bytes: the meter obeys it, and a meter that breaks it does so visibly.

A probe asks one thing of a fresh site and says whether the meter behaved. ``COLLATERAL`` lists which other
probes cannot pass while a behaviour is broken, because they need the very thing that is gone; everything
else must stay intact.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters.protocols.dlms import client_events as events
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.client_events import Spoil
from adapters.protocols.dlms.enums import DataAccessResult
from tests.virtual_rig.dlms_host import Host, Peer, opened
from virtual_rig.world import modelled_behaviours

NOTE = (1, "0-0:96.1.10.255")
LDN = (1, "0-0:42.0.0.255")
ENERGY = (3, "1-0:1.8.0.255")
NEW = dlms.octet_string(b"written")
OPEN = events.AssociationAccepted | events.HlsConfirmed
CLOSED = events.AssociationRejected | events.HlsRejected | events.ServiceRefused

Probe = Callable[[Host], bool]
PROBES: dict[str, Probe] = {}


def probe(behaviour: str) -> Callable[[Probe], Probe]:
    def keep(function: Probe) -> Probe:
        PROBES[behaviour] = function
        return function

    return keep


def accepted(host: Host, client: str, link: str, mechanism: str = "", spoil: Spoil | None = None) -> bool:
    return isinstance(host.peer(client, link, mechanism).associate(spoil), OPEN)


def reads(peer: Peer, what: tuple[int, str] = LDN) -> bool:
    event = peer.get(*what)
    return isinstance(event, events.GetAnswered) and event.data is not None


def note(host: Host) -> object:
    """What the meter holds, read by a client whose association touches nothing that is broken elsewhere."""
    peer = host.associated("management", "ip", "lls")
    value = peer.value(*NOTE)
    peer.release()
    return value


@probe("DL-CLI-01")
def four_clients(host: Host) -> bool:
    stranger = host.peer("stranger", "rs485", "none", sap=77)
    return isinstance(stranger.associate(), events.AssociationRejected)


@probe("DL-CLI-02")
def public_reads_general_information_only(host: Host) -> bool:
    public = host.associated("public", "rs485")
    event = public.get(*ENERGY)
    denied = isinstance(event, events.GetAnswered) and event.result is DataAccessResult.READ_WRITE_DENIED
    written = public.set(*NOTE, 2, NEW)
    refused = isinstance(written, events.SetAnswered) and written.result is not DataAccessResult.SUCCESS
    return reads(public) and denied and refused


@probe("DL-CLI-03")
def public_is_reachable_remotely_and_locally(host: Host) -> bool:
    local = host.peer("public", "optical_direct")
    if not isinstance(local.associate(), OPEN):
        return False
    local.release()
    return accepted(host, "public", "ip")


@probe("DL-CLI-04")
def public_needs_no_authentication(host: Host) -> bool:
    return accepted(host, "public", "rs485")


@probe("DL-CLI-05")
def public_reads_after_aarq_only(host: Host) -> bool:
    request = host.peer("public", "rs485")
    answer = request.exchange(bytes.fromhex("c001c1000100002a0000ff0200"))
    return answer is not None and answer[0] == 0xD8


@probe("DL-CLI-06")
def management_sets_acts_and_reads(host: Host) -> bool:
    management = host.associated("management", "ip")
    event = management.set(*NOTE, 2, NEW)
    stored = management.value(*NOTE) == b"written"
    done = management.action(3, "0-0:96.15.10.255", 1, dlms.integer(0))
    return (
        isinstance(event, events.SetAnswered)
        and event.result is DataAccessResult.SUCCESS
        and stored
        and isinstance(done, events.ActionAnswered)
        and done.result.value == 0
        and reads(management, ENERGY)
    )


@probe("DL-CLI-07")
def management_is_reachable_remotely_and_locally(host: Host) -> bool:
    local = host.peer("management", "optical_direct")
    if not isinstance(local.associate(), OPEN):
        return False
    local.release()
    return accepted(host, "management", "ip")


@probe("DL-CLI-08")
def management_proves_itself(host: Host) -> bool:
    wrong = host.peer("management", "ip").associate(Spoil.WRONG_CHALLENGE_RESPONSE)
    backup = accepted(host, "management", "rs485", "lls")
    return isinstance(wrong, CLOSED) and backup


@probe("DL-CLI-09")
def management_sets_after_aarq_only(host: Host) -> bool:
    stranger = host.peer("management", "rs485", "lls")
    answer = stranger.exchange(bytes.fromhex("c101c10001000060010aff02000907") + b"written")
    return answer is not None and answer[0] == 0xD8 and note(host) != b"written"


@probe("DL-CLI-10")
def pre_established_answers_nothing_confirmed(host: Host) -> bool:
    answers = []
    for link in ("rs485", "ip"):
        peer = host.peer("pre-established", link)
        answers.append(peer.send_only(bytes.fromhex("c001c1000100002a0000ff0200")))
    return all(answer is None or answer[0] == 0xD8 for answer in answers)


@probe("DL-CLI-11")
def pre_established_works_on_rs485(host: Host) -> bool:
    public = host.associated("public", "rs485")
    public.release()
    answer = host.peer("pre-established", "rs485").unconfirmed_set(*NOTE, 2, NEW)
    return answer is None and note(host) == b"written"


@probe("DL-CLI-12")
def pre_established_does_not_work_on_optical(host: Host) -> bool:
    public = host.associated("public", "rs485")
    public.release()
    host.peer("pre-established", "optical_direct").unconfirmed_set(*NOTE, 2, NEW)
    return note(host) != b"written"


@probe("DL-CLI-13")
def pre_established_is_open_from_power_up_on(host: Host) -> bool:
    host.peer("pre-established", "ip").unconfirmed_set(*NOTE, 2, NEW)
    return note(host) == b"written"


@probe("DL-CLI-14")
def reading_only_reads(host: Host) -> bool:
    reading = host.associated("reading", "optical_direct")
    event = reading.set(*NOTE, 2, NEW)
    refused = isinstance(event, events.SetAnswered) and event.result is DataAccessResult.READ_WRITE_DENIED
    return reads(reading, ENERGY) and refused and note(host) != b"written"


@probe("DL-CLI-15")
def reading_stays_local(host: Host) -> bool:
    return isinstance(host.peer("reading", "ip").associate(), events.AssociationRejected)


@probe("DL-CLI-16")
def reading_proves_itself(host: Host) -> bool:
    naked = host.peer("reading", "optical_direct").associate(Spoil.NO_AUTHENTICATION)
    return isinstance(naked, events.AssociationRejected) and accepted(
        host, "reading", "optical_direct", "lls"
    )


@probe("DL-ASSOC-01")
def optical_takes_one_association(host: Host) -> bool:
    first = host.associated("reading", "optical_direct")
    second = host.peer("public", "optical_direct").associate()
    return isinstance(second, events.AssociationRejected) and reads(first, ENERGY)


@probe("DL-ASSOC-02")
def ip_takes_several_associations(host: Host) -> bool:
    first = host.associated("management", "ip")
    second = host.peer("management", "ip", "lls")
    return isinstance(second.associate(), OPEN) and reads(first) and reads(second)


@probe("DL-ASSOC-03")
def different_ports_at_the_same_time(host: Host) -> bool:
    local = host.associated("reading", "optical_direct")
    remote = host.peer("management", "ip")
    return isinstance(remote.associate(), OPEN) and reads(remote) and reads(local)


@probe("DL-ASSOC-04")
def same_client_at_different_ports(host: Host) -> bool:
    host.associated("management", "rs485")
    return accepted(host, "management", "ip")


@probe("DL-ASSOC-05")
def different_clients_at_different_ports(host: Host) -> bool:
    host.associated("reading", "optical_direct")
    return accepted(host, "management", "ip")


@probe("DL-ASSOC-06")
def an_association_at_each_port(host: Host) -> bool:
    host.associated("management", "ip")
    stranger = host.peer("management", "rs485", "lls")
    answer = stranger.exchange(bytes.fromhex("c001c1000100002a0000ff0200"))
    return answer is not None and answer[0] == 0xD8 and accepted(host, "management", "rs485", "lls")


@probe("DL-ASSOC-07")
def release_at_one_port_leaves_the_others(host: Host) -> bool:
    one = host.associated("management", "rs485")
    other = host.associated("management", "ip")
    one.release()
    return reads(other)


@probe("DL-ASSOC-08")
def a_released_local_port_is_free(host: Host) -> bool:
    first = host.associated("reading", "optical_direct")
    first.release()
    return accepted(host, "reading", "optical_direct")


COLLATERAL: dict[str, set[str]] = {
    # Every client pair at two ports is one of the same client or of different ones.
    "DL-ASSOC-04": {"DL-ASSOC-06", "DL-ASSOC-07"},
    "DL-ASSOC-05": {"DL-ASSOC-03", "DL-CLI-14"},
    # A public client that cannot open cannot show anything else either.
    "DL-CLI-04": {"DL-CLI-02", "DL-CLI-03", "DL-CLI-11", "DL-CLI-12"},
}


def obeyed(behaviour: str, broken: str = "") -> bool:
    with Host(opened(broken)) as host:
        return PROBES[behaviour](host)


def test_behaviours_modelled_are_exactly_those_probed() -> None:
    """Nobody can add a behaviour to the rig without a probe here, or the other way round."""
    assert {
        each for each in modelled_behaviours() if each.startswith(("DL-CLI", "DL-ASSOC"))
    } == PROBES.keys()
    own = ("DL-CLI", "DL-ASSOC")
    assert {each for each in modelled_behaviours() if each.startswith(own)} == PROBES.keys()


@pytest.mark.parametrize("behaviour", sorted(PROBES))
def test_behaviour_intact_is_obeyed(behaviour: str) -> None:
    """A healthy meter passes every probe."""
    assert obeyed(behaviour)


@pytest.mark.parametrize("behaviour", sorted(PROBES))
def test_behaviour_broken_is_seen(behaviour: str) -> None:
    """A meter with one behaviour broken fails that behaviour's probe, in well-formed bytes."""
    assert not obeyed(behaviour, broken=behaviour)


@pytest.mark.slow
@pytest.mark.parametrize("broken", sorted(PROBES))
def test_behaviour_broken_leaves_the_others_intact(broken: str) -> None:
    """Each behaviour has its own way of being wrong: no other probe notices, save those listed."""
    noticed = set()
    for behaviour in PROBES.keys() - {broken}:
        try:
            good = obeyed(behaviour, broken=broken)
        except AssertionError:
            good = False
        if not good:
            noticed.add(behaviour)
    assert COLLATERAL.get(broken, set()) == noticed
