"""A handheld with the Field Tools application, automated over HTTP.

No real handheld is known to offer this; the virtual rig's does (``/openapi.json`` there). Without one, a
person takes the adapter's place (``operator``). The user's password goes in at the log-in; security material
stays in the tool and never passes here.
"""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import Field

from adapters.devices.http_api import ApiModel, JsonApi, M, segment
from adapters.errors import BenchError, LabError, ReadTimeout, RemoteProtocolError
from adapters.registry import AdapterContext, Secret
from adapters.roles import Identity
from adapters.roles.secured import (
    Command,
    CommandOutcome,
    CommandsRetrieved,
    CurrentCommands,
    LoggedIn,
    NetworkState,
    RequestScreen,
)
from adapters.transports.http_transcript import HttpTranscript

TOKEN: Final = "automation_token"
SWITCHING: Final = ("connect", "disconnect")
REASONS: Final = (
    "no-connection", "not-logged-in", "wrong-password", "not-permitted", "no-material", "not-on-menu",
    "not-listed", "busy", "secure-command-required", "session-required", "key-required", "bad-authorization",
    "expired", "not-available", "malformed", "no-answer",
)  # fmt: skip
POLL_S: Final = 0.1
JOB_TIMEOUT_S: Final = 60.0


class _About(ApiModel):
    serial: str
    model: str
    firmware: str


class _User(ApiModel):
    user: str


class _Network(ApiModel):
    online: bool


class _Screen(ApiModel):
    tabs: tuple[str, ...]
    inputs: tuple[str, ...]


class _Retrieved(ApiModel):
    endpoints: tuple[str, ...]
    not_needed: tuple[str, ...]
    not_found: tuple[str, ...]
    signed_authorizations: int
    secure_commands: int
    keys: int
    permitted: tuple[str, ...]


class _Entry(ApiModel):
    endpoint: str
    command: str


class _Current(ApiModel):
    entries: tuple[_Entry, ...]


class _Started(ApiModel):
    job: str = Field(min_length=1)


class _Shown(ApiModel):
    endpoint: str
    command: str
    replay: bool
    information: str
    executions: int
    typed: tuple[str, ...]


class _Job(ApiModel):
    done: bool
    menu: tuple[str, ...] | None = None
    outcome: _Shown | None = None


