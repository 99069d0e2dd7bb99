"""The sessions of one ANSI meter: at most one on a link, opened when first needed, at a password level.

A meter ends a session that is silent for its channel time-out. A plan does not see that: what it asks next
opens the session again, at the same level. Wrong passwords are given only where a plan asks for that flaw,
and once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from adapters.devices.ansi_session import AnsiSession, SessionGranted
from adapters.devices.ansi_tables import TableNames, Tables, Target
from adapters.errors import BenchError, LabError, Refused
from adapters.profiles.ansi import AnsiProfile
from adapters.protocols.c1218 import Timing
from adapters.protocols.c1218.services import Negotiate, Request, Response
from adapters.protocols.dlms.spoiling import wrong_secret
from adapters.registry import AdapterContext
from adapters.roles import SessionFlaw, SessionOpened
from adapters.yaml_messages import suggest

PASSWORD_OCTETS = 20


@dataclass(kw_only=True)
class OpenSession:
    """A session on a link, and the tables read in it; ``level`` is empty where no password was given."""

    link: str
    level: str
    session: AnsiSession
    tables: Tables
    granted: SessionGranted


class Connections:
    """Opens, keeps and ends sessions."""

    def __init__(self, context: AdapterContext, profile: AnsiProfile) -> None:
        self._context, self._profile = context, profile
        self._names = TableNames(profile)
        self._sessions: dict[str, OpenSession] = {}
        self._wires: dict[str, AnsiSession] = {}
        self._levels: dict[str, str] = {}  # what each link was opened at last, to go on with

    def default_link(self) -> str:
        """Return the bench's first link. Raises BenchError where there is none."""
        if not self._context.links:
            raise BenchError(f"device {self._context.name} has no link")
        return next(iter(self._context.links))

    def default_level(self) -> str:
        """Return the profile's level, or the first the bench holds a password of; empty where it has none."""
        held = [level for level in self._profile.levels if f"{level}.password" in self._context.secrets]
        return self._profile.default_level if self._profile.default_level in held else (held or [""])[0]

    def target(self, table: str) -> Target:
        """Return the table a plan names."""
        return self._names.target(table)

    def open(self, link: str = "", level: str = "", flaw: SessionFlaw = "") -> SessionOpened:
        """Open a session at ``level``, ending the one there was on the link.

        Raises BenchError for a link or level there is not or a password the bench does not hold, Refused
        where the meter declines.
        """
        link = self._link(link)
        level = "" if flaw == "no-security" else level or self.default_level()
        password = self._password(level, wrong=flaw == "wrong-password")
        opened = self._open(link, level, password)
        if flaw != "wrong-password":
            self._levels[link] = level
        granted = opened.granted
        return SessionOpened(
            link=link,
            standard=granted.standard,
            version=granted.identification.version,
            revision=granted.identification.revision,
            level=level,
            packet_octets=granted.packet_octets,
            packets=granted.packets,
            baud=granted.baud,
        )

    def find(self, link: str = "") -> OpenSession:
        """Return the session of a link, opened where there is none or where it has run out."""
        link = self._link(link or next(iter(self._sessions), ""))
        known = self._sessions.get(link)
        if known is not None and known.session.is_open:
            return known
        level = self._levels.get(link, self.default_level())
        return self._open(link, level, self._password(level))

    @contextmanager
    def at_default_level(self, link: str) -> Iterator[OpenSession]:
        """Put a session at the default level in the place of that on ``link``.

        However it ends, what is asked next opens a session at the level there was before.
        """
        level = self.default_level()
        try:
            yield self._open(link, level, self._password(level))
        finally:
            self._sessions.pop(link, None)

    def end(self, link: str = "") -> None:
        """Log off and terminate; what is asked next begins at the default level again."""
        link = self._link(link or next(iter(self._sessions), ""))
        self._levels.pop(link, None)
        known = self._sessions.pop(link, None)
        if known is not None:
            known.session.end()

    def end_all(self) -> None:
        """End every session; a meter that declines or does not answer is let go."""
        for link in list(self._sessions):
            known = self._sessions.pop(link)
            known.session.close()
            self._wires.pop(link, None)
        self._levels.clear()

    def drop_all(self) -> None:
        """Close every wire without a word: nobody listens at the other end any more."""
        self._sessions.clear()
        for wire in self._wires.values():
            wire.drop()
        self._wires.clear()

    def close(self) -> None:
        """End what is open and close every wire."""
        self.end_all()
        self.drop_all()

    # --- inside -----------------------------------------------------------------------------------------

    def _link(self, link: str) -> str:
        link = link or self.default_link()
        if link not in self._context.links:
            hint = suggest(link, self._context.links, "one of")
            raise BenchError(f"device {self._context.name} has no link {link!r}; {hint}")
        return link

    def _password(self, level: str, *, wrong: bool = False) -> bytes | None:
        if not level:
            return None
        if level not in self._profile.levels:
            hint = suggest(level, self._profile.levels, "one of")
            raise BenchError(f"profile {self._profile.profile} has no password level {level!r}; {hint}")
        secret = self._context.secrets.get(f"{level}.password")
        if secret is None:
            raise BenchError(
                f"the bench holds no password of {self._context.name} for level {level}: "
                f"add `secrets: {{{level}.password: env:...}}`"
            )
        password = wrong_secret(secret.reveal()) if wrong else secret.reveal()
        padding = b" " if self._profile.link.password_padding == "space" else b"\0"
        return password.ljust(PASSWORD_OCTETS, padding)

    def _open(self, link: str, level: str, password: bytes | None) -> OpenSession:
        self._sessions.pop(link, None)
        session = self._wire(link)
        rules = self._profile.link
        negotiate = None
        if rules.negotiate:
            faster = (rules.max_baud,) if rules.max_baud != rules.baud else ()
            negotiate = Negotiate(packet_octets=rules.packet_octets, packets=rules.packets, bauds=faster)
        try:
            granted = session.open(
                user_id=rules.user_id, user=rules.user, password=password, negotiate=negotiate
            )
        except LabError:
            if not session.wire_open:
                self._wires.pop(link, None)
            raise
        resumed = _Resumed(session, lambda: self._open(link, level, password))
        opened = OpenSession(
            link=link, level=level, session=session, tables=Tables(self._names, resumed), granted=granted
        )
        self._sessions[link] = opened
        return opened

    def _wire(self, link: str) -> AnsiSession:
        known = self._wires.get(link)
        if known is not None and known.wire_open:
            return known
        made = AnsiSession(
            f"{self._context.name}.{link}",
            self._context.open_link(link),
            self._context.clock,
            timing=Timing(channel_s=self._profile.link.channel_timeout_s),
        )
        self._wires[link] = made
        return made


class _Resumed:
    """A session that is opened again where the meter has lost it without our knowing (a power cut, say).

    The meter says so by ``invalid-service-sequence``; then it has not done what was asked, so that may be
    asked once more, whatever it is.
    """

    def __init__(self, session: AnsiSession, reopen: Callable[[], object]) -> None:
        self._session, self._reopen = session, reopen

    @property
    def message_octets(self) -> int:
        """See ``Session``."""
        return self._session.message_octets

    def ask(self, request: Request) -> Response:
        """See ``Session``."""
        try:
            return self._session.ask(request)
        except Refused as refusal:
            if refusal.reason != "invalid-service-sequence" or self._session.is_open:
                raise
        self._reopen()
        return self._session.ask(request)
