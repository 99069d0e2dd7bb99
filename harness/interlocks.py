"""What stands between a plan and harm: permission of the bench, and the identity of the device.

A destructive step is sent only where the bench file allows its kind, and to a device that has just, in this
case, told a serial number which is the one the bench file names. On a bench of simulated devices a missing
serial number in the bench is no obstacle; on hardware it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from adapters.clock import WallClock
from adapters.errors import BenchError
from harness.bench_port import Bench
from harness.plan import Case, Step
from harness.records import Check
from harness.steps import Steps
from harness.verdicts import NotAllowed


class WrongDevice(BenchError):
    """The device is not the one the bench file names: somebody changed a meter, or a cable."""


def check_permission(bench: Bench, case: Case) -> None:
    """Raise NotAllowed when the bench does not allow what a step of the case may do."""
    missing = sorted(case.hurts - bench.allow)
    if missing:
        words = ", ".join(missing)
        given = ", ".join(sorted(bench.allow)) or "nothing"
        raise NotAllowed(
            f"needs permission for {words}; {bench.file or bench.name} allows {given}: add it to 'allow'"
        )


class IdentityCheck:
    """Reads identities back, at most once per device and case."""

    def __init__(self, bench: Bench, needs: Mapping[str, str]) -> None:
        self._bench, self._needs = bench, needs
        self._verified: set[str] = set()
        self._wrong: dict[str, str] = {}

    def before(self, step: Step, steps: Steps) -> None:
        """Make sure who the device is before ``step``. Raises WrongDevice, and nothing has been sent."""
        if not step.hurts:
            return
        for device in self._devices_of(step):
            if device in self._wrong:
                raise WrongDevice(self._wrong[device])
            if device not in self._verified:
                self._read_back(device, steps)
                self._verified.add(device)

    def _devices_of(self, step: Step) -> Iterable[str]:
        if step.device:
            return (step.device,)
        # A procedure may reach any device of its plan; those the bench knows by serial number are checked.
        return [device for device in self._needs if device in self._bench.identity_expected]

    def _read_back(self, name: str, steps: Steps) -> None:
        expected = self._bench.identity_expected.get(name, "")
        if not expected:
            if not isinstance(self._bench.clock, WallClock):
                return
            raise self._refuse(
                name,
                f"{self._bench.file or self._bench.name} gives no serial number for {name}: "
                "nothing destructive is sent to it",
            )
        with steps.step(f"Read back the identity of {name}"):
            identity = self._bench.devices[name].identify()  # type: ignore[attr-defined]
            same = identity.serial == expected
            steps.note(
                Check(
                    name="serial number",
                    passed=same,
                    expected=expected,
                    actual=identity.serial,
                    behaviours=(),
                )
            )
            if not same:
                raise self._refuse(
                    name,
                    f"{name} says it is {identity.serial}, the bench names {expected}: nothing was sent",
                )

    def _refuse(self, name: str, why: str) -> WrongDevice:
        self._wrong[name] = why
        return WrongDevice(why)
