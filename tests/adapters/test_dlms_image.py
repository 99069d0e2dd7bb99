"""Image transfer through the adapter on the wires of the virtual rig, and image files a plan names."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.devices.dlms_meter import DlmsMeter
from adapters.errors import NotPermitted, Refused
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import ClockStatus
from adapters.roles import FirmwareFile
from harness.bench import LiveBench, open_bench
from harness.cli import main
from virtual_rig import demo_vendor
from virtual_rig.parts.mcs301 import Mcs301Part

PLANS = Path(__file__).parents[2] / "testplans" / "dlms"
IMAGE = FirmwareFile(name="images/new.img", octets=demo_vendor.image("2.0.0").octets)


@pytest.fixture
def bench() -> Iterator[LiveBench]:
    """The virtual MCS301 bench."""
    live = open_bench("virtual:mcs301")
    yield live
    live.close()


@pytest.fixture
def meter(bench: LiveBench) -> DlmsMeter:
    """Its meter, with Management at the IP port."""
    found = bench.devices["meter"]
    assert isinstance(found, DlmsMeter)
    found.associate("management", "ip", "main")
    return found


@pytest.mark.parametrize("link", ["rs485", "optical"])
def test_transfer_over_hdlc_arrives_whole(meter: DlmsMeter, link: str) -> None:
    """Blocks larger than a frame are segmented on a serial line; the meter's bitmap has them all."""
    meter.associate("management", link, "serial")
    sent = meter.transfer_image(IMAGE, association="serial")
    state = meter.image_state("serial")
    assert (sent.octets, sent.sent_again, "") == (len(IMAGE.octets), 0, state.missing)
    assert meter.verify_image(association="serial").status == "verified"


def test_transfer_resumed_sends_only_what_is_missing(meter: DlmsMeter) -> None:
    """Blocks that are there are not sent again; the report says where it went on."""
    meter.initiate_image(IMAGE, association="main")
    meter.send_blocks(IMAGE, 0, 3, association="main")
    meter.send_block(IMAGE, 6, association="main")
    before = meter.image_state("main")
    assert (before.missing, before.received, before.first_missing) == ("4-5 7-8", 5, 4)
    assert meter.transfer_image(IMAGE, resume=True, association="main").first_block == 4
    assert meter.image_state("main").missing == ""


def test_transfer_not_resumed_for_an_image_of_another_size(meter: DlmsMeter) -> None:
    """A transfer of another number of blocks is not gone on with."""
    meter.initiate_image(IMAGE, size=512, association="main")
    sent = meter.transfer_image(IMAGE, resume=True, association="main")
    assert (sent.first_block, sent.sent_again) == (0, 0)
    assert meter.verify_image(association="main").status == "verified"


def test_transfer_meter_that_dropped_blocks_gets_them_again() -> None:
    """A meter that loses what it acknowledged is found out by its bitmap, and the gaps are filled."""
    live = open_bench("virtual:mcs301", broken=frozenset({"DLX-IMG-05"}))
    try:
        meter = live.devices["meter"]
        meter.associate("management", "ip", "main")
        meter.initiate_image(IMAGE, association="main")
        meter.send_blocks(IMAGE, backwards=True, association="main")
        assert meter.image_state("main").received == 1
        assert meter.transfer_image(IMAGE, resume=True, association="main").sent_again == 0
    finally:
        live.close()


def test_verify_too_slow_is_temporary_failure() -> None:
    """A verification that lasts longer than the caller waits is told as what it is."""
    live = open_bench("virtual:mcs301", faults={"slow_verify": "meter:600"})
    try:
        meter = live.devices["meter"]
        meter.associate("management", "ip", "main")
        meter.transfer_image(IMAGE, association="main")
        with pytest.raises(Refused) as caught:
            meter.verify_image(timeout_s=10, association="main")
        assert caught.value.reason == "temporary-failure"
    finally:
        live.close()


