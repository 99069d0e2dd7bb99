"""A small world of provisioning without any wire: one meter, its module, the network and the two servers."""

from __future__ import annotations

from decimal import Decimal

from virtual_rig.clock import VirtualClock
from virtual_rig.smartsynch.configuration_server import ConfigurationServer, UnitRecord
from virtual_rig.smartsynch.master_list import Entry
from virtual_rig.smartsynch.module import ItronModule
from virtual_rig.smartsynch.module_state import ModuleState
from virtual_rig.smartsynch.network import Network
from virtual_rig.smartsynch.provisioning import Attributes, Job
from virtual_rig.smartsynch.support import SectionFourCheck
from virtual_rig.smartsynch.tms import Tms
from virtual_rig.supply import Supply, balanced
from virtual_rig.world import World

UNIT = "20457301"
PIN, WRONG_PIN = "48159263", "00000000"
PARAMETERS = ("apn", "tms_address", "pin", "time_zone")
TRANSACTIONS = ["get-version", "set-clock", "set-schedule", "set-registers", "start-delivery"]
HOUR_S = 3600.0


def attributes(_version: str) -> Attributes:
    return Attributes(
        register="energy_import",
        unit="kWh",
        scaler=-3,
        transactions=(
            ("set-clock", {}),
            ("set-schedule", {"report_s": "900"}),
            ("set-registers", {"register": "energy_import"}),
            ("start-delivery", {}),
        ),
    )


class Stage:
    """The world, its clock, and what a test does to them."""

    def __init__(self, broken: str = "", *, seed: int = 1, loss: float = 0.0, outage_s: float = 0.0) -> None:
        self.rig = VirtualClock()
        self.world = World(scheduler=self.rig, seed=seed, broken=frozenset({broken} - {""}))
        self.supply = Supply(self.rig, balanced(Decimal(240), on=False))
        self.network = Network(self.world, loss=loss, outage_s=outage_s)
        customer = {UNIT: {name: PIN if name == "pin" else f"the {name}" for name in PARAMETERS}}
        self.configuration = ConfigurationServer(self.world, self.network, customer)
        self.tms = Tms(self.world, self.network, attributes=attributes)
        self.wh = 1_234_567
        self.module = ItronModule(
            self.world,
            self.supply,
            self.network,
            unit=UNIT,
            energy_wh=lambda: self.wh,
            parameters=PARAMETERS,
        )

    # -- what happens

    def wait(self, seconds: float) -> Stage:
        self.rig.sleep_s(seconds)
        return self

    def energise(self, seconds: float = 60.0) -> Stage:
        self.supply.switch(True)
        return self.wait(seconds)

    def cut(self, off_s: float = 30.0, seconds: float = 60.0) -> Stage:
        self.supply.switch(False)
        self.wait(off_s)
        return self.energise(seconds)

    def open(self, path: str) -> Stage:
        self.network.set_path(path, False)
        return self

    def close(self, path: str) -> Stage:
        self.network.set_path(path, True)
        return self

    def placed(self) -> Stage:
        """Bring the unit to where TMS has it registered, however long and whatever it takes."""
        self.energise()
        if self.tms.units.find(UNIT) is None:
            self.cut()
        if self.tms.units.find(UNIT) is None:
            self.wait(2 * HOUR_S)
        assert self.tms.units.find(UNIT) is not None
        return self

    def request(self, pin: str = PIN, limit_s: float = 1800.0) -> Job:
        self.tms.save_pin(UNIT, pin)
        self.wait(1)
        return self.tms.provision(UNIT, limit_s)

    def provisioned(self) -> Job:
        job = self.placed().request()
        self.wait(120)
        assert job.state == "complete"
        return job

    def section_four(self) -> SectionFourCheck:
        check = self.tms.begin_section_four(UNIT)
        self.wait(30)
        return check

    # -- what there is to see

    @property
    def states(self) -> list[int]:
        """The states the module has shown from Pre-Configured on, in order."""
        return [int(change.state) for change in self.module.history if change.state > ModuleState.READY]

    @property
    def entry(self) -> Entry:
        return self.tms.entry(UNIT)

    @property
    def record(self) -> UnitRecord:
        return self.configuration.record(UNIT)

    def kinds(self, job: Job) -> list[str]:
        return [event.kind for event in self.tms.search_events(UNIT, job.requested_at)]


def names(job: Job) -> list[str]:
    return [sent.name for sent in job.transactions]
