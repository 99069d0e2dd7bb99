"""The client end of an association, without I/O: requests come out as bytes, answers go in, events come out.

    association = ClientAssociation(settings, challenge=sixteen_random_octets)
    send(association.associate())
    event = association.receive(read())          # AssociationAccepted, HlsChallenge(reply), ...
    send(association.get(3, obis, 2))
    event = association.receive(read())          # GetAnswered(data), MoreBlocks(reply), ServiceRefused, ...

Every answer is checked: the state table says whether it may come at all, its invoke id must be the one asked
with, its ciphering must be what was agreed, its invocation counter fresh and its tag right. What breaks a
rule raises RemoteProtocolError and leaves the state as it was; the caller then calls ``give_up``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms import apdu as apdus
from adapters.protocols.dlms import apdu_other, axdr
from adapters.protocols.dlms.acse import Rlrq, decode_aare, decode_rlre
from adapters.protocols.dlms.apdu_action import (
    ActionResponse,
    ActionResponseNormal,
)
from adapters.protocols.dlms.apdu_common import SelectiveAccess
from adapters.protocols.dlms.apdu_gbt import HEAD_OCTETS, decode_general_block
from adapters.protocols.dlms.budget import DEFAULT, Budget, Work
from adapters.protocols.dlms.client_answers import WAITING, ServiceAnswers
from adapters.protocols.dlms.client_events import (
    ClientEvent,
    MoreBlocks,
    Negotiated,
    Notified,
    Released,
    ServiceRefused,
    Spoil,
)
from adapters.protocols.dlms.client_handshake import Handshake
from adapters.protocols.dlms.client_settings import ClientSettings
from adapters.protocols.dlms.client_transfer import (
    BlockFlaw,
    Collected,
    LongRequest,
    may_split,
    require,
)
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import (
    ApduTag,
    Conformance,
    MechanismId,
    ReleaseReason,
)
from adapters.protocols.dlms.gbt import BlockStream
from adapters.protocols.dlms.secure_channel import SecureChannel
from adapters.protocols.dlms.security import (
    SUITES,
    CounterReplayed,
    CounterWindow,
    InvocationCounter,
    SecurityMissing,
)
from adapters.protocols.dlms.spoiling import BLOCK_FLAWS, nothing_to_spoil, protect_spoiled
from adapters.protocols.dlms.state import BETWEEN_BLOCKS, Event, Role, State, next_state

_REQUEST = struct.Struct(">BBBH6sBB")
_MAY_BE_PLAIN = frozenset(
    {
        ApduTag.AARE, ApduTag.RLRE, ApduTag.EXCEPTION_RESPONSE, ApduTag.CONFIRMED_SERVICE_ERROR,
        ApduTag.DATA_NOTIFICATION, ApduTag.EVENT_NOTIFICATION_REQUEST,
    }
)  # fmt: skip
"""What a server may send unciphered even within a ciphered association; the event says that it did."""


_GENERAL_BLOCKS = int(Conformance.GENERAL_BLOCK_TRANSFER)
_NOTHING_MORE = Conformance(0)


class ClientAssociation(ServiceAnswers):
    """One association as its client sees it. ``challenge`` is the randomness HLS needs, handed over."""

    def __init__(self, settings: ClientSettings, challenge: bytes = b"", budget: Budget = DEFAULT) -> None:
        self.settings = settings
        self.budget = budget
        self.state = State.ASSOCIATED if settings.pre_established else State.IDLE
        self.channel: SecureChannel | None = None
        if settings.keys is not None and settings.system_title:
            self.channel = SecureChannel(
                suite=SUITES[settings.suite](settings.keys),
                own_title=settings.system_title,
                peer_title=settings.server_system_title,
                send=InvocationCounter(settings.invocation_counter),
                received=CounterWindow(settings.server_counter_minimum),
                control=settings.control,
                general=settings.general,
            )
        self._handshake = Handshake(settings, self.channel, challenge)
        self._invoke_id = 0
        self._pending = 0
        self._abandoned: set[int] = set()
        self._lenient = False
        self._expected_counter = 0
        self._collected = Collected(budget)
        self._raw = False  # whether the value asked for is wanted in its encoding
        self._long: LongRequest | None = None
        self._listed = 0  # how many results the list asked for has, 0 where no list was asked for
        self._flaw: BlockFlaw | None = None
        self._stream: BlockStream | None = None
        self._readers: dict[int, Callable[[bytes, bool], ClientEvent]] = {
            ApduTag.GET_RESPONSE: self._on_get_response,
            ApduTag.SET_RESPONSE: self._on_set_response,
            ApduTag.ACTION_RESPONSE: self._on_action_response,
            ApduTag.AARE: self._on_aare,
            ApduTag.RLRE: self._on_rlre,
            ApduTag.EXCEPTION_RESPONSE: self._on_refusal,
            ApduTag.CONFIRMED_SERVICE_ERROR: self._on_refusal,
            ApduTag.DATA_NOTIFICATION: self._on_notification,
            ApduTag.EVENT_NOTIFICATION_REQUEST: self._on_notification,
        }

    @property
    def negotiated(self) -> Negotiated | None:
        """What the server granted; None before an AARE accepted, and in a pre-established association."""
        return self._handshake.negotiated

    @property
    def server_challenge(self) -> bytes:
        """The challenge StoC of the last AARE; empty without HLS."""
        return self._handshake.server_challenge

    # -- requests ------------------------------------------------------------------------------------------

    def associate(self, spoil: Spoil | None = None) -> bytes:
        """Return the AARQ. Raises LocalProtocolError in another state than idle."""
        after = next_state(Role.CLIENT, self.state, Event.AARQ)
        if self.channel is not None:
            self.channel.dedicated = None
        aarq = self._handshake.aarq(spoil)
        self.state, self._lenient = after, spoil is Spoil.UNCIPHERED
        return aarq

    def release(self) -> bytes:
        """Return the RLRQ; in a ciphered association it carries a ciphered InitiateRequest."""
        after = next_state(Role.CLIENT, self.state, Event.RLRQ)
        information = b""
        if self.settings.ciphered and self.settings.protect_release and self.channel is not None:
            information = self.channel.protect(self._handshake.initiate_request(), general=False)
        self.state = after
        return Rlrq(reason=ReleaseReason.NORMAL, user_information=information).encode()

    def get(
        self,
        class_id: int,
        instance_id: bytes,
        attribute_id: int,
        selection: SelectiveAccess | None = None,
        *,
        confirmed: bool = True,
        spoil: Spoil | None = None,
        raw: bool = False,
    ) -> bytes:
        """Return a GET-Request for one attribute (``instance_id`` is the OBIS code, six octets).

        An unconfirmed GET awaits no answer. ``raw``: a value is wanted in its encoding, not decoded (the
        rows of a load profile have a decoder of their own). Raises LocalProtocolError in the wrong state.
        """
        self._require(Event.GET_REQUEST, _selects(selection))
        invoke = self._next_invoke(confirmed)
        self._raw = raw
        if selection is None:
            apdu = _request(0xC0, invoke, class_id, instance_id, attribute_id, 0)
        else:
            apdu = _request(0xC0, invoke, class_id, instance_id, attribute_id, 1) + selection.encode()
        return self._sent(apdu, Event.GET_REQUEST, confirmed, spoil)

    def set(
        self,
        class_id: int,
        instance_id: bytes,
        attribute_id: int,
        data: Data,
        selection: SelectiveAccess | None = None,
        *,
        confirmed: bool = True,
        spoil: Spoil | None = None,
    ) -> bytes:
        """Return a SET-Request for one attribute, or its first block. Raises LocalProtocolError."""
        self._require(Event.SET_REQUEST, _selects(selection))
        invoke = self._next_invoke(confirmed)
        head = _request(0xC1, invoke, class_id, instance_id, attribute_id, 0 if selection is None else 1)
        if selection is not None:
            head += selection.encode()
        split = len(head), len(head)
        return self._sent(head + axdr.encode_data(data), Event.SET_REQUEST, confirmed, spoil, split)

    def action(
        self,
        class_id: int,
        instance_id: bytes,
        method_id: int,
        data: Data | None = None,
        *,
        confirmed: bool = True,
        spoil: Spoil | None = None,
    ) -> bytes:
        """Return an ACTION-Request for one method, or its first block. Raises LocalProtocolError."""
        self._require(Event.ACTION_REQUEST, _NOTHING_MORE)
        invoke = self._next_invoke(confirmed)
        apdu = _request(0xC3, invoke, class_id, instance_id, method_id, 0 if data is None else 1)
        if data is not None:
            apdu += axdr.encode_data(data)
        return self._sent(apdu, Event.ACTION_REQUEST, confirmed, spoil, (12, 13))

    def give_up(self) -> None:
        """Stop waiting for an answer. A late one becomes StaleReply; a half-open association is closed."""
        after = next_state(Role.CLIENT, self.state, Event.GIVEN_UP)
        if self.state in WAITING or self.state in BETWEEN_BLOCKS:
            self._abandoned.add(self._pending)
        self._forget_blocks()
        self.state = after

    def link_down(self) -> None:
        """Take note that the lower layer is gone; invocation counters go on where they were."""
        self._forget_blocks()
        self._abandoned.clear()
        pre_established = self.settings.pre_established
        self.state = (
            State.ASSOCIATED if pre_established else next_state(Role.CLIENT, self.state, Event.LINK_DOWN)
        )

    def _next_invoke(self, confirmed: bool) -> int:
        self._invoke_id = self._invoke_id % 15 + 1
        return self._invoke_id | (0xC0 if confirmed else 0x80)

    def _require(self, event: Event, more: Conformance) -> None:
        # Where no service may come at all, the table has the better word for it.
        if self.state is State.ASSOCIATED:
            if self.settings.key_way is not None:
                more = more | Conformance.GENERAL_PROTECTION
            require(self._handshake.negotiated, event, more)

    def _sent(
        self,
        apdu: bytes,
        event: Event,
        confirmed: bool,
        spoil: Spoil | None,
        split: tuple[int, int] | None = None,
        listed: int = 0,
    ) -> bytes:
        after = next_state(Role.CLIENT, self.state, event if confirmed else Event.UNCONFIRMED_REQUEST)
        invoke_id = apdu[2] & 0x0F
        granted, long, stream = self._handshake.negotiated, None, None
        room = 0 if granted is None or not granted.max_pdu else granted.max_pdu - self._overhead
        flaw = None
        if spoil in BLOCK_FLAWS:
            flaw, spoil = BlockFlaw(spoil=spoil, event=event, about=apdu[3:11]), None
        too_long = room and len(apdu) > room
        general = confirmed and (too_long or self.settings.window) and self._speaks_general_blocks
        in_blocks = too_long and confirmed and split and may_split(granted, event)
        if in_blocks and split and not (general and self.settings.window):
            long = LongRequest.of(apdu, *split, room)
            apdu = long.next_block()
        if flaw is not None and (
            listed or not confirmed or (long is None and event is not Event.GET_REQUEST)
        ):
            raise nothing_to_spoil(flaw.spoil, "a request that goes in one piece")
        apdu = self._protected(apdu, spoil)
        if general and long is None:
            stream = self._new_stream()
            apdu = stream.send(apdu)[0]
        if granted is not None and granted.max_pdu and len(apdu) > granted.max_pdu:
            raise LocalProtocolError(
                f"an APDU of {len(apdu)} octets where the server takes {granted.max_pdu}"
                " and granted no block transfer for it"
            )
        if confirmed:
            self._pending = invoke_id
            self._abandoned.discard(invoke_id)
            self._long, self._listed, self._flaw, self._stream = long, listed, flaw, stream
        self._lenient = spoil is Spoil.UNCIPHERED
        self.state = after
        return apdu

    @property
    def _overhead(self) -> int:
        """How many octets ciphering adds to an APDU, at most."""
        return self.channel.overhead if self.settings.ciphered and self.channel is not None else 0

    def _protected(self, apdu: bytes, spoil: Spoil | None = None) -> bytes:
        if self.settings.ciphered and self.channel is not None:
            if spoil is None:
                return self.channel.protect(apdu)
            assert self.settings.keys is not None
            return protect_spoiled(self.channel, self.settings.keys, apdu, spoil)
        if spoil is not None:
            raise nothing_to_spoil(spoil, "an unciphered association")
        return apdu

    # -- general block transfer ----------------------------------------------------------------------------

    @property
    def _speaks_general_blocks(self) -> bool:
        granted = self._handshake.negotiated
        conformance = self.settings.conformance if granted is None else granted.conformance
        return bool(int(conformance) & _GENERAL_BLOCKS)

    def _new_stream(self) -> BlockStream:
        granted = self._handshake.negotiated
        size = (granted.max_pdu if granted is not None else 0) or 0xFFFF
        return BlockStream(size=size - HEAD_OCTETS, window=self.settings.window or 1, at_once=1)

    def ask_again(self) -> bytes:
        """Return what to send where general blocks were expected and none came; empty where none were."""
        return self._stream.again()[0] if self._stream is not None else b""

    def _on_general_block(self, apdu: bytes) -> ClientEvent:
        if not self._speaks_general_blocks:
            raise RemoteProtocolError("a general block where none were agreed on", data=apdu)
        block = decode_general_block(apdu, Work(self.budget, len(apdu)))
        stream = self._stream or self._new_stream()
        step = stream.receive(block)
        self._stream = stream
        if step.whole is None:
            reply = step.replies[0] if step.replies else b""
            return MoreBlocks(reply=reply, block_number=block.number, octets=stream.octets)
        self._stream = None
        return self._received(step.whole)

    # -- answers -------------------------------------------------------------------------------------------

    def receive(self, apdu: bytes, intact: bool = False) -> ClientEvent:
        """Take one APDU from the server and tell what it means.

        ``intact`` is True where an end-to-end checksum vouches for the bytes. Raises RemoteProtocolError
        (with the bytes) for what the protocol forbids; the state is then what it was.
        """
        try:
            return self._on_general_block(apdu) if apdu[:1] == b"\xe0" else self._received(apdu)
        except RemoteProtocolError as error:
            error.frame_intact = intact or (error.frame_intact and isinstance(error, CounterReplayed))
            error.data = error.data or bytes(apdu)
            raise

    def _received(self, apdu: bytes) -> ClientEvent:
        tag = apdu[0] if apdu else -1
        ciphered = tag in apdus.CIPHERED_TAGS
        if ciphered:
            if self.channel is None or not self.settings.ciphered:
                raise RemoteProtocolError("a ciphered APDU in an unciphered association", data=apdu)
            unprotected = self.channel.unprotect(apdu)
            apdu, self._expected_counter = unprotected.apdu, unprotected.expected
            tag = apdu[0]
        elif self.settings.ciphered and tag not in _MAY_BE_PLAIN and not self._lenient:
            raise SecurityMissing("an unciphered APDU in a ciphered association", data=apdu)
        reader = self._readers.get(tag)
        if reader is None:
            decoded = apdus.decode(apdu, self.budget)  # raises where even the tag is wrong
            raise RemoteProtocolError(f"a server does not send {type(decoded).__name__}", data=apdu)
        return reader(apdu, ciphered)

    def _on_proof(self, answer: ActionResponse, ciphered: bool) -> ClientEvent:
        self._check_invoke(answer.invoke_id)
        if not isinstance(answer, ActionResponseNormal):
            raise RemoteProtocolError("an HLS proof is answered in one piece")
        expected = self._expected_counter if ciphered else self._server_counter()
        event, told = self._handshake.confirmed(answer, expected)
        self.state = next_state(Role.CLIENT, self.state, event)
        return told

    def _server_counter(self) -> int:
        return 0 if self.channel is None else self.channel.received.expected

    def _on_aare(self, apdu: bytes, _ciphered: bool) -> ClientEvent:
        # Asked first, so that an AARE nobody waits for cannot move an invocation counter.
        next_state(Role.CLIENT, self.state, Event.AARE_ACCEPTED)
        aare = decode_aare(apdu, Work(self.budget, len(apdu)))
        event, told = self._handshake.answered(aare, lambda: self._next_invoke(True))
        after = next_state(Role.CLIENT, self.state, event)
        if event is Event.AARE_HLS:
            self._pending = self._invoke_id
            after = next_state(Role.CLIENT, after, Event.HLS_PROOF)
        self.state = after
        return told

    def _on_rlre(self, apdu: bytes, _ciphered: bool) -> ClientEvent:
        rlre = decode_rlre(apdu, Work(self.budget, len(apdu)))
        self.state = next_state(Role.CLIENT, self.state, Event.RLRE)
        return Released(reason=rlre.reason)

    def _on_refusal(self, apdu: bytes, ciphered: bool) -> ClientEvent:
        work = Work(self.budget, len(apdu))
        refusal: apdus.ExceptionResponse | apdus.ConfirmedServiceError
        if apdu[0] == ApduTag.EXCEPTION_RESPONSE:
            refusal = apdu_other.decode_exception_response(apdu, work)
        else:
            refusal = apdu_other.decode_confirmed_service_error(apdu, work)
        self.state = next_state(Role.CLIENT, self.state, Event.EXCEPTION)
        self._forget_blocks()
        return ServiceRefused(refusal=refusal, ciphered=ciphered)

    def _on_notification(self, apdu: bytes, ciphered: bool) -> ClientEvent:
        work = Work(self.budget, len(apdu))
        notification: apdus.DataNotification | apdus.EventNotification
        if apdu[0] == ApduTag.DATA_NOTIFICATION:
            notification = apdu_other.decode_data_notification(apdu, work)
        else:
            notification = apdu_other.decode_event_notification(apdu, work)
        self.state = next_state(Role.CLIENT, self.state, Event.NOTIFICATION)
        return Notified(notification=notification, ciphered=ciphered)

    def __repr__(self) -> str:
        mechanism: MechanismId = self.settings.mechanism
        return f"ClientAssociation({mechanism.label}, {self.state.value}, ciphered={self.settings.ciphered})"


def _selects(selection: SelectiveAccess | None) -> Conformance:
    return _NOTHING_MORE if selection is None else Conformance.SELECTIVE_ACCESS


def _request(tag: int, invoke: int, class_id: int, instance_id: bytes, item_id: int, optional: int) -> bytes:
    if len(instance_id) != 6:
        raise LocalProtocolError(f"an OBIS code has 6 octets, not {len(instance_id)}")
    try:
        return _REQUEST.pack(tag, 1, invoke, class_id, instance_id, item_id & 0xFF, optional)
    except struct.error:
        raise LocalProtocolError(f"class {class_id} or attribute {item_id} does not fit its field") from None