def test_activate_meter_that_goes_without_an_answer_is_no_answer(bench: LiveBench, meter: DlmsMeter) -> None:
    """A link that goes with the request is told as such: neither success nor the end of the run."""
    meter.transfer_image(IMAGE, association="main")
    meter.verify_image(association="main")
    moments = bench._provided.built.model("meter", Mcs301Part).meter.moments  # type: ignore[union-attr]
    moments.blackout(moments.count + 2)  # the request is carried out, its answer is not sent
    assert meter.activate_image("main").status == "no-answer"


def test_schedule_is_written_in_the_meters_local_time(meter: DlmsMeter) -> None:
    """A moment in UTC arrives as the local time of a meter one hour east of it."""
    scheduled = meter.schedule_activation(at=datetime(2026, 1, 6, 3, 4, 5, tzinfo=UTC), association="main")
    assert scheduled.at == datetime(2026, 1, 6, 3, 4, 5, tzinfo=UTC)
    written = meter.get("image_activation_schedule", "execution_time", "main").value
    assert written == [["04040500", "07ea010602"]]
    assert scheduled.local == "2026-01-06 04:04:05"
    meter.cancel_activation("main")
    assert meter.get("image_activation_schedule", "execution_time", "main").value == []


def test_schedule_daylight_saving_active_is_written_an_hour_later(
    bench: LiveBench, meter: DlmsMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attribute time_zone is that of winter; a meter in summer tells its deviation with its time."""
    clock = bench._provided.built.model("meter", Mcs301Part).meter.clock  # type: ignore[union-attr]
    summer = ClockStatus.DAYLIGHT_SAVING_ACTIVE
    monkeypatch.setattr(
        clock,
        "octets",
        lambda: CosemDateTime.from_datetime(clock.utc(), status=summer, deviation_min=-120).octets(),
    )
    scheduled = meter.schedule_activation(at=datetime(2026, 7, 6, 3, 4, 5, tzinfo=UTC), association="main")
    written = meter.get("image_activation_schedule", "execution_time", "main").value
    assert (scheduled.local, written) == ("2026-07-06 05:04:05", [["05040500", "07ea070601"]])


def test_send_block_minus_one_is_the_last_one(meter: DlmsMeter) -> None:
    """The last block is sent with its own length, however many blocks there are."""
    blocks = meter.initiate_image(IMAGE, association="main").blocks
    meter.send_block(IMAGE, -1, association="main")
    assert meter.image_state("main").missing == f"0-{blocks - 2}"
    with pytest.raises(Refused):
        meter.send_block(IMAGE, -1, "too-short", "main")


@pytest.mark.parametrize(
    ("object_name", "method"),
    [("image_transfer", "image_activate"), ("image_activation_script", "execute")],
)
def test_plain_action_that_touches_firmware_needs_permission(
    bench: LiveBench, meter: DlmsMeter, object_name: str, method: str
) -> None:
    """The generic ACTION is no way around the permission, by the object or by its script."""
    bench.allow = bench.allow - {"firmware"}
    with pytest.raises(NotPermitted, match="firmware"):
        meter.action(object_name, method, "long-unsigned:1", "main")


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A copy of the shipped plan with its images, to be spoilt."""
    shutil.copytree(PLANS / "images", tmp_path / "images")
    shutil.copy(PLANS / "image_transfer.yaml", tmp_path)
    return tmp_path / "image_transfer.yaml"


@pytest.mark.parametrize("command", [["plan", "check"], ["run"]])
def test_plan_with_a_damaged_image_ends_with_4_before_anything_is_sent(
    plan: Path, command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One message names the file and what is wrong with it; no run begins."""
    image = plan.parent / "images" / "mcs301-1.26.0.img"
    image.write_bytes(image.read_bytes()[:-1])
    monkeypatch.chdir(plan.parent)
    with pytest.raises(SystemExit) as ended:
        main([*command, str(plan)])
    said = "".join(capsys.readouterr())
    assert ended.value.code == 4
    assert said.count("image `images/mcs301-1.26.0.img` is damaged") == 1
    assert not (plan.parent / "runs").exists()
