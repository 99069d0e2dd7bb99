"""An upgrade whose supply is cut at any event: old image, new image or a known state to go on from.

The events are those ``virtual_rig.meters.moments`` counts: every APDU before and after it is carried out, and
every piece of work on the firmware before and after its effect. Four meters go through all of them: a sound
one, one that takes a minute to verify (with temporary failures all the while), one whose flash does not hold
what was written (verification fails) and one on which no new image starts (activation fails and falls back).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from adapters.protocols.dlms.image_transfer import ImageTransferStatus as Status
from harness.bench import open_bench
from harness.plan import Plan
from harness.plan_compiler import compile_plan
from harness.records import CaseRecord, StepRecord
from harness.runner import CaseRunner
from harness.verdicts import Verdict
from virtual_rig.meters.firmware import Firmware
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.meters.moments import BLACKOUT_S
from virtual_rig.parts.mcs301 import Mcs301Part

OLD, NEW = "1.25.0", "1.26.0"
NEVER = 1_000_000
METERS: dict[str, dict[str, str]] = {
    "sound": {},
    "slow": {"slow_verify": "meter:60"},
    "verification-fails": {"flash_error": "meter"},
    "activation-fails": {"no_boot": "meter"},
}
UPGRADES = {"sound", "slow"}
RESUMABLE = {
    Status.NOT_INITIATED,
    Status.INITIATED,
    Status.VERIFIED,
    Status.VERIFICATION_FAILED,
    Status.ACTIVATION_FAILED,
}


@cache
def plan() -> Plan:
    return compile_plan(Path(__file__).with_name("upgrade.yaml"))


@dataclass(frozen=True, kw_only=True)
class Story:
    """What became of one upgrade: both attempts, and the meter between them and after them."""

    first: CaseRecord
    between: tuple[str, Status]
    missing_between: bool
    again: CaseRecord
    after: tuple[str, Status]
    events: int  # of the first attempt


def upgrade(faults: Mapping[str, str], cut_at: int, broken: str = "") -> Story:
    """Run the upgrade with the supply cut at event ``cut_at``, wait for the supply, and try again."""
    live = open_bench(
        "virtual:mcs301",
        faults={**faults, "blackout": f"meter:{cut_at}"},
        broken=frozenset({broken} if broken else ()),
    )
    try:
        meter = live._provided.built.model("meter", Mcs301Part).meter  # type: ignore[union-attr]
        firmware = _firmware(meter)
        runner = CaseRunner(live, plan())
        first = runner.run(plan().cases[0])
        events = meter.moments.count
        live.end_case()
        live.clock.sleep_s(BLACKOUT_S + 10)
        between = (firmware.running.version, firmware.status)
        missing = not firmware.slot.complete
        again = runner.run(plan().cases[1])
        return Story(
            first=first,
            between=between,
            missing_between=missing,
            again=again,
            after=(firmware.running.version, firmware.status),
            events=events,
        )
    finally:
        live.close()


def _firmware(meter: Mcs301) -> Firmware:
    return next(feature for feature in meter.features if isinstance(feature, Firmware))


def read_back(record: CaseRecord) -> list[str]:
    """Return every firmware identifier the attempt has read back and compared."""
    found: list[str] = []
    open_steps: list[StepRecord] = list(record.steps)
    while open_steps:
        step = open_steps.pop()
        found += [check.actual for check in step.checks if check.name == "firmware identifier"]
        open_steps += step.steps
    return found


def assert_sane(meter: str, story: Story, where: str) -> None:
    """The rules of the campaign, for one cut."""
    version, status = story.between
    assert version in (OLD, NEW), where
    if version == NEW:
        assert meter in UPGRADES, where
        assert status is Status.ACTIVATED, where
    else:
        assert status in RESUMABLE, where
        assert status is not Status.VERIFIED or not story.missing_between, where
    if story.first.verdict is Verdict.passed:
        assert read_back(story.first) == [NEW], where
        assert version == NEW, where
    if meter in UPGRADES:
        assert story.again.verdict is Verdict.passed, (where, story.again.message)
        assert read_back(story.again) == [NEW], where
        assert story.after == (NEW, Status.ACTIVATED), where
    else:
        assert story.first.verdict is not Verdict.passed, where
        assert story.again.verdict is Verdict.failed, (where, story.again.message)
        failed = Status.VERIFICATION_FAILED if meter == "verification-fails" else Status.ACTIVATION_FAILED
        assert story.after == (OLD, failed), where


@cache
def uncut(meter: str) -> Story:
    """The same upgrade on an undisturbed supply."""
    return upgrade(METERS[meter], NEVER)


@pytest.mark.parametrize("meter", METERS)
def test_upgrade_supply_intact_ends_as_the_meter_is(meter: str) -> None:
    """Without a cut a sound meter runs the new image, the others say what failed and run the old one."""
    story = uncut(meter)
    assert (story.first.verdict is Verdict.passed) == (meter in UPGRADES)
    assert_sane(meter, story, "no cut")


@pytest.mark.parametrize("meter", METERS)
@pytest.mark.parametrize("tenths", [1, 5, 9])
def test_upgrade_cut_somewhere_leaves_a_known_state(meter: str, tenths: int) -> None:
    """A few of the events, for every day: early, in the middle, late."""
    at = uncut(meter).events * tenths // 10
    assert_sane(meter, upgrade(METERS[meter], at), f"{meter}, event {at}")


@pytest.mark.slow
@pytest.mark.parametrize("meter", METERS)
def test_upgrade_cut_at_every_event_leaves_a_known_state(meter: str) -> None:
    """Every event of the upgrade, one cut each."""
    versions, statuses = set(), set()
    for at in range(1, uncut(meter).events + 1):
        story = upgrade(METERS[meter], at)
        assert_sane(meter, story, f"{meter}, event {at}")
        versions.add(story.between[0])
        statuses.add(story.between[1])
    assert {Status.NOT_INITIATED, Status.INITIATED} <= statuses
    assert versions == ({OLD, NEW} if meter in UPGRADES else {OLD})
    if meter != "verification-fails":
        assert Status.VERIFIED in statuses


@pytest.mark.slow
def test_upgrade_cut_campaign_notices_a_careless_meter() -> None:
    """The rules have teeth: a meter that comes up verified after a cut verification breaks them."""
    meter, broken = "verification-fails", "DLX-IMG-21"
    noticed = 0
    for at in range(1, uncut(meter).events + 1):
        try:
            assert_sane(meter, upgrade(METERS[meter], at, broken), f"event {at}")
        except AssertionError:
            noticed += 1
    assert 0 < noticed < uncut(meter).events
