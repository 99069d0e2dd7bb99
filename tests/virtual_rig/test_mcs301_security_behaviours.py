"""Each broken behaviour of DLX-SEC, DLX-KEY and DLX-GC, and what else of these families notices it.

Whatever a broken behaviour drags along is listed here with its reason; anything else would mean that two
behaviours hang on one effect.
"""

import pytest

from harness import qualify
from harness.plan_compiler import compile_plan
from harness.shipped import Claim, claims, plan_files

pytestmark = pytest.mark.slow

FAMILIES = ("DLX-SEC", "DLX-KEY", "DLX-GC")
PLANS = [compile_plan(path) for path in plan_files() if path.stem in ("key_change", "suites")]
CLAIMS = claims(PLANS)
EVERY: list[Claim] = list({(c.plan.name, c.case.key): c for found in CLAIMS.values() for c in found}.values())
BEHAVIOURS = sorted(behaviour for behaviour in CLAIMS if behaviour.startswith(FAMILIES))
ALL_BY_ECDSA = {f"MCS-SUI-{number:02}" for number in (3, 5, 6, 7, 8, 9, 10, 11, 12, 16, 17, 18)}
COLLATERAL = {
    "DLX-KEY-01": {
        "MCS-KEY-03",
        "MCS-KEY-05",
        "MCS-KEY-07",
        "MCS-KEY-09",
    },  # they change the encryption key too
    "DLX-KEY-02": {"MCS-KEY-02", "MCS-KEY-03", "MCS-KEY-09"},  # they too try the keys before
    "DLX-KEY-03": {"MCS-KEY-04C"},  # a damaged key cannot be unwrapped either
    "DLX-KEY-06": {"MCS-KEY-03", "MCS-KEY-05C", "MCS-KEY-09"},  # they change the authentication key too
    "DLX-KEY-14": {"MCS-KEY-03"},  # it associates after a power cut too
    "DLX-SEC-01": {"MCS-SUI-11"},  # it too sends a wrong signature
    "DLX-SEC-02": {"MCS-SUI-11"},  # so does it by SHA-256
    "DLX-SEC-11": ALL_BY_ECDSA,  # nobody who checks the meter's proof can associate
}


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_broken_behaviour_is_noticed_by_its_own_cases_and_the_listed_ones(behaviour: str) -> None:
    """Every claiming case of the behaviour's plan runs with it broken."""
    own = {claim.case.id for claim in CLAIMS[behaviour]}
    plan = CLAIMS[behaviour][0].plan.name
    findings = qualify.qualify_one(behaviour, [claim for claim in EVERY if claim.plan.name == plan]).findings
    noticed = {finding.case for finding in findings if finding.verdict != "passed"}
    assert noticed - own == COLLATERAL.get(behaviour, set())
    assert own <= noticed
