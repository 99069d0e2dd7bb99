"""A DLMS/COSEM meter on real wires: the role ``dlms_meter`` spoken through the client engine.

What the meter declines in its protocol's words becomes ``Refused``; a request it ignores on a link that
answers a probe right afterwards is ``Refused("silence")``; a link that does not answer the probe either is
a matter of the bench (``ReadTimeout``).
"""

from __future__ import annotations

import secrets as random_octets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from adapters.devices import dlms_values
from adapters.devices.dlms_association import Flaw, OpenAssociation, Outcome
from adapters.devices.dlms_link import DlmsLink
from adapters.devices.dlms_transcript import transcript
from adapters.devices.dlms_values import Target
from adapters.errors import (
    BenchError,
    ConnectError,
    LabError,
    LinkLost,
    NotPermitted,
    ReadTimeout,
    Refused,
    RemoteProtocolError,
    TransportError,
)
from adapters.profiles.loader import load_profile
from adapters.profiles.model import Client, CosemObject, Profile
from adapters.protocols.dlms.enums import DataType
from adapters.protocols.dlms.units import unit_symbol
from adapters.registry import AdapterContext
from adapters.roles import (
    AssociationOpened,
    AttributeValue,
    ClockReading,
    Identity,
    ObjectList,
    RegisterReading,
    ServiceDone,
)

PRE_ESTABLISHED = "pre-established"
HARM_BY_CLASS = {70: "disconnect", 18: "firmware", 64: "keys"}
"""What a SET or ACTION on a class may do; on any other class it is ``configure`` unless the profile says harmless."""
CLOCK_FALLBACK = "8/0-0:1.0.0.255"