class FieldTools:
    """A handheld on a bench. Its link opens when it is first needed."""

    role: ClassVar[str] = "field_tool"

    def __init__(self, context: AdapterContext) -> None:
        self._context, self._clock = context, context.clock
        self._api = JsonApi(context, reasons=REASONS)
        self._taken_offline = self._logged_in = False

    @classmethod
    def transcript(cls, options: object) -> HttpTranscript:
        """Return the decoder of this adapter's wire bytes."""
        return HttpTranscript()

    # -- Device

    def identify(self) -> Identity:
        """Ask the handheld which one it is."""
        about = self._ask(_About, "GET", "/about")
        return Identity(serial=about.serial, model=about.model, firmware=about.firmware)

    def make_safe(self) -> None:
        """Log out and connect again, where this run has changed that."""
        self.end_case()

    def end_case(self) -> None:
        """Log out, which forgets the material, and connect again; one that does not answer is left alone."""
        try:
            if self._logged_in:
                self._logged_in = False
                self._ask(_User, "POST", "/log-out")
            if self._taken_offline:
                self.go_online()
        except LabError:
            return

    def close(self) -> None:
        """Close the link."""
        self._api.close()

    # -- the user and the network

    def log_in(self, user: str) -> LoggedIn:
        """See ``FieldTool``. Raises BenchError where the bench holds no password for the user."""
        password = self._context.secrets.get(f"{user}.password")
        if password is None:
            raise BenchError(f"{self._context.name}: the bench gives no secret {user}.password")
        body = {"user": user, "password": password.reveal().decode("utf-8")}
        done = self._ask(_User, "POST", "/log-in", json=body)
        self._logged_in = True
        return LoggedIn(user=done.user)

    def go_offline(self) -> NetworkState:
        """See ``FieldTool``."""
        self._taken_offline = True
        return self._network(online=False)

    def go_online(self) -> NetworkState:
        """See ``FieldTool``."""
        state = self._network(online=True)
        self._taken_offline = False
        return state

    # -- Request Commands

    def open_request_commands(self) -> RequestScreen:
        """See ``FieldTool``."""
        screen = self._ask(_Screen, "GET", "/screens/request-commands")
        return RequestScreen(tabs=screen.tabs, tab_count=len(screen.tabs), inputs=screen.inputs)

    def request_commands(self, devices: tuple[str, ...]) -> CommandsRetrieved:
        """See ``FieldTool``. Raises BenchError for a device that is not written ``<id>:<type>``."""
        body = {"devices": [self._listed(device) for device in devices]}
        brought = self._ask(_Retrieved, "POST", "/screens/request-commands/request", json=body)
        return CommandsRetrieved(
            endpoints=brought.endpoints,
            not_needed=brought.not_needed,
            not_found=brought.not_found,
            signed_authorizations=brought.signed_authorizations,
            secure_commands=brought.secure_commands,
            keys=brought.keys,
            permitted=brought.permitted,
        )

    def current_commands(self) -> CurrentCommands:
        """See ``FieldTool``."""
        shown = self._ask(_Current, "GET", "/screens/request-commands/current")
        return CurrentCommands(
            count=len(shown.entries),
            endpoints=tuple(dict.fromkeys(entry.endpoint for entry in shown.entries)),
            entries=tuple(f"{entry.endpoint} {entry.command}" for entry in shown.entries),
        )

    # -- work

    def action_menu(self, endpoint: str) -> tuple[str, ...]:
        """See ``FieldTool``."""
        job = self._done(f"/endpoints/{segment(endpoint)}/menu")
        if job.menu is None:
            raise self._incomplete("the action menu", job)
        return job.menu

    def perform(self, endpoint: str, command: Command) -> CommandOutcome:
        """See ``FieldTool``. Connect and disconnect are done too, where the bench allows ``disconnect``."""
        if command in SWITCHING:
            self._context.permit("disconnect")
        return self._perform(endpoint, command)

    def disconnect_service(self, endpoint: str) -> CommandOutcome:
        """See ``FieldTool``."""
        return self._perform(endpoint, "disconnect")

    def connect_service(self, endpoint: str) -> CommandOutcome:
        """See ``FieldTool``."""
        return self._perform(endpoint, "connect")

    # -- inside

    def _perform(self, endpoint: str, command: Command) -> CommandOutcome:
        job = self._done(f"/endpoints/{segment(endpoint)}/commands/{command}")
        shown = job.outcome
        if shown is None:
            raise self._incomplete(f"what came of {command}", job)
        return CommandOutcome(
            endpoint=shown.endpoint,
            command=shown.command,
            answered=True,
            replay=shown.replay,
            information=shown.information,
            executions=shown.executions,
            typed=shown.typed,
        )

    def _done(self, path: str) -> _Job:
        """Start a job, once, and wait until it is done. Raises Refused as the job was, or ReadTimeout."""
        started = self._ask(_Started, "POST", path)
        deadline_s = self._clock.monotonic_s() + JOB_TIMEOUT_S
        while True:
            job = self._ask(_Job, "GET", f"/jobs/{segment(started.job)}")
            if job.done:
                return job
            if self._clock.monotonic_s() >= deadline_s:
                raise ReadTimeout(
                    f"{self._context.name}: job {started.job} is not done in {JOB_TIMEOUT_S:g} s"
                )
            self._clock.sleep_s(POLL_S)

    def _network(self, *, online: bool) -> NetworkState:
        return NetworkState(online=self._ask(_Network, "PUT", "/network", json={"online": online}).online)

    def _listed(self, device: str) -> dict[str, str]:
        number, colon, kind = device.partition(":")
        if not colon or not number.isdecimal() or not kind:
            raise BenchError(f"{self._context.name}: {device!r} is no device; write <id>:<type>")
        return {"id": number, "type": kind}

    def _ask(self, model: type[M], method: str, path: str, *, json: object = None) -> M:
        return self._api.ask(model, method, path, token=self._token(), json=json)

    def _token(self) -> Secret:
        if TOKEN not in self._context.secrets:
            raise BenchError(f"{self._context.name}: the bench gives no secret {TOKEN}")
        return self._context.secrets[TOKEN]

    def _incomplete(self, what: str, job: _Job) -> RemoteProtocolError:
        return RemoteProtocolError(
            f"{self._context.name}: the job is done, and {what} is missing",
            data=job.model_dump_json().encode(),
        )
