"""GET, SET and ACTION with a list, on top of the single services of a meter's adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapters.devices import dlms_values
from adapters.devices.dlms_association import OpenAssociation
from adapters.devices.dlms_services import DlmsServices
from adapters.devices.dlms_values import Target
from adapters.errors import BenchError, ReadTimeout, Refused, RemoteProtocolError
from adapters.protocols.dlms.apdu_common import AttributeDescriptor, MethodDescriptor
from adapters.protocols.dlms.client import ClientAssociation
from adapters.protocols.dlms.client_events import (
    ActionAnswered,
    ActionListAnswered,
    ClientEvent,
    GetAnswered,
    GetListAnswered,
    SetAnswered,
    SetListAnswered,
)
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import DataAccessResult
from adapters.roles.dlms_lists import ListAnswered, ListItem

SUCCESS = DataAccessResult.SUCCESS.label


class DlmsListServices(DlmsServices):
    """The services with a list (see the role ``DlmsLists``)."""

    def get_list(self, items: Sequence[str], association: str = "") -> ListAnswered:
        """GET several attributes in one request."""
        opened = self._connections.find(association)
        targets = [self._attribute(item) for item in items]
        references = [(_descriptor(target, number), None) for target, number in targets]
        event = self._list_asked(opened, lambda application: application.get_list(references))
        if not isinstance(event, GetListAnswered):
            raise _refused_whole(event, "GET")
        return _answered(
            "get",
            [
                _value(item, target, number, result)
                for item, (target, number), result in zip(items, targets, event.results, strict=True)
            ],
        )

    def set_list(self, items: Sequence[str], values: Sequence[str], association: str = "") -> ListAnswered:
        """SET several attributes in one request."""
        if len(items) != len(values):
            raise BenchError(f"{len(values)} values for {len(items)} items")
        opened = self._connections.find(association)
        wanted: list[tuple[tuple[AttributeDescriptor, None], Data]] = []
        for item, value in zip(items, values, strict=True):
            target, number = self._attribute(item)
            self._permit(target, write=True)
            data = dlms_values.typed_value(self._type_of(opened, target, number), value, what=item)
            wanted.append(((_descriptor(target, number), None), data))
        event = self._list_asked(opened, lambda application: application.set_list(wanted))
        if not isinstance(event, SetListAnswered):
            raise _refused_whole(event, "SET")
        return _answered(
            "set",
            [
                ListItem(item=item, result=result.label)
                for item, result in zip(items, event.results, strict=True)
            ],
        )

    def action_list(
        self, items: Sequence[str], arguments: Sequence[str] = (), association: str = ""
    ) -> ListAnswered:
        """Invoke several methods in one request."""
        if arguments and len(items) != len(arguments):
            raise BenchError(f"{len(arguments)} arguments for {len(items)} items")
        opened = self._connections.find(association)
        wanted: list[tuple[MethodDescriptor, Data | None]] = []
        for place, item in enumerate(items):
            name, mark, method = item.partition("#")
            if not mark:
                raise BenchError(f"{item!r} names no method; write object#method")
            target = self._target(name)
            number = target.method(method)
            self._permit(target, method=number)
            argument = dlms_values.argument(arguments[place] if arguments else None, what=item)
            wanted.append((MethodDescriptor(target.class_id, target.instance_id, number), argument))
        event = self._list_asked(opened, lambda application: application.action_list(wanted))
        if not isinstance(event, ActionListAnswered):
            raise _refused_whole(event, "ACTION")
        return _answered(
            "action",
            [
                ListItem(
                    item=item,
                    result=outcome.result.label,
                    value=None if outcome.data is None else dlms_values.plain(outcome.data),
                    type="" if outcome.data is None else outcome.data.tag.label,
                )
                for item, outcome in zip(items, event.outcomes, strict=True)
            ],
        )

    def _attribute(self, item: str) -> tuple[Target, int]:
        name, mark, attribute = item.partition("#")
        target = self._target(name)
        return target, target.attribute(attribute if mark else "value")

    def _list_asked(
        self, opened: OpenAssociation, request: Callable[[ClientAssociation], bytes]
    ) -> ClientEvent:
        try:
            return opened.asked(request)
        except ReadTimeout as error:
            raise self._connections.explained(opened.line.name, error, own=opened) from error


def _descriptor(target: Target, number: int) -> AttributeDescriptor:
    return AttributeDescriptor(target.class_id, target.instance_id, number)


def _value(item: str, target: Target, number: int, result: Data | DataAccessResult) -> ListItem:
    if isinstance(result, DataAccessResult):
        return ListItem(item=item, result=result.label)
    read = dlms_values.attribute_value(target, str(number), number, result)
    return ListItem(item=item, result=SUCCESS, value=read.value, type=read.type)


def _answered(service: str, items: list[ListItem]) -> ListAnswered:
    return ListAnswered(
        service=service,
        results=tuple(item.result for item in items),
        values=tuple(item.value for item in items),
        items=tuple(items),
    )


def _refused_whole(event: ClientEvent, service: str) -> Exception:
    if isinstance(event, (GetAnswered, SetAnswered, ActionAnswered)) and event.result.label != SUCCESS:
        return Refused(event.result.label, f"{service} with a list")
    return RemoteProtocolError(f"{type(event).__name__} is no answer to a {service} with a list")
