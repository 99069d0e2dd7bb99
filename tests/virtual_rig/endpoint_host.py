"""A lab among secured endpoints: its own security manager, its handhelds, and the air between; all in octets.

Nothing here is the product's ISM: material is signed with a key of the test, so that an endpoint is judged
by what it does with it and not by what somebody else's server would issue.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from adapters.protocols.endpoint_link import material, messages
from adapters.protocols.endpoint_link.client import Answered, RadioClient
from adapters.protocols.endpoint_link.messages import (
    DoneAnswer,
    RefusedAnswer,
    StatusAnswer,
)
from adapters.protocols.endpoint_link.readings import Reading, decode_reading, unseal
from adapters.protocols.endpoint_link.signing import PrivateKey, PublicKey
from adapters.protocols.endpoint_link.words import Command, Level, SecurityClass, Switch
from virtual_rig.clock import VirtualClock
from virtual_rig.secured.air import Air
from virtual_rig.secured.endpoint import EndpointSetup, SecuredEndpoint
from virtual_rig.world import World

BASIC, ENHANCED, COMMAND, FULL, NETWORK, WATER = 1, 2, 3, 4, 5, 8
SHORT_S, LONG_S = 60, 28_800

SETUPS = (
    EndpointSetup(
        id=BASIC,
        type="electric-meter",
        security_class=SecurityClass.BASIC,
        level=Level.BASIC,
        consumption=1111,
        tampers=2,
    ),
    EndpointSetup(
        id=ENHANCED,
        type="electric-meter",
        security_class=SecurityClass.ENHANCED,
        level=Level.READY_TO_SECURE,
        consumption=2222,
        tampers=2,
    ),
    EndpointSetup(
        id=COMMAND,
        type="electric-meter",
        security_class=SecurityClass.ENHANCED,
        level=Level.COMMAND_SECURITY,
        consumption=3333,
        tampers=2,
    ),
    EndpointSetup(
        id=FULL,
        type="electric-meter",
        security_class=SecurityClass.ENHANCED,
        level=Level.FULL_SECURITY,
        consumption=4444,
        tampers=2,
    ),
    EndpointSetup(
        id=NETWORK,
        type="electric-meter",
        security_class=SecurityClass.NETWORK_MODE,
        level=Level.NETWORK_MODE,
        session_timeout_s=SHORT_S,
        consumption=5555,
        tampers=2,
    ),
    EndpointSetup(
        id=WATER,
        type="water-ert",
        security_class=SecurityClass.ENHANCED,
        level=Level.COMMAND_SECURITY,
        switch=Switch.NONE,
        readable=False,
        false_replay=(1,),
    ),
)


class Authority:
    """A ``SecurityAuthority`` of the test's own."""

    issuer = 7

    def __init__(self, seed: bytes = bytes(range(32))) -> None:
        self.private_key = PrivateKey(seed)
        self.public_key: PublicKey = self.private_key.public_key

    def reading_key(self, endpoint: int) -> bytes:
        """See ``SecurityAuthority``."""
        return bytes((endpoint,)) * 16


@dataclass
class Lab:
    """The endpoints of ``SETUPS`` with one behaviour broken, or none."""

    broken: str = ""
    clock: VirtualClock = field(default_factory=VirtualClock)
    authority: Authority = field(default_factory=Authority)
    numbers: int = 0
    radios: dict[str, RadioClient] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ids = frozenset({self.broken}) if self.broken else frozenset()
        self.world = World(scheduler=self.clock, broken=ids)
        self.air = Air(self.clock)
        for setup in SETUPS:
            self.air.add(SecuredEndpoint(setup, world=self.world, authority=self.authority))

    def close(self) -> None:
        """Take the world down."""
        self.clock.close()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what goes over the air

    def ask(self, endpoint: int, request: messages.Request, sender: str = "A") -> messages.Answer | None:
        """Send a request from a handheld; None where nothing comes back."""
        radio = self.radios.setdefault(sender, RadioClient())
        self.air.exchange(radio.request(endpoint, request), sender, radio.receive_data)
        self.clock.sleep_s(1)
        event = radio.next_event()
        if event is None:
            radio.give_up()
            return None
        assert isinstance(event, Answered)
        return event.answer

    def status(self, endpoint: int) -> StatusAnswer:
        """Return what an endpoint tells anybody."""
        answer = self.ask(endpoint, messages.StatusRequest())
        assert isinstance(answer, StatusAnswer)
        return answer

    def read(self, endpoint: int, key: bytes | None = None) -> Reading | str | None:
        """Return a reading, the word of a refusal, or None where it cannot be decoded."""
        answer = self.ask(endpoint, messages.ReadRequest())
        match answer:
            case messages.DataAnswer():
                return decode_reading(answer.reading)
            case messages.SealedDataAnswer():
                return unseal(answer.sealed, key, endpoint) if key is not None else None
            case RefusedAnswer():
                return answer.reason.word
        raise AssertionError(answer)

    def unsigned(self, endpoint: int, command: Command) -> DoneAnswer | str:
        """Send a command without material."""
        return said(self.ask(endpoint, messages.CommandRequest(command=command)))

    def secure(
        self, endpoint: int, command: Command, piece: material.SecureCommand | None = None, sender: str = "A"
    ) -> DoneAnswer | str:
        """Send a secure command, a fresh one where none is given."""
        octets = (piece or self.command(endpoint, command)).encode()
        request = messages.SecureCommandRequest(command=command, material=octets)
        return said(self.ask(endpoint, request, sender))

    def open(
        self, endpoint: int, piece: material.SignedAuthorization | None = None, sender: str = "A"
    ) -> DoneAnswer | str:
        """Open a session, with a fresh authorization where none is given."""
        octets = (piece or self.authorization(endpoint)).encode()
        return said(self.ask(endpoint, messages.OpenSessionRequest(material=octets), sender))

    def set_level(self, endpoint: int, level: Level) -> StatusAnswer | str:
        """Ask for another level."""
        answer = self.ask(endpoint, messages.SetLevelRequest(level=level))
        if isinstance(answer, RefusedAnswer):
            return answer.reason.word
        assert isinstance(answer, StatusAnswer)
        return answer

    # -- material

    def command(self, endpoint: int, command: Command, **changed: Any) -> material.SecureCommand:
        """Return a fresh secure command."""
        fields = {**self._head(endpoint), "command": command, **changed}
        return material.sign(material.SecureCommand(**fields), self.authority.private_key)

    def authorization(self, endpoint: int, **changed: Any) -> material.SignedAuthorization:
        """Return a fresh signed authorization, valid for the longest session there is."""
        fields = {**self._head(endpoint), "timeout_s": LONG_S, **changed}
        return material.sign(material.SignedAuthorization(**fields), self.authority.private_key)

    def _head(self, endpoint: int) -> dict[str, Any]:
        self.numbers += 1
        return {
            "issuer": self.authority.issuer,
            "endpoint": endpoint,
            "number": self.numbers,
            "not_after": self.clock.utc_now() + timedelta(days=1),
        }


def said(answer: messages.Answer | None) -> DoneAnswer | str:
    """Return what came of a command: the answer, or the word of a refusal; ``silence`` for none."""
    match answer:
        case None:
            return "silence"
        case RefusedAnswer():
            return answer.reason.word
        case DoneAnswer():
            return answer
    raise AssertionError(answer)


def done(answer: DoneAnswer | str) -> bool:
    """Tell whether a command was carried out, and not as a replay."""
    return isinstance(answer, DoneAnswer) and not answer.replay
