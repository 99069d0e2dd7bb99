"""Automation of a handheld with Field Tools, as if over USB. No real one is known to have it: all is assumed.

Each operation is something a person does at the screen, in the words of the screen. What the tool does with
an endpoint takes as long as the air takes: such operations answer 202 with a job, and the job is asked for
until it is done. No key, no material and no password ever comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Final, Literal

from fastapi import Depends, FastAPI
from pydantic import Field

from adapters.errors import Refused
from adapters.protocols.endpoint_link.words import Command
from virtual_rig.head_ends.fdm_bodies import (
    MAX_DEVICES,
    About,
    CommandWord,
    Counts,
    EndpointId,
    Listed,
    RigModel,
    counted,
    ids,
    words,
)
from virtual_rig.head_ends.problems import answer_refusals, bearer_wanted, refusals
from virtual_rig.head_ends.validation import answer_misunderstandings
from virtual_rig.secured.conversation import Talk
from virtual_rig.secured.fdm import Wanted
from virtual_rig.secured.field_work import Outcome
from virtual_rig.secured.handheld import INPUTS, Handheld
from virtual_rig.servers.asgi import new_app

STATUSES: Final = {
    "wrong-password": 401,
    "not-logged-in": 401,
    "not-permitted": 403,
    "not-listed": 403,
    "unknown-job": 404,
    "no-connection": 503,
    "no-answer": 504,
}
JOBS_KEPT = 100
AT_THE_DEVICE: Final = (
    "not-logged-in", "busy", "not-listed", "not-on-menu", "not-permitted", "no-material", "no-answer",
    "secure-command-required", "session-required", "key-required", "bad-authorization", "expired",
    "not-available", "malformed",
)  # fmt: skip


class Credentials(RigModel):
    """A user at the screen."""

    user: str = Field(min_length=1, max_length=60)
    password: str = Field(max_length=200, repr=False)


class User(RigModel):
    """Who is logged in."""

    user: str


class Network(RigModel):
    """Whether the tool is connected to its server."""

    online: bool


class RequestScreen(RigModel):
    """The Request Commands function as it opens."""

    tabs: tuple[str, ...]
    inputs: tuple[str, ...] = Field(description="What the Request tab asks for.")


class DevicesListed(RigModel):
    """What is typed into the Request tab."""

    devices: tuple[Listed, ...] = Field(min_length=1, max_length=MAX_DEVICES)


class Retrieved(Counts):
    """What the Request tab says after a retrieval."""

    endpoints: tuple[EndpointId, ...] = Field(description="Those material came for.")
    not_needed: tuple[EndpointId, ...]
    not_found: tuple[EndpointId, ...]
    permitted: tuple[CommandWord, ...] = Field(description="The commands this user may perform.")


class CurrentCommand(RigModel):
    """A line of the Current Commands tab."""

    endpoint: EndpointId
    command: CommandWord


class CurrentCommands(RigModel):
    """The Current Commands tab."""

    entries: tuple[CurrentCommand, ...]


class JobStarted(RigModel):
    """The tool is at it."""

    job: str


class Shown(RigModel):
    """What the screen shows after a command."""

    endpoint: EndpointId
    command: CommandWord
    replay: bool = Field(description="The endpoint says the command had been used before.")
    information: str = Field(description="What the endpoint sent back.")
    executions: int = Field(description="The execution count in the answer; -1 where it tells none.")
    typed: tuple[Literal["reading-key"], ...] = Field(description="What the user was asked to type in.")


class Job(RigModel):
    """How far a job is."""

    done: bool
    menu: tuple[CommandWord, ...] | None = None
    outcome: Shown | None = None


class _Jobs:
    """The latest jobs of one handheld."""

    def __init__(self) -> None:
        self._talks: dict[str, Talk[Any]] = {}
        self._numbers = count(1)

    def start(self, begin: Callable[[], Talk[Any]]) -> JobStarted:
        """Begin a talk and keep it. Raises Refused."""
        talk, name = begin(), f"J{next(self._numbers):05d}"
        self._talks[name] = talk
        for old in list(self._talks)[:-JOBS_KEPT]:
            del self._talks[old]
        return JobStarted(job=name)

    def look(self, name: str) -> Job:
        """Return how far a job is. Raises Refused as the job was, or ``unknown-job``."""
        talk = self._talks.get(name)
        if talk is None:
            raise Refused("unknown-job", f"no job is called {name}")
        if talk.refusal is not None:
            raise Refused(talk.refusal.reason, talk.refusal.detail)
        if isinstance(talk.result, Outcome):
            return Job(done=True, outcome=_shown(talk.result))
        return Job(done=talk.done, menu=words(talk.result) if talk.result is not None else None)


def make_handheld_app(tool: Handheld, token: str, about: About) -> FastAPI:
    """Return the application."""
    app = new_app(
        "Field Tools handheld (automation, a stand-in)",
        description="Assumed from end to end: what the pages say a user sees and does, as operations. "
        "Refusals are problem documents with a `reason`.",
    )
    answer_refusals(app, STATUSES)
    answer_misunderstandings(app)
    trusted = [Depends(bearer_wanted((token,)))]
    _add_user(app, tool, trusted, about)
    _add_request_commands(app, tool, trusted)
    _add_work(app, tool, trusted)
    return app


def _add_user(app: FastAPI, tool: Handheld, trusted: list[Any], about: About) -> None:
    @app.get("/about", dependencies=trusted, responses=refusals(STATUSES, "not-permitted"))
    async def about_the_tool() -> About:
        """Say which handheld this is."""
        return about

    @app.post(
        "/log-in",
        dependencies=trusted,
        responses=refusals(STATUSES, "not-permitted", "wrong-password", "no-connection"),
    )
    async def log_in(credentials: Credentials) -> User:
        """Log a user in. Assumed: this takes a connection, and starts with an empty store of material."""
        return User(user=tool.log_in(credentials.user, credentials.password))

    @app.post("/log-out", dependencies=trusted, responses=refusals(STATUSES, "not-permitted"))
    async def log_out() -> User:
        """Log the user out and forget his material."""
        tool.log_out()
        return User(user="")

    @app.get("/network", dependencies=trusted, responses=refusals(STATUSES, "not-permitted"))
    async def network() -> Network:
        """Say whether the tool is connected."""
        return Network(online=tool.online)

    @app.put("/network", dependencies=trusted, responses=refusals(STATUSES, "not-permitted"))
    async def set_network(wanted: Network) -> Network:
        """Connect the tool to its network, or cut it off as when driving out of coverage."""
        return Network(online=tool.set_network(online=wanted.online))


def _add_request_commands(app: FastAPI, tool: Handheld, trusted: list[Any]) -> None:
    at_the_screen = refusals(STATUSES, "not-permitted", "not-logged-in")

    @app.get("/screens/request-commands", dependencies=trusted, responses=at_the_screen)
    async def request_screen() -> RequestScreen:
        """Open the Request Commands function."""
        return RequestScreen(tabs=tool.tabs(), inputs=INPUTS)

    @app.post(
        "/screens/request-commands/request",
        dependencies=trusted,
        responses=refusals(STATUSES, "not-permitted", "not-logged-in", "no-connection"),
    )
    async def request_commands(listed: DevicesListed) -> Retrieved:
        """List devices by id and type in the Request tab, and retrieve their material from the server."""
        wanted = (Wanted(endpoint=int(each.id), device_type=each.type) for each in listed.devices)
        bundle = tool.request(wanted)
        return Retrieved(
            endpoints=ids(bundle.endpoints),
            not_needed=ids(bundle.not_needed),
            not_found=ids(bundle.not_found),
            permitted=words(bundle.permitted),
            **counted(bundle.material),
        )

    @app.get("/screens/request-commands/current", dependencies=trusted, responses=at_the_screen)
    async def current_commands() -> CurrentCommands:
        """Open the Current Commands tab: what can be used, and on which device.

        Assumed: an authorization shows as `open_session`, a reading key as `read`.
        """
        return CurrentCommands(
            entries=tuple(
                CurrentCommand.model_validate(
                    {"endpoint": f"{entry.endpoint:08d}", "command": entry.command.word}
                )
                for entry in tool.current_commands()
            )
        )


def _add_work(app: FastAPI, tool: Handheld, trusted: list[Any]) -> None:
    jobs = _Jobs()
    starting = refusals(STATUSES, "not-permitted", "not-logged-in", "busy")

    @app.post("/endpoints/{endpoint}/menu", status_code=202, dependencies=trusted, responses=starting)
    async def look_at_menu(endpoint: EndpointId) -> JobStarted:
        """Open the action command menu of a device; what it offers, the job says."""
        return jobs.start(lambda: tool.look_at_menu(int(endpoint)))

    @app.post(
        "/endpoints/{endpoint}/commands/{command}",
        status_code=202,
        dependencies=trusted,
        responses=starting,
    )
    async def perform(endpoint: EndpointId, command: CommandWord) -> JobStarted:
        """Perform a command of the action menu; what came of it, the job says.

        The tool uses the material it has by itself, and opens a session where the device wants one.
        """
        return jobs.start(lambda: tool.perform(int(endpoint), Command.of(command)))

    @app.get(
        "/jobs/{job}",
        dependencies=trusted,
        responses=refusals(STATUSES, "unknown-job", *AT_THE_DEVICE),
    )
    async def look_at_job(job: str) -> Job:
        """Say how far a job is; refused as the job was."""
        return jobs.look(job)


def _shown(outcome: Outcome) -> Shown:
    return Shown.model_validate(
        {
            "endpoint": f"{outcome.endpoint:08d}",
            "command": outcome.command.word,
            "replay": outcome.replay,
            "information": outcome.information,
            "executions": outcome.executions,
            "typed": outcome.typed,
        }
    )
