"""A DLMS meter read out and programmed at its optical port by IEC 62056-21 mode C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from adapters.devices.dlms_services import DlmsServices
from adapters.devices.mode_c_session import ModeCSession
from adapters.errors import LabError, NotPermitted, ReadTimeout, Refused
from adapters.profiles.model import ModeCData
from adapters.protocols.dlms.spoiling import wrong_secret  # a near miss no transcript shows
from adapters.protocols.iec62056_21 import DataSet, Mode
from adapters.roles.dlms_mode_c import ModeCDone, ReadOut, ReadOutEntry

PASSWORD = "mode_c.password"  # the name of the secret, not the secret


class ModeCReading(DlmsServices):
    """The services of ``adapters.roles.dlms_mode_c``."""

    def mode_c_data(self) -> tuple[ModeCData, ...]:
        """Return the data sets the profile lists for a readout."""
        return self.profile.mode_c.data if self.profile.mode_c is not None else ()

    def read_out(self, link: str = "", address: str = "", ask_again: int = 0) -> ReadOut:
        """Read out the meter (see the role)."""
        with self._mode_c(link, Mode.READOUT, address=address, ask_again=ask_again) as session:
            try:
                messages = session.readout(1 + ask_again)
            except ReadTimeout as error:
                if address and self._answers_sign_on(link):
                    raise Refused("silence", f"no answer at address {address}; the port answers") from error
                raise
        first = messages[0]
        who = session.identification
        assert who is not None
        return ReadOut(
            manufacturer=who.manufacturer,
            identification=who.identification,
            baud=who.baud,
            count=len(first.data),
            data=tuple(
                ReadOutEntry(code=each.address, value=each.value, unit=each.unit) for each in first.data
            ),
            damaged=session.damaged,
            repeats=len(messages) - 1,
            repeats_agree="yes" if all(message == first for message in messages) else "no",
        )

    def read_by_mode_c(
        self,
        data: str,
        link: str = "",
        password: str = "none",
        leave: str = "break",
        idle_s: float = 0.0,
    ) -> ModeCDone:
        """Read one data set in programming mode (see the role)."""
        with self._mode_c(link, Mode.PROGRAMMING) as session:
            session.program()
            said = self._proved(session, password)
            self._clock.sleep_s(idle_s)
            answer = session.command("R", "1", DataSet(address=data))
            found = answer.data[0] if answer is not None and answer.data else DataSet()
            if leave == "break":
                session.leave()
            else:
                session.ended = "hung up"
        return ModeCDone(
            password=said,
            value=found.value,
            unit=found.unit,
            acknowledged=False,
            ended=session.ended,
        )

    def write_by_mode_c(self, data: str, value: str, link: str = "", password: str = "right") -> ModeCDone:
        """Write one data set in programming mode (see the role)."""
        with self._mode_c(link, Mode.PROGRAMMING) as session:
            session.program()
            said = self._proved(session, password)
            answer = session.command("W", "1", DataSet(address=data, value=value))
            session.leave()
        return ModeCDone(password=said, value="", unit="", acknowledged=answer is None, ended=session.ended)

    def guess_by_mode_c(self, link: str = "", attempts: int = 3) -> ModeCDone:
        """Present a wrong password so many times (see the role)."""
        said = ""
        with self._mode_c(link, Mode.PROGRAMMING) as session:
            session.program()
            for _ in range(attempts):
                said = self._prove(session, "wrong")
                if session.ended:
                    break
            session.leave()
        return ModeCDone(password=said, value="", unit="", acknowledged=False, ended=session.ended)

    # --- inside -----------------------------------------------------------------------------------------

    def _prove(self, session: ModeCSession, password: str) -> str:
        """Present the password; return ``accepted``, ``not given``, or how the meter turned it away."""
        if password == "none":
            return "not given"
        secret = self._context.secrets.get(PASSWORD)
        if secret is None:
            raise NotPermitted(f"device {self._context.name}: the bench gives no secret {PASSWORD}")
        text = _given(secret.reveal(), password).decode("ascii")
        try:
            session.command("P", "1", DataSet(value=text))
        except Refused as refusal:
            return refusal.detail
        return "accepted"

    def _proved(self, session: ModeCSession, password: str) -> str:
        """Present the password for a command to follow. Raises Refused where the meter breaks off for it."""
        said = self._prove(session, password)
        if session.ended:
            raise Refused("disconnected", said)
        return said

    def _answers_sign_on(self, link: str) -> bool:
        """Return whether the port answers a sign-on for anyone."""
        with self._mode_c(link, Mode.READOUT) as session:
            try:
                session.readout(1)
            except (ReadTimeout, Refused):
                return False
        return True

    @contextmanager
    def _mode_c(self, link: str, mode: Mode, address: str = "", ask_again: int = 0) -> Iterator[ModeCSession]:
        """Lend a session on a line nobody uses; afterwards the line is closed, and DLMS begins afresh."""
        link = link or self.default_link()
        line = self._connections.idle_line(link)
        session = ModeCSession(
            link, line.opened, self._clock, mode=mode, address=address, ask_again=ask_again
        )
        try:
            yield session
        finally:
            if mode is Mode.PROGRAMMING:
                with suppress(LabError):  # whatever went wrong: do not leave the head in a session
                    session.leave()
            self._connections.drop_link(link)


def _given(secret: bytes, password: str) -> bytes:
    """Return the password to be given: the right one, or one that only looks like it."""
    match password:
        case "wrong":
            return wrong_secret(secret)
        case "longer":
            return secret + secret[-1:]
        case "empty":
            return b""
    return secret
