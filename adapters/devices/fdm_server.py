"""The FDM Tools server, with ISM behind it, over HTTP.

The real server's interface is not public; this is the one the virtual rig describes (``/openapi.json``
there), and a lab that has another writes another adapter. Orders go out in the security officer's name,
permissions in the administrator's: the bench holds a bearer token of each. No security material passes here.
"""

from __future__ import annotations

from typing import ClassVar, Final

from adapters.devices.http_api import ApiModel, JsonApi, segment
from adapters.errors import BenchError, LabError
from adapters.registry import AdapterContext, Secret
from adapters.roles import Identity
from adapters.roles.secured import Command, MaterialIssued, MaterialWaiting, UserSaved
from adapters.transports.http_transcript import HttpTranscript

OFFICER: Final = "officer_token"
ADMINISTRATOR: Final = "administrator_token"
REASONS: Final = ("unknown-endpoint", "unknown-user", "not-needed", "not-permitted", "unavailable")


class _About(ApiModel):
    serial: str
    model: str
    firmware: str


class _Issued(ApiModel):
    request: str
    endpoints: tuple[str, ...]
    signed_authorizations: int
    secure_commands: int
    keys: int


class _Waiting(ApiModel):
    endpoint: str
    signed_authorizations: int
    secure_commands: int
    keys: int
    commands: tuple[str, ...]


class _Permissions(ApiModel):
    user: str
    commands: tuple[Command, ...]


class FdmTools:
    """The server on a bench. Its link opens when it is first needed."""

    role: ClassVar[str] = "security_head_end"

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._api = JsonApi(context, reasons=REASONS)
        self._permissions_before: dict[str, tuple[Command, ...]] = {}

    @classmethod
    def transcript(cls, options: object) -> HttpTranscript:
        """Return the decoder of this adapter's wire bytes."""
        return HttpTranscript()

    # -- Device

    def identify(self) -> Identity:
        """Ask the server which one it is."""
        about = self._api.ask(_About, "GET", "/about", token=self._token(OFFICER))
        return Identity(serial=about.serial, model=about.model, firmware=about.firmware)

    def make_safe(self) -> None:
        """Give users back the permissions they had; material that was issued gets old by itself."""
        self.end_case()

    def end_case(self) -> None:
        """Give users back the permissions they had. A server that does not answer is left alone."""
        for user, commands in list(self._permissions_before.items()):
            try:
                self._save(user, commands)
            except LabError:
                continue
            finally:
                self._permissions_before.pop(user, None)

    def close(self) -> None:
        """Close the link."""
        self._api.close()

    # -- SecurityHeadEnd

    def issue_material(
        self, endpoints: tuple[str, ...], commands: tuple[Command, ...], copies: int = 1
    ) -> MaterialIssued:
        """See ``SecurityHeadEnd``."""
        order = {"endpoints": list(endpoints), "commands": list(commands), "copies": copies}
        issued = self._api.ask(_Issued, "POST", "/orders", token=self._token(OFFICER), json=order)
        return MaterialIssued(
            request=issued.request,
            endpoints=issued.endpoints,
            signed_authorizations=issued.signed_authorizations,
            secure_commands=issued.secure_commands,
            keys=issued.keys,
        )

    def material_waiting(self, endpoint: str) -> MaterialWaiting:
        """See ``SecurityHeadEnd``."""
        path = f"/devices/{segment(endpoint)}/material"
        held = self._api.ask(_Waiting, "GET", path, token=self._token(OFFICER))
        return MaterialWaiting(
            endpoint=held.endpoint,
            signed_authorizations=held.signed_authorizations,
            secure_commands=held.secure_commands,
            keys=held.keys,
            commands=held.commands,
        )

    def set_permissions(self, user: str, commands: tuple[Command, ...]) -> UserSaved:
        """See ``SecurityHeadEnd``. What the user had before, he has again when the case ends."""
        if user not in self._permissions_before:
            path = f"/users/{segment(user)}/permissions"
            before = self._api.ask(_Permissions, "GET", path, token=self._token(ADMINISTRATOR))
            self._permissions_before[user] = before.commands
        saved = self._save(user, commands)
        return UserSaved(user=saved.user, permissions=saved.commands)

    # -- inside

    def _save(self, user: str, commands: tuple[Command, ...]) -> _Permissions:
        path = f"/users/{segment(user)}/permissions"
        body = {"commands": list(commands)}
        return self._api.ask(_Permissions, "PUT", path, token=self._token(ADMINISTRATOR), json=body)

    def _token(self, name: str) -> Secret:
        if name not in self._context.secrets:
            raise BenchError(f"{self._context.name}: the bench gives no secret {name}")
        return self._context.secrets[name]
