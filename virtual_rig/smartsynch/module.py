"""The ITRON module in the meter: asks for its configuration, registers, obeys TMS, delivers data.

    energised -> boot -> PRE_CONFIGURED --parameters written--> REGISTERING --TMS has processed--> PLACED
                 |          Auto-Configuration                   Auto-Registration                  |
                 +-- what the memory says, after a power cut                    transactions of TMS v
                                                                                            PROVISIONED

A power cut ends whatever is under way and takes everything that is not in the non-volatile memory. A
configured module announces itself to TMS after every power-up (assumed: its address has changed), which
changes no state it has reached. Times and the last gasp are assumed as well.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from virtual_rig.smartsynch.messages import (
    AutoConfiguration,
    AutoRegistration,
    Awake,
    Confirmation,
    ConfirmationTaken,
    CustomerParameters,
    Message,
    MeterData,
    Outcome,
    ParametersStored,
    PowerFailure,
    RegistrationProcessed,
    Transaction,
    TransactionAnswer,
    WakeUp,
)
from virtual_rig.smartsynch.module_state import Memory, ModuleError, ModuleState, StateChange
from virtual_rig.smartsynch.network import Network
from virtual_rig.smartsynch.retries import Backoff, Retry, Timers
from virtual_rig.supply import Supply
from virtual_rig.wire import Timer
from virtual_rig.world import World

HOUR_S = 3600
_UNCONFIGURED = (ModuleState.NOT_CHECKED, ModuleState.CHECKED_BY_INTEGRATOR, ModuleState.READY)
_ATTEMPTS_BEFORE_ERROR = 3


@dataclass(frozen=True, kw_only=True)
class ModuleTimes:
    """How long the module takes for what it does."""

    boot_s: float = 8.0
    write_s: float = 0.15  # one parameter into the non-volatile memory
    work_s: float = 0.3  # one transaction
    report_s: float = 900.0  # between two deliveries, until a schedule says otherwise


class ItronModule:
    """A module in the meter ``unit``, fed by the meter's supply.

    ``energy_wh`` reads the register it delivers; ``parameters`` are the names it needs to be configured.
    """

    def __init__(
        self,
        world: World,
        supply: Supply,
        network: Network,
        *,
        unit: str,
        energy_wh: Callable[[], int],
        parameters: tuple[str, ...],
        version: str = "4.12.0",
        times: ModuleTimes | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._world, self._scheduler, self._network = world, world.scheduler, network
        self._supply = supply
        self.unit, self.version = unit, version
        self._energy_wh, self._needed = energy_wh, parameters
        self._times, self._backoff = times or ModuleTimes(), backoff or Backoff()
        self.memory = Memory()
        self._volatile: dict[str, str] = {}
        self._booted = False
        self._timers = Timers(world.scheduler)
        self._retries: dict[str, Retry] = {}
        self._report: Timer | None = None
        self.error = ModuleError.NONE
        self.history: list[StateChange] = []
        self._show(ModuleState.READY)
        supply.on_power(self._power)
        if supply.powered:
            self._power(True)

    # -- what the meter shows of it

    @property
    def state(self) -> ModuleState:
        """The state it shows."""
        return self.history[-1].state

    @property
    def configured(self) -> bool:
        """Whether it has every parameter it needs, wherever it keeps them."""
        return all(name in self.memory.parameters or name in self._volatile for name in self._needed)

    @property
    def on_the_air(self) -> bool:
        """Whether it has booted and hears enough of the network."""
        return self._booted and self._network.covered

    @property
    def rssi(self) -> int:
        """What its modem reports: 0 to 31, or 99 while nothing is heard or the modem is still starting."""
        return self._network.rssi if self._booted else 99

    def restore_factory_state(self) -> None:
        """Forget the customer, as a module back in the shop does; it starts anew when energised anew."""
        self._stop()
        self.memory.erase()
        self._show(ModuleState.READY)

    # -- power

    def _power(self, up: bool) -> None:
        if up:
            self._timers.later(self._times.boot_s, self._boot)
            return
        if self._booted and self.memory.registered:
            self._network.up("tms", PowerFailure(unit=self.unit))
        self._stop()

    def _stop(self) -> None:
        """Lose everything that lives from the supply."""
        self._network.detach(self.unit)
        self._timers.cancel_all()
        for retry in self._retries.values():
            retry.answered()
        self._retries.clear()
        self._volatile.clear()
        self._booted, self._report, self.error = False, None, ModuleError.NONE

    def _boot(self) -> None:
        self._booted = True
        self._network.attach(self.unit, self._receive)
        if not self.configured:
            self.memory.registered = self.memory.provisioned = False
            before = self.state
            if self._world.obeys("SS-PROV-02") or before not in _UNCONFIGURED:
                self._show(ModuleState.PRE_CONFIGURED)
            if self._world.obeys("SS-PROV-03") or before is ModuleState.PRE_CONFIGURED:
                self._ask_for_parameters()
            return
        self._show(self._remembered())
        self._register()
        if self.memory.provisioned:
            self._deliver()

    def _remembered(self) -> ModuleState:
        if self.memory.provisioned:
            return ModuleState.PROVISIONED
        return ModuleState.PLACED if self.memory.registered else ModuleState.REGISTERING

    # -- configuration

    def _ask_for_parameters(self) -> None:
        self._retry(
            "configuration",
            lambda: self._network.up("configuration", AutoConfiguration(unit=self.unit)),
            lambda attempts: self._fails(attempts, ModuleError.CONFIGURATION_FAILED),
        )

    def _write(self, left: tuple[tuple[str, str], ...]) -> None:
        """Write the next parameter; a power cut in between leaves those written so far."""
        (name, value), *others = left
        if self._world.obeys("SS-PROV-04") or name != self._needed[-1]:
            self.memory.parameters[name] = value
        else:
            self._volatile[name] = value
        if others:
            self._timers.later(self._times.write_s, self._write, tuple(others))
            return
        if self.configured:
            self._network.up("configuration", ParametersStored(unit=self.unit, names=self._needed))
            self._configured()

    def _configured(self) -> None:
        self.error = ModuleError.NONE
        if self._world.obeys("SS-PROV-12"):
            self._show(ModuleState.REGISTERING)
        if self._world.obeys("SS-PROV-05"):
            self._register()
        else:
            now_s = self._scheduler.now_s()
            self._timers.later(HOUR_S - now_s % HOUR_S, self._register)

    # -- registration

    def _register(self) -> None:
        def unanswered(attempts: int) -> None:
            if not self.memory.registered:
                self._fails(attempts, ModuleError.REGISTRATION_FAILED)
            if attempts == 1 and not self._world.obeys("SS-PROV-07"):
                self._confirm()

        announcement = AutoRegistration(
            unit=self.unit, module_version=self.version, provisioned=self.memory.provisioned
        )
        self._retry("registration", lambda: self._network.up("tms", announcement), unanswered)

    def _registered(self) -> None:
        first = not self.memory.registered
        self.memory.registered, self.error = True, ModuleError.NONE
        if first and self._world.obeys("SS-PROV-09"):
            self._show(ModuleState.PLACED)
        if self._world.obeys("SS-PROV-06"):
            self._confirm()
        if not self.memory.provisioned and not self._world.obeys("SS-PROV-11"):
            self._deliver()

    def _confirm(self) -> None:
        self._retry("confirmation", lambda: self._network.up("configuration", Confirmation(unit=self.unit)))

    # -- messages

    def _receive(self, message: Message) -> None:
        match message:
            case CustomerParameters() if self._done("configuration"):
                values = tuple(
                    (name, message.values[name]) for name in self._needed if name in message.values
                )
                if values:
                    self._timers.later(self._times.write_s, self._write, values)
            case RegistrationProcessed() if self._done("registration"):
                self._registered()
            case ConfirmationTaken():
                self._done("confirmation")
            case WakeUp():
                self._network.up("tms", Awake(unit=self.unit, number=message.number))
            case Transaction():
                self._timers.later(self._times.work_s, self._answer, message)
            case _:
                pass  # late or repeated: nobody waits for it any more

    def _answer(self, asked: Transaction) -> None:
        if not hmac.compare_digest(asked.pin, self._parameter("pin")):
            if self._world.obeys("SS-TRB-04"):
                self._say(asked, "authentication failed")
            return
        match asked.name:
            case "get-version":
                version = self.version if self._world.obeys("SS-PROV-16") else ""
                self._say(asked, "ok", version=version)
            case "set-clock":
                self._say(asked, "ok")
            case "set-schedule" | "set-registers":
                self.memory.settings.update(asked.arguments)
                self._say(asked, "ok")
            case "start-delivery":
                self._say(asked, "ok")
                self.memory.provisioned = True
                self._show(ModuleState.PROVISIONED)
                self._deliver()
            case _:
                self._say(asked, "not understood")

    def _say(self, asked: Transaction, outcome: Outcome, **fields: str) -> None:
        answer = TransactionAnswer(unit=self.unit, number=asked.number, outcome=outcome, fields=fields)
        self._network.up("tms", answer)

    # -- meter data

    def _deliver(self) -> None:
        """Deliver what the register holds now, and again when the schedule says so."""
        if self._report is not None:
            self._report.cancel()
        self._network.up("tms", MeterData(unit=self.unit, raw=self._energy_wh()))
        interval_s = float(self.memory.settings.get("report_s", self._times.report_s))
        self._report = self._timers.later(interval_s, self._deliver)

    # -- inside

    def _parameter(self, name: str) -> str:
        return self.memory.parameters.get(name, self._volatile.get(name, ""))

    def _show(self, state: ModuleState) -> None:
        if not self.history or self.history[-1].state is not state:
            self.history.append(StateChange(at_s=self._scheduler.now_s(), state=state))

    def _fails(self, attempts: int, error: ModuleError) -> None:
        if attempts >= _ATTEMPTS_BEFORE_ERROR:
            self.error = error

    def _retry(
        self, name: str, say: Callable[[], None], unanswered: Callable[[int], None] = lambda _attempts: None
    ) -> None:
        self._done(name)
        self._retries[name] = Retry(self._scheduler, self._backoff, say, unanswered)

    def _done(self, name: str) -> bool:
        """Stop saying something; return whether it was still being said."""
        retry = self._retries.pop(name, None)
        if retry is not None:
            retry.answered()
        return retry is not None
