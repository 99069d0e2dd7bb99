"""What every part of a DLMS meter's adapter stands on: associations, GET, SET, ACTION, and who is to blame.

What the meter declines in its protocol's words becomes ``Refused``; a request it ignores on a link that
answers a probe right afterwards is ``Refused("silence")``; a link that does not answer the probe either is
a matter of the bench (``ReadTimeout``).
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.devices import dlms_values
from adapters.devices.dlms_association import OpenAssociation, Outcome
from adapters.devices.dlms_connections import Connections
from adapters.devices.dlms_flaws import Flaw
from adapters.devices.dlms_values import Target
from adapters.errors import (
    BenchError,
    LinkLost,
    ReadTimeout,
    Refused,
    RemoteProtocolError,
)
from adapters.profiles.loader import load_profile
from adapters.profiles.model import CosemObject, Profile
from adapters.registry import AdapterContext
from adapters.roles import (
    AssociationOpened,
    AssociationReleased,
    AttributeValue,
    ObjectList,
    ServiceDone,
)

HARM_BY_CLASS = {70: "disconnect", 71: "disconnect", 9: "disconnect", 18: "firmware", 64: "keys"}
"""What a SET or ACTION on a class may do; elsewhere ``configure``, unless the profile says harmless."""
HARM_BY_NAME = {bytes((0, 0, 10, 0, 107, 255)): "firmware", bytes((0, 0, 15, 0, 2, 255)): "firmware"}
"""The script and the schedule that activate an image (Blue Book 6.2.8 and 6.2.10) do what class 18 does."""


class DlmsServices:
    """The services of a meter on a bench. Links open when they are first needed."""

    def __init__(self, context: AdapterContext) -> None:
        if not context.profile:
            raise BenchError(f"device {context.name}: a DLMS meter needs a profile")
        self._context, self._clock = context, context.clock
        self.profile: Profile = load_profile(context.profile)
        self._connections = Connections(context, self.profile)
        self._targets: dict[str, Target] = {}

    # --- Device ---------------------------------------------------------------------------------------

    def end_case(self) -> None:
        """Release what the case left open; a meter that does not answer is simply let go."""
        self.release_all()

    def make_safe(self) -> None:
        """Release what is open; a meter that does not answer is simply let go."""
        self.release_all()

    def close(self) -> None:
        """Close every link without a word."""
        self.drop_all_links()

    # --- what the profile says --------------------------------------------------------------------------

    def profile_objects(self) -> tuple[CosemObject, ...]:
        """Return the objects the profile lists."""
        return self.profile.objects

    def default_client(self) -> str:
        """Return the first client the bench holds the secrets of, else one that needs none."""
        return self._connections.client("")[0]

    def default_link(self) -> str:
        """Return the bench's first link."""
        return self._connections.default_link()

    def mechanism_of(self, client: str = "") -> str:
        """Return how a client proves itself."""
        return self._connections.client(client)[1].mechanism

    # --- associations -----------------------------------------------------------------------------------

    def associate(
        self,
        client: str = "",
        link: str = "",
        association: str = "",
        mechanism: str = "",
        flaw: str = "",
        general_ciphering: str = "",
    ) -> AssociationOpened:
        """Open an association (see the role)."""
        return self._connections.associate(client, link, association, mechanism, flaw, general_ciphering)

    def release(self, association: str = "") -> AssociationReleased:
        """Release an association and, where it was the last on its link, the link layer."""
        return self._connections.release(association)

    def release_all(self) -> None:
        """Release every open association; what does not answer is dropped."""
        self._connections.release_all()

    def forget(self, association: str) -> None:
        """Let go of an association without a word; forgetting what is not open is harmless."""
        self._connections.forget(association)

    def drop_link(self, link: str = "") -> None:
        """Close a link and forget all its associations."""
        self._connections.drop_link(link)

    def drop_all_links(self) -> None:
        """Close every link and forget all associations."""
        self._connections.drop_all_links()

    # --- services ---------------------------------------------------------------------------------------

    def get(
        self, object: str, attribute: str = "value", association: str = "", flaw: str = ""
    ) -> AttributeValue:
        """GET an attribute (see the role)."""
        opened = self._connections.find(association)
        try:
            return self._get(opened, self._target(object), attribute, Flaw.of(flaw))
        except Refused as refusal:
            refusal.doubtful = not (opened.engine.checksummed or opened.application.settings.ciphered)
            raise

    def set(
        self,
        object: str,
        value: object,
        attribute: str = "value",
        association: str = "",
        confirmed: bool = True,
        flaw: str = "",
    ) -> ServiceDone:
        """SET an attribute (see the role)."""
        opened = self._connections.find(association)
        target = self._target(object)
        self._permit(target, write=True)
        number = target.attribute(attribute)
        data = dlms_values.typed_value(
            self._type_of(opened, target, number), value, what=f"{target.name} attribute {number}"
        )
        outcome = self._asked(opened, lambda: opened.set(target, number, data, confirmed, Flaw.of(flaw)))
        return ServiceDone(service="set", object=target.name, acknowledged=outcome.answered)

    def action(
        self,
        object: str,
        method: str,
        argument: object = None,
        association: str = "",
        confirmed: bool = True,
        flaw: str = "",
    ) -> ServiceDone:
        """Invoke a method (see the role); a plain number is sent as the smallest signed type it fits."""
        opened = self._connections.find(association)
        target = self._target(object)
        number = target.method(method)
        self._permit(target, method=number)
        data = dlms_values.argument(argument, what=f"{target.name} method {number}")
        outcome = self._asked(opened, lambda: opened.action(target, number, data, confirmed, Flaw.of(flaw)))
        value = None if outcome.data is None else dlms_values.plain(outcome.data)
        return ServiceDone(service="action", object=target.name, acknowledged=outcome.answered, value=value)

    def request_without_association(
        self,
        service: str,
        client: str,
        link: str,
        object: str,
        attribute: str = "value",
        value: object = None,
    ) -> AttributeValue | ServiceDone:
        """Send a service as a client that has opened nothing on this link (see the role)."""
        self._connections.client(client)  # an unknown one is a mistake of the plan, whatever is permitted
        target = self._target(object)
        if service in ("set", "action"):
            self._permit(target, write=service == "set", method=1 if service == "action" else 0)
        stranger = self._connections.stranger("(none)", client, link)
        try:
            stranger.open()
            try:
                return self._as_stranger(stranger, service, target, attribute, value)
            except (ReadTimeout, LinkLost) as error:
                raise self._connections.explained(link, error, own=stranger) from error
        finally:
            self._connections.abandon(stranger)

    def list_objects(self, association: str = "") -> ObjectList:
        """Read the object list of the current association object (class 15, attribute 2)."""
        opened = self._connections.find(association)
        target = self._target("15/0-0:40.0.0.255")
        outcome = self._asked(opened, lambda: opened.get(target, 2, None))
        assert outcome.data is not None
        return dlms_values.object_list(outcome.data, self.profile)

    # --- inside -----------------------------------------------------------------------------------------

    def _target(self, name: str) -> Target:
        """Return the object a plan calls ``name``; the profile is searched for it once."""
        known = self._targets.get(name)
        if known is None:
            known = self._targets[name] = dlms_values.target(self.profile, name)
        return known

    def _get(
        self, opened: OpenAssociation, target: Target, attribute: str, flaw: Flaw | None
    ) -> AttributeValue:
        number = target.attribute(attribute)
        outcome = self._asked(opened, lambda: opened.get(target, number, flaw))
        assert outcome.data is not None
        return dlms_values.attribute_value(target, attribute, number, outcome.data)

    def _as_stranger(
        self, stranger: OpenAssociation, service: str, target: Target, attribute: str, value: object
    ) -> AttributeValue | ServiceDone:
        if service == "get":
            number = target.attribute(attribute)
            answer = stranger.get(target, number, None)
            assert answer.data is not None
            return dlms_values.attribute_value(target, attribute, number, answer.data)
        if service == "set":
            number = target.attribute(attribute)
            kind = target.entry.type if target.entry is not None else ""
            data = dlms_values.typed_value(kind or "octet-string", value, what=target.name)
            stranger.set(target, number, data, True, None)
        elif service == "action":
            stranger.action(target, 1, dlms_values.argument(value, what=target.name), True, None)
        else:
            raise BenchError(f"service {service!r} is none of get, set, action")
        return ServiceDone(service=service, object=target.name, acknowledged=True)

    def _asked(self, opened: OpenAssociation, request: Callable[[], Outcome]) -> Outcome:
        try:
            return request()
        except ReadTimeout as error:
            raise self._connections.explained(opened.line.name, error, own=opened) from error
        except (LinkLost, RemoteProtocolError):
            raise

    def _type_of(self, opened: OpenAssociation, target: Target, number: int) -> str:
        if target.entry is not None and target.entry.type and number == 2:
            return target.entry.type
        table = target.interface
        spec = table.attributes.get(number) if table else None
        if spec is not None and len(spec.types) == 1:
            return spec.types[0].label
        present = self._asked(opened, lambda: opened.get(target, number, None)).data
        assert present is not None
        return present.tag.label

    def _permit(self, target: Target, *, write: bool = False, method: int = 0) -> None:
        entry = target.entry
        if entry is not None and (
            (write and entry.harmless_write) or (method and method in entry.harmless_methods)
        ):
            return
        by_class = HARM_BY_CLASS.get(target.class_id, "configure")
        self._context.permit(HARM_BY_NAME.get(target.instance_id, by_class))
