"""A lab's test radio: speaks to secured endpoints directly, without the rules of a field tool.

What is below it is a ``RadioLink``; the one that ships speaks a stand-in, since the real air protocol is
licensed. No hardware has been tried. A command is never sent twice: where nothing comes back, the endpoint is
asked for its status instead, which every endpoint tells anybody (``docs/endpoint-link.md``).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from adapters.devices.endpoint_material import LabMaterial
from adapters.devices.endpoint_radio_link import FramedRadio, RadioLink, RadioTranscript
from adapters.errors import BenchError, LabError, ReadTimeout, Refused
from adapters.protocols.endpoint_link import readings
from adapters.protocols.endpoint_link.messages import (
    Answer,
    CloseSessionRequest,
    CommandRequest,
    DataAnswer,
    DoneAnswer,
    OpenSessionRequest,
    ReadRequest,
    RefusedAnswer,
    Request,
    SealedDataAnswer,
    SecureCommandRequest,
    SetLevelRequest,
    StatusAnswer,
    StatusRequest,
)
from adapters.protocols.endpoint_link.words import Command as Word
from adapters.protocols.endpoint_link.words import Level
from adapters.registry import AdapterContext
from adapters.roles import Identity
from adapters.roles.secured import (
    Command,
    CommandOutcome,
    EndpointStatus,
    MaterialFlaw,
    ReadingTaken,
    SecurityLevel,
)
from adapters.transports.http_transcript import HttpTranscript

SWITCHING = ("connect", "disconnect")
_Sent = SecureCommandRequest | OpenSessionRequest


class EndpointRadio:
    """A test radio on a bench. Its links open when they are first needed."""

    role: ClassVar[str] = "endpoint_radio"

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._radio = self.make_link(context)
        self._material = LabMaterial(context)
        self._sent: dict[str, list[_Sent]] = {}  # by endpoint, what went out with material
        self._heard: list[str] = []  # endpoints that have answered, the last one last
        self._opened: dict[str, None] = {}  # endpoints with a session we opened

    @classmethod
    def make_link(cls, context: AdapterContext) -> RadioLink:
        """Return the radio. A lab with a licensed one overrides this."""
        return FramedRadio(context)

    @classmethod
    def transcript(cls, options: object) -> RadioTranscript | HttpTranscript:
        """Return the decoder of this adapter's wire bytes."""
        http = isinstance(options, dict) and options.get("transport") == "http"
        return HttpTranscript() if http else RadioTranscript()

    # -- Device

    def identify(self) -> Identity:
        """Ask the radio itself; each endpoint is addressed by its own id in every request."""
        return self._radio.identify()

    def make_safe(self) -> None:
        """Lock again what this radio unlocked; an endpoint that does not hear locks by itself."""
        for endpoint in list(self._opened):
            try:
                self._ask(endpoint, CloseSessionRequest())
            except LabError:
                continue  # closed already, or out of reach
            finally:
                self._opened.pop(endpoint, None)

    def end_case(self) -> None:
        """Lock again, and forget what was sent: every case begins with what it sends itself."""
        self.make_safe()
        self._sent.clear()

    def close(self) -> None:
        """Close the links."""
        self._radio.close()
        self._material.close()

    # -- EndpointRadio

    def status(self, endpoint: str) -> EndpointStatus:
        """See ``EndpointRadio``."""
        return self._status(endpoint, self._ask(endpoint, StatusRequest()))

    def read(self, endpoint: str, flaw: MaterialFlaw = "") -> ReadingTaken:
        """See ``EndpointRadio``. What comes in the clear needs no key; the flaw makes no difference then."""
        answer = self._ask(endpoint, ReadRequest())
        if isinstance(answer, DataAnswer):
            found = readings.decode_reading(answer.reading)
            return ReadingTaken(endpoint=endpoint, decoded=True, consumption=found.consumption, at=found.at)
        assert isinstance(answer, SealedDataAnswer)  # the engine lets nothing else through
        key = self._material.reading_key(endpoint, flaw)
        opened = readings.unseal(answer.sealed, key, _number(endpoint)) if key is not None else None
        if opened is None:
            return ReadingTaken(endpoint=endpoint, decoded=False)
        return ReadingTaken(endpoint=endpoint, decoded=True, consumption=opened.consumption, at=opened.at)

    def send(self, endpoint: str, command: Command, flaw: MaterialFlaw = "none") -> CommandOutcome:
        """See ``EndpointRadio``. Raises BenchError for connect and disconnect: those are ``send_switch``."""
        if command in SWITCHING:
            raise BenchError(f"{self._context.name}: {command} moves a switch; use send_switch")
        if command == "read":
            return self._read_as_command(endpoint, flaw)
        return self._send(endpoint, command, flaw)

    def send_switch(
        self, endpoint: str, command: Literal["connect", "disconnect"], flaw: MaterialFlaw = ""
    ) -> CommandOutcome:
        """See ``EndpointRadio``."""
        return self._send(endpoint, command, flaw)

    def send_again(self, endpoint: str, back: int = 0) -> CommandOutcome:
        """See ``EndpointRadio``. Raises BenchError where nothing has been sent that could be sent again."""
        sent = self._sent.get(endpoint, [])
        if not 0 <= back < len(sent):
            raise BenchError(
                f"{self._context.name}: {len(sent)} pieces of material went to endpoint {endpoint} "
                f"in this case, so number {back} before the last cannot be sent again"
            )
        request = sent[-1 - back]
        if isinstance(request, SecureCommandRequest) and request.command.word in SWITCHING:
            self._context.permit("disconnect")  # an endpoint that is wrong would move its switch again
        return self._outcome(endpoint, self._ask(endpoint, request))

    def set_level(self, endpoint: str, level: SecurityLevel) -> EndpointStatus:
        """See ``EndpointRadio``."""
        return self._status(endpoint, self._ask(endpoint, SetLevelRequest(level=Level.of(level))))

    # -- inside

    def _send(self, endpoint: str, command: Command, flaw: MaterialFlaw) -> CommandOutcome:
        request = self._request(endpoint, command, flaw)
        if isinstance(request, SecureCommandRequest) or (
            isinstance(request, OpenSessionRequest) and request.material
        ):
            self._sent.setdefault(endpoint, []).append(request)
        outcome = self._outcome(endpoint, self._ask(endpoint, request))
        if command == "open_session":
            self._opened[endpoint] = None
        elif command == "close_session":
            self._opened.pop(endpoint, None)
        return outcome

    def _request(self, endpoint: str, command: Command, flaw: MaterialFlaw) -> Request:
        if command == "close_session":
            if flaw not in ("", "none"):
                raise BenchError(f"{self._context.name}: close_session takes no material to spoil")
            return CloseSessionRequest()
        if command == "open_session":
            if flaw == "none":
                return OpenSessionRequest()
            return OpenSessionRequest(material=self._material.for_command(endpoint, command, flaw))
        if flaw == "none":
            return CommandRequest(command=Word.of(command))
        octets = self._material.for_command(endpoint, command, flaw)
        return SecureCommandRequest(command=Word.of(command), material=octets)

    def _read_as_command(self, endpoint: str, flaw: MaterialFlaw) -> CommandOutcome:
        found = self.read(endpoint, flaw)
        return CommandOutcome(
            endpoint=endpoint,
            command="read",
            answered=True,
            replay=False,
            information=f"consumption {found.consumption}" if found.decoded else "",
            executions=-1,  # a reading counts none, and its answer tells none
        )

    def _ask(self, endpoint: str, request: Request) -> Answer:
        number = _number(endpoint)
        try:
            answer = self._radio.ask(number, request)
        except ReadTimeout as silence:
            raise self._silent(endpoint, request, silence) from silence
        if endpoint in self._heard:
            self._heard.remove(endpoint)
        self._heard.append(endpoint)
        if isinstance(answer, RefusedAnswer):
            raise Refused(answer.reason.word, f"endpoint {endpoint}")
        return answer

    def _silent(self, endpoint: str, request: Request, silence: ReadTimeout) -> LabError:
        """Return what the silence of an endpoint means: see ``docs/endpoint-link.md``."""
        if not isinstance(request, StatusRequest) and self._answers(endpoint):
            return Refused("no-answer", f"endpoint {endpoint} ignored it, and tells its status")
        try:
            self._radio.identify()
        except LabError:
            return silence
        others = [other for other in self._heard if other != endpoint]
        if others and self._answers(others[-1]):
            return Refused("no-answer", f"endpoint {endpoint} is silent; the radio and {others[-1]} are not")
        return silence

    def _answers(self, endpoint: str) -> bool:
        try:
            self._radio.ask(_number(endpoint), StatusRequest())
        except LabError:
            return False
        return True

    def _status(self, endpoint: str, answer: Answer) -> EndpointStatus:
        assert isinstance(answer, StatusAnswer)  # the engine lets nothing else through
        return EndpointStatus(
            endpoint=endpoint,
            type=answer.device_type,
            security_class=answer.security_class.word,
            level=answer.level.word,
            security_enabled=answer.security_enabled,
            modes=answer.modes,
            switch=answer.switch.word,
            executions=answer.executions,
            program_revision=answer.program_revision,
            tampers=answer.tampers,
            session_open=answer.session_open,
            session_timeout_s=answer.session_timeout_s,
        )

    def _outcome(self, endpoint: str, answer: Answer) -> CommandOutcome:
        assert isinstance(answer, DoneAnswer)  # the engine lets nothing else through
        return CommandOutcome(
            endpoint=endpoint,
            command=answer.command.word,
            answered=True,
            replay=answer.replay,
            information=answer.information,
            executions=answer.executions,
        )


def _number(endpoint: str) -> int:
    if not endpoint.isdecimal() or not 0 < int(endpoint) <= 0xFFFF_FFFF:
        raise BenchError(f"{endpoint!r} is no endpoint id: digits, up to {0xFFFF_FFFF}")
    return int(endpoint)
