"""A C12.18 session with a meter over one open wire: sign-on, questions and answers, and an orderly end.

Knows nothing of tables and profiles. What the wire and the meter do becomes one of the usual errors:

- the meter says no: ``Refused`` with the hyphenated name of its response code;
- it answers nonsense, or breaks the rules in packets whose checksums are right: ``RemoteProtocolError``;
- only damage came, or the meter took nothing that we sent: ``FrameDamaged``;
- nothing came: see below; the far end closed the wire: ``LinkLost``.

Silence is judged. After a request without an answer the session is in doubt (``c1218.link``): the request may
have been carried out, and its answer may be on its way. So the line is first left alone for a channel
time-out, after which a meter that obeys the standard is in its base state. Then comes the probe, an
identification: it reads nothing and changes nothing, it is the first thing any session may ask, and a meter
that still holds the old session answers ``isss``, which is as good a sign of life. Answered: the request was
ignored, ``Refused("silence")``. Not answered, or an answer came late: ``ReadTimeout``, the bench's business.
Either way the session is over, and the next one begins with ``open``.

Options of the link: ``timeout_s`` (how long an answer may take to begin), ``baud``, ``echo`` (the optical
head sends back what it hears) and ``identity`` (of the meter on a shared line).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from adapters.base import Clock
from adapters.devices.ansi_line import AnsiLine
from adapters.errors import (
    FrameDamaged,
    LabError,
    LinkLost,
    ReadTimeout,
    Refused,
    RemoteProtocolError,
    TransportError,
)
from adapters.protocols.c1218 import (
    EndReason,
    Parameters,
    ResponseMalformed,
    ResponseReceived,
    SessionLost,
    Spoil,
    State,
    Timing,
)
from adapters.protocols.c1218.codes import STANDARDS
from adapters.protocols.c1218.describe import describe_request
from adapters.protocols.c1218.services import (
    Identify,
    IdentifyResponse,
    Logoff,
    Logon,
    Negotiate,
    Request,
    Response,
    ResponseCode,
    Security,
    Terminate,
)
from adapters.registry import OpenedLink

_IN_SESSION = (State.LOGGED_ON, State.SECURED)
_SEQUENCE = ResponseCode.ISSS


@dataclass(frozen=True, kw_only=True)
class SessionGranted:
    """What the meter said when a session was opened. ``baud`` is 0 on a wire without line settings."""

    identification: IdentifyResponse
    packet_octets: int
    packets: int
    baud: int

    @property
    def standard(self) -> str:
        """Return ``c12.18``, ``c12.21`` or ``c12.22``; for a number that stands for none, that number."""
        number = self.identification.standard
        return STANDARDS.get(number, str(number))


class AnsiSession:
    """One session at a time over one open wire. ``name`` is the link's, for messages.

    ``timing`` has the meter's time-outs where they differ from the standard's; ``timeout_s`` of the link
    comes before its ``reply_s``.
    """

    def __init__(self, name: str, opened: OpenedLink, clock: Clock, *, timing: Timing | None = None) -> None:
        timing = timing if timing is not None else Timing()
        if "timeout_s" in opened.options:
            timing = replace(timing, reply_s=float(opened.options["timeout_s"]))
        self.name, self.opened = name, opened
        self._line = AnsiLine(name, opened, clock, timing)
        self._client = self._line.client
        self._lapsed = False  # the meter has let us know that it has no session of ours

    # -- what there is

    @property
    def is_open(self) -> bool:
        """True while a session is logged on, as far as we can know: an idle one runs out by itself."""
        self._line.let_time_pass()
        return self._line.open and not self._lapsed and self._client.state in _IN_SESSION

    @property
    def wire_open(self) -> bool:
        """True until the wire is closed, by us or by the far end; a new session then needs a new one."""
        return self._line.open

    @property
    def state(self) -> State:
        """Where the session is."""
        return self._client.state

    @property
    def parameters(self) -> Parameters:
        """What the session runs with."""
        return self._client.parameters

    @property
    def message_octets(self) -> int:
        """Return how many octets a message may have, in either direction."""
        return self._client.message_octets

    # -- a session

    def open(
        self,
        *,
        user_id: int = 0,
        user: str = "",
        password: bytes | None = None,
        password_user_id: int | None = None,
        negotiate: Negotiate | None = None,
    ) -> SessionGranted:
        """Identify, negotiate, log on and give the password; what is None is left out.

        A session that was open is ended first. A meter that knows no negotiation goes on with the defaults.
        Where the meter declines, or answers nonsense, the session is terminated again before the error is
        raised. Raises every error of this module; ``Refused("silence")`` only from the second service on.
        """
        self.end()
        identification = self._identified()
        try:
            if negotiate is not None:
                self._negotiate(negotiate)
            self.ask(Logon(user_id=user_id, user=user))
            if password is not None:
                self.ask(Security(password=password, user_id=password_user_id))
        except (Refused, RemoteProtocolError):
            self._give_up()
            raise
        parameters = self._client.parameters
        return SessionGranted(
            identification=identification,
            packet_octets=parameters.packet_octets,
            packets=parameters.packets,
            baud=parameters.baud if self._line.serial is not None else 0,
        )

    def ask(self, request: Request, *, spoil: Spoil | None = None) -> Response:
        """Return the meter's good answer to ``request``; ``spoil`` does one thing wrong on purpose.

        Raises Refused for any other, LocalProtocolError where no session allows the request (an idle one has
        run out), and every other error of this module.
        """
        response = self.exchange(request, spoil=spoil)
        if response.code is not ResponseCode.OK:
            raise _refused(request, response)
        return response

    def exchange(self, request: Request, *, spoil: Spoil | None = None) -> Response:
        """Return the meter's answer to ``request``, good or bad. Raises as ``ask`` does, but for refusals."""
        self._line.let_time_pass()
        outcome = self._line.run(request, spoil)
        if isinstance(outcome, SessionLost):
            raise self._judge(request, outcome)
        if isinstance(outcome, ResponseMalformed):
            raise self._malformed(outcome)
        response = outcome.response
        if response.code is _SEQUENCE and spoil is not Spoil.OUT_OF_SEQUENCE:
            self._lapsed = True
        return response

    def end(self) -> None:
        """Log off and terminate; harmless where nothing is open. A meter that falls silent is left alone.

        Raises Refused where it declines, RemoteProtocolError where it answers nonsense.
        """
        line, client = self._line, self._client
        if not line.open:
            return
        line.let_time_pass()
        try:
            if client.in_doubt:
                line.wait_for_quiet()
            if client.state in _IN_SESSION and not self._lapsed:
                self.ask(Logoff())
            if client.state is not State.BASE:
                self.ask(Terminate())
        except (TransportError, FrameDamaged) as error:
            line.tap.note(f"no orderly end of the session: {error}")
        except Refused as refusal:
            if refusal.reason != "silence":
                raise
            line.tap.note("the meter does not answer the end of the session")
        finally:
            self._lapsed = False

    def close(self) -> None:
        """End the session as far as the meter lets us, and close the wire. Raises nothing."""
        if self._line.open:
            self._end_quietly()
        self._line.close()

    def drop(self) -> None:
        """Close the wire without a word: whoever was at its other end is known to be gone."""
        self._line.close()

    # -- steps of a session

    def _identified(self) -> IdentifyResponse:
        """Begin a session, also with a meter that still holds another one."""
        line = self._line
        for attempt in (1, 2):
            outcome = line.run(Identify())
            if isinstance(outcome, ResponseMalformed):
                raise self._malformed(outcome)
            if isinstance(outcome, ResponseReceived):
                response = outcome.response
                if isinstance(response, IdentifyResponse):
                    return response
                if response.code is not _SEQUENCE or attempt == 2:
                    raise _refused(Identify(), response)
                line.tap.note("the meter still holds a session: ending it")
                self.ask(Terminate())
                continue
            late = self._packets_too_late(outcome)
            # Acknowledged and not answered: it may have taken ours for a copy of a packet it knew.
            if attempt == 2 or outcome.reason is not EndReason.NO_REPLY:
                raise self._error_of(Identify(), outcome, late, line.damaged)
        raise AssertionError("the second attempt ends in an answer or an error")

    def _negotiate(self, negotiate: Negotiate) -> None:
        if self._line.serial is None and negotiate.bauds:
            negotiate = replace(negotiate, bauds=())
        try:
            self.ask(negotiate)
        except Refused as refusal:
            if refusal.reason != ResponseCode.SNS.reason:
                raise
            self._line.tap.note("the meter knows no negotiation: the defaults stay")

    def _give_up(self) -> None:
        """Leave nothing open behind a session that could not be opened."""
        self._lapsed = True  # nothing to log off from
        self._end_quietly()

    def _end_quietly(self) -> None:
        try:
            self.end()
        except LabError as error:
            self._line.tap.note(f"no orderly end of the session: {error}")

    # -- what became of a request without an answer

    def _judge(self, request: Request, lost: SessionLost) -> LabError:
        """Say what became of a request without an answer; silence is judged by a probe."""
        damaged = self._line.damaged
        late = self._packets_too_late(lost)
        error = self._error_of(request, lost, late, damaged)
        if not isinstance(error, ReadTimeout) or late or not self._answers_a_probe():
            return error
        return Refused(
            "silence", f"{describe_request(request)} was ignored: {lost.why}; an identification was answered"
        )

    def _packets_too_late(self, lost: SessionLost) -> int:
        """Leave the line alone until it is quiet; return how many packets came meanwhile."""
        return 0 if lost.reason is EndReason.CLOSED else self._line.wait_for_quiet()

    def _answers_a_probe(self) -> bool:
        """Tell whether the meter answers anything at all, and leave it in its base state."""
        line = self._line
        try:
            for probe in (Identify(), Terminate()):
                outcome = line.run(probe)
                if isinstance(outcome, SessionLost):
                    self._packets_too_late(outcome)
                    return isinstance(probe, Terminate)
        except TransportError as error:
            line.tap.note(f"the probe failed: {error}")
            return False
        return True

    def _error_of(self, request: Request, lost: SessionLost, late: int, damaged: bytes) -> LabError:
        what, where = describe_request(request), f"link {self.name}"
        match lost.reason:
            case EndReason.CLOSED:
                return LinkLost(f"{where}: {what}: the meter closed the connection", received=damaged)
            case EndReason.PROTOCOL_ERROR:
                return RemoteProtocolError(
                    f"{where}: {what}: {lost.why}", data=lost.data, frame_intact=not lost.disturbed
                )
            case EndReason.NO_REPLY | EndReason.NO_ACKNOWLEDGE if late and not damaged:
                return ReadTimeout(
                    f"{where}: {what}: the answer came after the {self._client.timing.reply_s:g} s"
                    " it may take (timeout_s of the link)"
                )
            case EndReason.NO_REPLY | EndReason.NO_ACKNOWLEDGE if not damaged:
                return ReadTimeout(f"{where} is silent: {what}: {lost.why}")
        why = lost.why
        if lost.reason is EndReason.NOT_ACCEPTED:
            why += ": it hears us damaged (check the line settings and the cable)"
        return FrameDamaged(f"{where} garbles: {what}: {why}", data=damaged)

    def _malformed(self, malformed: ResponseMalformed) -> RemoteProtocolError:
        return RemoteProtocolError(
            f"link {self.name}: {describe_request(malformed.request)}: {malformed.why}",
            data=malformed.data,
            frame_intact=True,
        )


def _refused(request: Request, response: Response) -> Refused:
    code = response.code
    return Refused(code.reason, f"{describe_request(request)}: {code.short}", data=response.encode())