class DlmsMeter:
    """A meter on a bench. Links open when they are first needed."""

    role: ClassVar[str] = "dlms_meter"

    def __init__(self, context: AdapterContext) -> None:
        if not context.profile:
            raise BenchError(f"device {context.name}: a DLMS meter needs a profile")
        self._context, self._clock = context, context.clock
        self.profile: Profile = load_profile(context.profile)
        self._shared: dict[str, DlmsLink] = {}
        self._open: dict[str, OpenAssociation] = {}
        self._counters: dict[str, int] = {}  # next invocation counter by client
        self._random: Callable[[int], bytes] = random_octets.token_bytes

    @classmethod
    def transcript(cls, options: object) -> Callable[[str, bytes], Sequence[str]]:
        """Return the decoder that turns this adapter's wire bytes into lines a person can read."""
        return transcript

    # --- Device ---------------------------------------------------------------------------------------

    def identify(self) -> Identity:
        """Read who the meter is, through an open association or a short one of the default client."""
        with self._borrowed() as association:
            serial = self._text_of(association, "device_id")
            name = self._text_of(association, "logical_device_name") or self._text_of(
                association, f"1/{self.profile.logical_device.name_object}"
            )
            firmware = self._text_of(association, "firmware_id")
        if not (serial or name):
            raise Refused("object-undefined", "the meter tells neither a device id nor a logical device name")
        return Identity(serial=serial or name, model=name, firmware=firmware)

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
        """Return the profile's first client that is not pre-established."""
        return self._client("")[0]

    def default_link(self) -> str:
        """Return the bench's first link."""
        try:
            return next(iter(self._context.links))
        except StopIteration:
            raise BenchError(f"device {self._context.name} has no link") from None

    def mechanism_of(self, client: str = "") -> str:
        """Return how a client proves itself."""
        return self._client(client)[1].mechanism

    # --- associations -----------------------------------------------------------------------------------

    def associate(
        self, client: str = "", link: str = "", association: str = "", mechanism: str = "", flaw: str = ""
    ) -> AssociationOpened:
        """Open an association (see the role)."""
        link = link or self.default_link()
        client, entry = self._client(client)
        name = association or f"{link}/{client}"
        if name in self._open:
            raise BenchError(f"association {name} is already open; release it or name the new one")
        mechanism = mechanism or entry.mechanism
        if Flaw.of(flaw) is Flaw.no_authentication:
            mechanism = "none"
        try:
            line = self._line(link)
        except ConnectError as error:
            if self._answers_elsewhere(link):
                raise Refused("connection-refused", str(error)) from error
            raise
        opened = OpenAssociation(
            name=name,
            client=client,
            entry=entry,
            mechanism=mechanism,
            line=line,
            keys=self._keys(client, mechanism, flaw),
            system_title=bytes.fromhex(self.profile.security.client_system_title),
            random=self._random,
            first_counter=self._next_counter(client, entry, mechanism),
            flaw=Flaw.of(flaw),
        )
        try:
            result = opened.open()
        except (ReadTimeout, LinkLost) as error:
            self._abandon(opened)
            raise self._explained(link, error) from error
        except LabError:
            self._abandon(opened)
            raise
        finally:
            self._counters[client] = max(self._counters.get(client, 0), opened.next_counter())
        self._open[name] = opened
        return result

    def release(self, association: str = "") -> None:
        """Release an association and, where it was the last on its link, the link layer."""
        opened = self._association(association)
        try:
            opened.release()
        finally:
            self.forget(opened.name)

    def release_all(self) -> None:
        """Release every open association; what does not answer is dropped."""
        for name in list(self._open):
            try:
                self.release(name)
            except LabError:
                self.forget(name)

    def forget(self, association: str) -> None:
        """Let go of an association without a word; forgetting what is not open is harmless."""
        opened = self._open.pop(association, None)
        if opened is not None:
            self._counters[opened.client] = max(
                self._counters.get(opened.client, 0), opened.next_counter()
            )
            if not opened.line.shared:
                opened.line.close()

    def drop_link(self, link: str = "") -> None:
        """Close a link and forget all its associations."""
        link = link or self.default_link()
        for name, opened in list(self._open.items()):
            if opened.line.name == link:
                self.forget(name)
        line = self._shared.pop(link, None)
        if line is not None:
            line.close()

    def drop_all_links(self) -> None:
        """Close every link and forget all associations."""
        for link in {opened.line.name for opened in self._open.values()} | set(self._shared):
            self.drop_link(link)

    # --- services ---------------------------------------------------------------------------------------

    def get(
        self, object: str, attribute: str = "value", association: str = "", flaw: str = ""
    ) -> AttributeValue:
        """GET an attribute (see the role)."""
        opened = self._association(association)
        return self._get(opened, dlms_values.target(self.profile, object), attribute, Flaw.of(flaw))

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
        opened = self._association(association)
        target = dlms_values.target(self.profile, object)
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
        """Invoke a method (see the role); a plain number is sent as ``integer`` or the smallest type it fits."""
        opened = self._association(association)
        target = dlms_values.target(self.profile, object)
        number = target.method(method)
        self._permit(target, method=number)
        data = dlms_values.argument(argument, what=f"{target.name} method {number}")
        outcome = self._asked(opened, lambda: opened.action(target, number, data, confirmed, Flaw.of(flaw)))
        value = None if outcome.data is None else dlms_values.plain(outcome.data)
        return ServiceDone(service="action", object=target.name, acknowledged=outcome.answered, value=value)

    def disconnect_supply(self, association: str = "") -> ServiceDone:
        """Open the supply switch."""
        return self.action("disconnect_control", "remote_disconnect", 0, association)

    def reconnect_supply(self, association: str = "") -> ServiceDone:
        """Close the supply switch, or make it ready for reconnection."""
        return self.action("disconnect_control", "remote_reconnect", 0, association)

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
        client, entry = self._client(client)
        target = dlms_values.target(self.profile, object)
        if service in ("set", "action"):
            self._permit(target, write=service == "set", method=1 if service == "action" else 0)
        line = self._line(link)
        stranger = OpenAssociation(
            name="(none)",
            client=client,
            entry=entry,
            mechanism=PRE_ESTABLISHED,
            line=line,
            keys=self._keys(client, "none", ""),
            system_title=b"",
            random=self._random,
            first_counter=1,
            flaw=None,
            link_connection=True,
        )
        try:
            stranger.open()
            try:
                return self._as_stranger(stranger, service, target, attribute, value)
            except (ReadTimeout, LinkLost) as error:
                raise self._explained(link, error, own=stranger) from error
        finally:
            self._abandon(stranger)

    def list_objects(self, association: str = "") -> ObjectList:
        """Read the object list of the current association object (class 15, attribute 2)."""
        opened = self._association(association)
        target = dlms_values.target(self.profile, "15/0-0:40.0.0.255")
        outcome = self._asked(opened, lambda: opened.get(target, 2, None))
        assert outcome.data is not None
        return dlms_values.object_list(outcome.data, self.profile)

    def read_clock(self, association: str = "") -> ClockReading:
        """Read the clock and compare it with ours, half-way between asking and being answered."""
        opened = self._association(association)
        name = next((o.name for o in self.profile.objects if o.class_id == 8), CLOCK_FALLBACK)
        target = dlms_values.target(self.profile, name)
        asked_s, asked = self._clock.monotonic_s(), self._clock.utc_now()
        outcome = self._asked(opened, lambda: opened.get(target, 2, None))
        ours = asked + (self._clock.utc_now() - asked) / 2
        assert outcome.data is not None
        device_time, status = dlms_values.clock_time(outcome.data)
        return ClockReading(
            device_time=device_time,
            our_time=ours,
            drift_s=round((device_time - ours).total_seconds(), 6),
            status=status,
        )

    def read_register(self, name: str, association: str = "") -> RegisterReading:
        """Read value, scaler and unit of a register."""
        opened = self._association(association)
        target = dlms_values.target(self.profile, name)
        scaler_unit = self._asked(opened, lambda: opened.get(target, 3, None)).data
        value = self._asked(opened, lambda: opened.get(target, 2, None)).data
        assert scaler_unit is not None and value is not None
        return dlms_values.register_reading(target.name, value, scaler_unit)

    # --- inside -----------------------------------------------------------------------------------------

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
            raise self._explained(opened.line.name, error, own=opened) from error
        except (LinkLost, RemoteProtocolError):
            raise

    def _explained(
        self, link: str, error: TransportError, own: OpenAssociation | None = None
    ) -> LabError:
        """Return ``Refused`` where the link still serves somebody, else the transport error itself."""
        reason = "hung-up" if isinstance(error, LinkLost) else "silence"
        if own is not None and own.answers_probe():
            return Refused(reason, "the request was ignored; the link answers a probe")
        if self._answers_elsewhere(link):
            return Refused(reason, "the request was ignored; the link serves another client")
        return error

    def _answers_elsewhere(self, link: str) -> bool:
        """Return whether the link serves an open association or, failing that, would serve another client."""
        here = [opened for opened in self._open.values() if opened.line.name == link]
        if here:
            return any(opened.answers_probe() for opened in here)
        for client, entry in self.profile.clients.items():
            if entry.mechanism == "none":
                break
        else:
            return False
        try:
            line = self._line(link)
        except TransportError:
            return False
        probe = OpenAssociation(
            name="(probe)",
            client=client,
            entry=entry,
            mechanism="none",
            line=line,
            keys=self._keys(client, "none", ""),
            system_title=b"",
            random=self._random,
            first_counter=1,
            flaw=None,
        )
        try:
            return probe.provokes_an_answer()
        finally:
            self._abandon(probe)

    def _abandon(self, opened: OpenAssociation) -> None:
        opened.abandon()
        if not opened.line.shared:
            opened.line.close()

    def _association(self, name: str) -> OpenAssociation:
        if name:
            try:
                return self._open[name]
            except KeyError:
                known = ", ".join(self._open) or "none"
                raise BenchError(f"no association {name!r} is open; open: {known}") from None
        if len(self._open) == 1:
            return next(iter(self._open.values()))
        raise BenchError(
            "no association is open"
            if not self._open
            else f"name the association: {', '.join(self._open)} are open"
        )

    def _client(self, name: str) -> tuple[str, Client]:
        if name.startswith("sap:"):
            return name, Client(
                sap=int(name[4:]), mechanism="none", assumed=True, channels=("optical", "rs485", "ip")
            )
        if not name:
            for found, entry in self.profile.clients.items():
                if entry.mechanism != PRE_ESTABLISHED:
                    return found, entry
        try:
            return name, self.profile.clients[name]
        except KeyError:
            known = ", ".join(self.profile.clients)
            raise BenchError(f"profile {self.profile.profile} has no client {name!r}; it has {known}") from None

    def _line(self, link: str) -> DlmsLink:
        line = self._shared.get(link)
        if line is not None and line.open:
            return line
        if link not in self._context.links:
            known = ", ".join(self._context.links)
            raise NotPermitted(f"device {self._context.name} has no link {link!r} on this bench; it has {known}")
        self._make_room_for(link)
        line = DlmsLink(link, self._context.open_link(link), self._clock, self.profile)
        line.prepare()
        if line.shared:
            self._shared[link] = line
        return line

    def _make_room_for(self, link: str) -> None:
        """Close an idle line on the same physical port (optical with and without mode E share one head)."""
        port = self._context.links[link].get("port")
        for other, line in list(self._shared.items()):
            if port and other != link and self._context.links[other].get("port") == port:
                self.drop_link(other)

    def _keys(self, client: str, mechanism: str, flaw: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for kind in ("password", "authentication_key", "encryption_key"):
            for name in (f"{client}.{kind}", kind):
                if name in self._context.secrets:
                    found[kind] = self._context.secrets[name].reveal()
                    break
        needed = {"lls": ("password",), "hls-gmac": ("authentication_key", "encryption_key")}.get(mechanism, ())
        for kind in needed:
            if kind not in found:
                raise NotPermitted(
                    f"device {self._context.name}: the bench gives no secret {client}.{kind} for {mechanism}"
                )
        return found

    def _next_counter(self, client: str, entry: Client, mechanism: str) -> int:
        if mechanism != "hls-gmac":
            return 1
        if client not in self._counters and entry.invocation_counter:
            self._counters[client] = self._read_counter(entry.invocation_counter)
        return self._counters.get(client, 1)

    def _read_counter(self, name: str) -> int:
        """Return the meter's own idea of the next counter, or 1 where nobody may ask for it."""
        public = next((c for c, e in self.profile.clients.items() if e.mechanism == "none"), None)
        if public is None:
            return 1
        for link in self._context.links:
            if any(opened.line.name == link and opened.line.shared for opened in self._open.values()):
                continue
            try:
                self.associate(public, link, "(counter)")
                value = self.get(name, association="(counter)").value
                self.release("(counter)")
                return int(str(value)) + 1
            except (LabError, ValueError):
                self.forget("(counter)")
        return 1

    def _type_of(self, opened: OpenAssociation, target: Target, number: int) -> str:
        if target.entry is not None and target.entry.type and number == 2:
            return target.entry.type
        table = target.interface()
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
        self._context.permit(HARM_BY_CLASS.get(target.class_id, "configure"))

    def _text_of(self, association: OpenAssociation, name: str) -> str:
        try:
            target = dlms_values.target(self.profile, name)
            return str(self._get(association, target, "2", None).value)
        except (Refused, BenchError):
            return ""

    def _borrowed(self) -> _Borrowed:
        return _Borrowed(self)


class _Borrowed:
    """An association to read the identity with: one that is open, or a short one on any link that has room."""

    def __init__(self, meter: DlmsMeter) -> None:
        self._meter, self._own = meter, ""

    def __enter__(self) -> OpenAssociation:
        meter = self._meter
        for opened in meter._open.values():
            if opened.mechanism != PRE_ESTABLISHED:
                return opened
        last: LabError = BenchError("the meter has no link")
        for link in meter._context.links:
            try:
                self._own = meter.associate("", link, "(identity)").association
                return meter._association(self._own)
            except LabError as error:
                last = error
        raise last

    def __exit__(self, *_: object) -> None:
        if self._own:
            try:
                self._meter.release(self._own)
            except LabError:
                self._meter.forget(self._own)
