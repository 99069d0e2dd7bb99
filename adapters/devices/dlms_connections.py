"""The associations and wires of one DLMS meter: who is open where, and what a missing answer means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from adapters.devices import dlms_values
from adapters.devices.dlms_association import OpenAssociation
from adapters.devices.dlms_client_engine import is_ciphered
from adapters.devices.dlms_counters import HeardCounters
from adapters.devices.dlms_flaws import Flaw
from adapters.devices.dlms_link import DlmsLink
from adapters.devices.sms_carrier import MessageOut, SmsCarrier, SmsCounters, SmsStream
from adapters.errors import (
    BenchError,
    ConnectError,
    LabError,
    LinkLost,
    NotPermitted,
    ReadTimeout,
    Refused,
    TransportError,
)
from adapters.profiles.model import Client, Profile
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.general_cipher import KeyWay
from adapters.protocols.dlms.security import InvocationCounter
from adapters.registry import AdapterContext, OpenedLink
from adapters.roles import AssociationOpened, AssociationReleased

PRE_ESTABLISHED = "pre-established"
_KEYS = ("authentication_key", "encryption_key")
_NEEDED_SECRETS: dict[str, tuple[str, ...]] = {
    "lls": ("password",),
    "hls-manufacturer": ("hls_secret",),
    "hls-md5": ("hls_secret",),
    "hls-sha1": ("hls_secret",),
    "hls-gmac": _KEYS,
    "hls-sha256": ("hls_secret",),
    "hls-ecdsa": ("signing_key", "meter_public_key"),
}
_AGREEMENT = ("agreement_key", "meter_agreement_public_key", "signing_key", "meter_public_key")
_SECRET_KINDS = ("password", *_KEYS, "hls_secret", *_AGREEMENT)


class Connections:
    """Opens, names, finds and closes associations. Links open when they are first needed."""

    def __init__(self, context: AdapterContext, profile: Profile) -> None:
        self._context, self._profile = context, profile
        self._shared: dict[str, DlmsLink] = {}
        self._open: dict[str, OpenAssociation] = {}
        self._counters: dict[str, InvocationCounter] = {}
        self.heard = HeardCounters()
        self._in_use: dict[tuple[str, str], str] = {}
        self._carriers: dict[str, SmsCarrier] = {}  # of links with framing sms
        self._sms_counters: SmsCounters | None = None
        self.prepared: dict[str, tuple[str, MessageOut]] = {}
        self.push_lists: dict[str, Data] = {}  # by push setup: the list a plan has replaced

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
        link = link or self.default_link()
        name = association or f"{link}/{self.client(client)[0]}"
        if name in self._open:
            raise BenchError(f"association {name} is already open; release it or name the new one")
        opened = self.prepared_for(client, link, name, mechanism, flaw, general_ciphering=general_ciphering)
        try:
            result = opened.open()
        except (ReadTimeout, LinkLost) as error:
            self.abandon(opened)
            raise self.explained(link, error) from error
        except LabError as error:
            self.abandon(opened)
            if isinstance(error, Refused):  # the handshake travels in the clear, whatever follows it
                error.doubtful = not opened.engine.checksummed
            raise
        self._open[name] = opened
        return result

    def prepared_for(
        self,
        client: str = "",
        link: str = "",
        name: str = "",
        mechanism: str = "",
        flaw: str = "",
        server_sap: int | None = None,
        general_ciphering: str = "",
    ) -> OpenAssociation:
        """Return an association that is not open yet and stands under no name: its owner abandons it."""
        link = link or self.default_link()
        client, entry = self.client(client)
        mechanism = mechanism or entry.mechanism
        if Flaw.of(flaw) is Flaw.no_authentication:
            mechanism = "none"
        try:
            line = self.line(link)
        except ConnectError as error:
            if self._answers_elsewhere(link):
                raise Refused("connection-refused", str(error)) from error
            raise
        return OpenAssociation(
            name=name,
            client=client,
            entry=entry,
            mechanism=mechanism,
            line=line,
            keys=self.keys(client, mechanism, is_ciphered(entry, mechanism), general_ciphering),
            system_title=bytes.fromhex(self._profile.security.client_system_title),
            random=self._context.random_octets,
            counter=self._counter(client, entry, mechanism),
            flaw=Flaw.of(flaw),
            general_ciphering=general_ciphering,
            heard=self.heard.lowest(client, self._open.values()),
            keys_taken=self.heard.keys_taken(client),
            server_sap=server_sap,
        )

    def release(self, association: str = "") -> AssociationReleased:
        """Release an association and, where it was the last on its link, the link layer."""
        opened = self.find(association)
        try:
            return opened.release()
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
            self.heard.ended(opened)
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
        for link in sorted({opened.line.name for opened in self._open.values()} | set(self._shared)):
            self.drop_link(link)

    def explained(self, link: str, error: TransportError, own: OpenAssociation | None = None) -> LabError:
        """Return ``Refused`` where the link still serves somebody, else the transport error itself."""
        lossy = self._context.links[link].get("transport") == "udp"
        if lossy:
            return error  # a lost datagram is the network's: nobody can tell that from a request ignored
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
        public = self._public()
        if public is None:
            return False
        client, entry = public
        try:
            line = self.line(link)
        except TransportError:
            return False
        probe = OpenAssociation(
            name="(probe)",
            client=client,
            entry=entry,
            mechanism="none",
            line=line,
            keys=self.keys(client, "none"),
            system_title=b"",
            random=self._context.random_octets,
            counter=InvocationCounter(1),
            flaw=None,
        )
        try:
            return probe.provokes_an_answer()
        finally:
            self.abandon(probe)

    def stranger(self, name: str, client: str, link: str) -> OpenAssociation:
        """Return a client that has opened nothing on ``link``: a link connection, and no AARQ of its own."""
        client, entry = self.client(client)
        return OpenAssociation(
            name=name,
            client=client,
            entry=entry,
            mechanism=PRE_ESTABLISHED,
            line=self.line(link),
            keys=self.keys(client, "none"),
            system_title=b"",
            random=self._context.random_octets,
            counter=InvocationCounter(1),
            flaw=None,
            link_connection=True,
        )

    def abandon(self, opened: OpenAssociation) -> None:
        """Let go of an association that stands under no name, link layer and all."""
        self.heard.ended(opened)
        opened.abandon()
        if not opened.line.shared:
            opened.line.close()

    def find(self, name: str) -> OpenAssociation:
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

    def _public(self) -> tuple[str, Client] | None:
        """Return a client that needs no secret, where the profile has one."""
        return next(((n, e) for n, e in self._profile.clients.items() if e.mechanism == "none"), None)

    def client(self, name: str) -> tuple[str, Client]:
        if name.startswith("sap:"):
            return name, Client(
                sap=int(name[4:]), mechanism="none", assumed=True, channels=("optical", "rs485", "ip")
            )
        if not name:
            return self._default_client()
        try:
            return name, self._profile.clients[name]
        except KeyError:
            known = ", ".join(self._profile.clients)
            raise BenchError(
                f"profile {self._profile.profile} has no client {name!r}; it has {known}"
            ) from None

    def _default_client(self) -> tuple[str, Client]:
        """Return the first client the bench holds the secrets of, else one that needs none."""
        free = self._public()
        for name, entry in self._profile.clients.items():
            needed = _NEEDED_SECRETS.get(entry.mechanism, ())
            if needed and all(kind in self._known_secrets(name) for kind in needed):
                return name, entry
        if free is None:
            known = ", ".join(self._profile.clients)
            raise BenchError(f"the bench gives no secrets for any client of the profile ({known})")
        return free

    def default_link(self) -> str:
        """Return the bench's first link."""
        try:
            return next(iter(self._context.links))
        except StopIteration:
            raise BenchError(f"device {self._context.name} has no link") from None

    def line(self, link: str) -> DlmsLink:
        line = self._shared.get(link)
        if line is not None and line.open:
            return line
        if link not in self._context.links:
            known = ", ".join(self._context.links)
            raise NotPermitted(
                f"device {self._context.name} has no link {link!r} on this bench; it has {known}"
            )
        self._make_room_for(link)
        opened = self._context.open_link(link)
        if opened.options.get("framing") == "sms":
            opened = replace(opened, stream=SmsStream(self._new_carrier(link, opened)))
        line = DlmsLink(link, opened, self._context.clock, self._profile)
        if line.shared:
            self._shared[link] = line
        return line

    def idle_line(self, link: str) -> DlmsLink:
        """Return the wire of a link for another protocol. Raises BenchError while an association is on it."""
        busy = [name for name, opened in self._open.items() if opened.line.name == link]
        if busy:
            raise BenchError(f"link {link} is in use by {', '.join(busy)}; release it first")
        self.drop_link(link)
        return self.line(link)

    def carrier(self, link: str) -> SmsCarrier:
        """Return what carries messages on a link with framing sms. Raises BenchError for another link."""
        options = self._context.links.get(link, {})
        if options and options.get("framing") != "sms":
            raise BenchError(f"link {link} of device {self._context.name} does not have framing sms")
        self.line(link)
        return self._carriers[link]

    def _new_carrier(self, link: str, opened: OpenedLink) -> SmsCarrier:
        context = self._context
        if self._sms_counters is None:
            # Nobody can be asked over SMS what the meter expects, so each run counts on from the time of day.
            self._sms_counters = SmsCounters(int(context.clock.utc_now().timestamp()) & 0x7FFF_FFFF)
        carrier = SmsCarrier(link, opened, context.clock, self._profile, context.secrets, self._sms_counters)
        self._carriers[link] = carrier
        return carrier

    def _make_room_for(self, link: str) -> None:
        """Close an idle line on the same physical port (optical with and without mode E share one head)."""
        port = self._context.links[link].get("port")
        for other in list(self._shared):
            if port and other != link and self._context.links[other].get("port") == port:
                self.drop_link(other)

    def _known_secrets(self, client: str) -> dict[str, bytes]:
        """Return what the bench gives for a client, by kind; a name without client serves them all."""
        found: dict[str, bytes] = {}
        for kind in _SECRET_KINDS:
            secret = self._secret(client, self._in_use.get((client, kind), kind))
            if secret is not None:
                found[kind] = secret
        return found

    def _secret(self, client: str, kind: str) -> bytes | None:
        for name in (f"{client}.{kind}", kind):
            if name in self._context.secrets:
                return self._context.secrets[name].reveal()
        return None

    def secret(self, client: str, kind: str) -> bytes:
        """Return one secret of a client. Raises NotPermitted where the bench does not give it."""
        found = self._secret(client, kind)
        if found is None:
            raise NotPermitted(f"device {self._context.name}: the bench gives no secret {client}.{kind}")
        return found

    def use_key(self, client: str, kind: str, secret: str) -> None:
        """Take the bench secret called ``secret`` for ``client``'s ``kind`` from the next association on.

        The invocation counter belongs to the encryption key: it is asked for anew with another one.
        """
        if self._in_use.get((client, kind), kind) != secret:
            self._in_use[client, kind] = secret
            self._counters.pop(client, None)
            self.heard.key_taken(client)

    def keys(
        self, client: str, mechanism: str, ciphered: bool = False, key_way: str = ""
    ) -> dict[str, bytes]:
        """Return a client's secrets. Raises NotPermitted where the bench lacks one the mechanism needs."""
        found = self._known_secrets(client)
        agreed = _AGREEMENT if key_way in (KeyWay.ONE_PASS, KeyWay.STATIC) else ()
        for kind in {*_NEEDED_SECRETS.get(mechanism, ()), *(_KEYS if ciphered else ()), *agreed}:
            if kind not in found:
                raise NotPermitted(
                    f"device {self._context.name}: the bench gives no secret {client}.{kind} for {mechanism}"
                )
        return found

    def _counter(self, client: str, entry: Client, mechanism: str) -> InvocationCounter:
        """Return the invocation counter all associations of a client share."""
        if mechanism != "hls-gmac" and not is_ciphered(entry, mechanism):
            return InvocationCounter(1)
        if client not in self._counters:
            first = self._read_counter(entry.invocation_counter) if entry.invocation_counter else 1
            self._counters[client] = InvocationCounter(first)
        return self._counters[client]

    def _read_counter(self, name: str) -> int:
        """Return the meter's own idea of the next counter, or 1 where nobody may ask for it."""
        public = self._public()
        if public is None:
            return 1
        busy = {opened.line.name for opened in self._open.values() if opened.line.shared}
        links = self._context.links
        # A connection of its own disturbs nobody; a serial port may be taken by somebody we cannot see.
        for link in sorted(links, key=lambda name: links[name].get("transport") != "tcp"):
            if link in busy:
                continue
            try:
                self.associate(public[0], link, "(counter)")
                target = dlms_values.target(self._profile, name)
                outcome = self.find("(counter)").get(target, 2, None)
                self.release("(counter)")
                assert outcome.data is not None
                return outcome.data.integer() + 1
            except LabError:
                self.forget("(counter)")
        return 1

    @contextmanager
    def borrowed(self) -> Iterator[OpenAssociation]:
        """Lend an association to ask something with: one that is open, or a short one where there is room."""
        for opened in self._open.values():
            if opened.mechanism != PRE_ESTABLISHED:
                yield opened
                return
        own = self._short_one()
        try:
            yield own
        finally:
            try:
                self.release(own.name)
            except LabError:
                self.forget(own.name)

    def _short_one(self) -> OpenAssociation:
        last: LabError = BenchError("the meter has no link")
        client = (self._public() or self._default_client())[0]
        for link in self._context.links:
            try:
                return self.find(self.associate(client, link, "(identity)").association)
            except LabError as error:
                last = error
        raise last
