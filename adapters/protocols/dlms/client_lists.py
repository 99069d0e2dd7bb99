"""Requests about several objects at once: GET, SET and ACTION with a list."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from adapters.errors import LocalProtocolError
from adapters.protocols.dlms.apdu_action import ActionRequestWithList
from adapters.protocols.dlms.apdu_common import AttributeDescriptor, MethodDescriptor, SelectiveAccess
from adapters.protocols.dlms.apdu_get import GetRequestWithList
from adapters.protocols.dlms.apdu_set import SetRequestWithList
from adapters.protocols.dlms.axdr import length_octets
from adapters.protocols.dlms.client_events import Spoil
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import Conformance, DataType
from adapters.protocols.dlms.state import Event

Reference = tuple[AttributeDescriptor, SelectiveAccess | None]


class ListRequests(ABC):
    """What a client association asks for in lists. All raise LocalProtocolError, NotGranted among them."""

    @abstractmethod
    def _next_invoke(self, confirmed: bool) -> int: ...

    @abstractmethod
    def _require(self, event: Event, more: Conformance) -> None: ...

    @abstractmethod
    def _sent(
        self,
        apdu: bytes,
        event: Event,
        confirmed: bool,
        spoil: Spoil | None,
        split: tuple[int, int] | None = None,
        listed: int = 0,
    ) -> bytes: ...

    def get_list(
        self, attributes: Sequence[Reference], *, confirmed: bool = True, spoil: Spoil | None = None
    ) -> bytes:
        """Return a GET-Request with a list; the answer is GetListAnswered."""
        count = self._may(Event.GET_REQUEST, len(attributes), _needs(attributes))
        apdu = GetRequestWithList(invoke=self._next_invoke(confirmed), attributes=tuple(attributes)).encode()
        return self._sent(apdu, Event.GET_REQUEST, confirmed, spoil, listed=count)

    def set_list(
        self,
        attributes: Sequence[tuple[Reference, Data]],
        *,
        confirmed: bool = True,
        spoil: Spoil | None = None,
    ) -> bytes:
        """Return a SET-Request with a list, or its first block; the answer is SetListAnswered."""
        references = tuple(reference for reference, _ in attributes)
        count = self._may(Event.SET_REQUEST, len(attributes), _needs(references))
        invoke = self._next_invoke(confirmed)
        values = tuple(value for _, value in attributes)
        apdu = SetRequestWithList(invoke=invoke, attributes=references, values=values).encode()
        body_at = 3 + len(length_octets(count)) + sum(_size(*reference) for reference in references)
        return self._sent(apdu, Event.SET_REQUEST, confirmed, spoil, (body_at, body_at), count)

    def action_list(
        self,
        methods: Sequence[tuple[MethodDescriptor, Data | None]],
        *,
        confirmed: bool = True,
        spoil: Spoil | None = None,
    ) -> bytes:
        """Return an ACTION-Request with a list, or its first block; the answer is ActionListAnswered."""
        count = self._may(Event.ACTION_REQUEST, len(methods), Conformance(0))
        values = tuple(Data(DataType.NULL_DATA, None) if value is None else value for _, value in methods)
        apdu = ActionRequestWithList(
            invoke=self._next_invoke(confirmed), methods=tuple(method for method, _ in methods), values=values
        ).encode()
        body_at = 3 + len(length_octets(count)) + 9 * count
        return self._sent(apdu, Event.ACTION_REQUEST, confirmed, spoil, (body_at, body_at), count)

    def _may(self, event: Event, count: int, more: Conformance) -> int:
        if not count:
            raise LocalProtocolError("a list of nothing asks for nothing")
        self._require(event, Conformance.MULTIPLE_REFERENCES | more)
        return count


def _needs(references: Sequence[Reference]) -> Conformance:
    selects = any(selection is not None for _, selection in references)
    return Conformance.SELECTIVE_ACCESS if selects else Conformance(0)


def _size(attribute: AttributeDescriptor, selection: SelectiveAccess | None) -> int:
    return len(attribute.encode()) + 1 + (0 if selection is None else len(selection.encode()))
