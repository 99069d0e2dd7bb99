"""From a bench file, or the name of a virtual site, to live devices; and back to a safe state.

A provider says what there is (``virtual``: a simulated site on real wires, ``local``: what the file says);
everything after that is the same for both: adapters are found by name, links open when a device first needs
them, each with its transcript, and secrets go to the scrubber before they go anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from random import Random
from secrets import token_bytes
from typing import Any, Protocol, cast

from adapters import registry
from adapters.base import Clock
from adapters.clock import WallClock
from adapters.errors import BenchError, LabError, NotPermitted
from adapters.protocols.dlms.spoiling import wrong_secret
from adapters.registry import AdapterContext, Secret
from harness import actions, secrets
from harness.config.bench_check import load_sound_bench
from harness.config.bench_file import BenchFile
from harness.evidence.wirelog import WireLog
from harness.links import Links
from harness.screen import Screen
from harness.scrub import Scrubber

PROVIDERS = "meterbench.providers"
IDENTITY_VALID_S = 60.0  # how long a serial number read back counts as "just read"


class ProvidedBench(Protocol):
    """What a provider hands over (see ``virtual_rig.provider``)."""

    name: str
    bench: Mapping[str, Any]
    clock: Clock
    secrets: Mapping[str, str]
    modelled: frozenset[str]

    def trace_digest(self) -> str:
        """Return the SHA-256 of every byte that crossed a wire, with its time."""
        ...

    def close(self) -> None:
        """Take the site down."""
        ...


class Provider(Protocol):
    """Where a bench comes from."""

    def sites(self) -> tuple[str, ...]:
        """Return the names of the benches it can provide without a file."""
        ...

    def open(
        self, site: str, *, seed: int, broken: frozenset[str], faults: Mapping[str, str]
    ) -> ProvidedBench:
        """Provide a bench."""
        ...


class LocalProvider:
    """Real devices: the bench file says everything. It provides no bench by name."""

    def sites(self) -> tuple[str, ...]:
        """Return nothing: a real bench needs its file."""
        return ()

    def open(
        self, site: str, *, seed: int, broken: frozenset[str], faults: Mapping[str, str]
    ) -> ProvidedBench:
        """Refuse, in plain words."""
        raise BenchError(f"bench local:{site}: a real bench is described by a file, give its path")


def provider(name: str) -> Provider:
    """Return the provider called ``name``. Raises BenchError naming those that exist."""
    found = _providers()
    if name not in found:
        raise BenchError(f"no bench provider {name!r}; installed: {', '.join(sorted(found))}")
    return cast(Provider, found[name].load()())


@cache
def _providers() -> Mapping[str, EntryPoint]:
    """Return what is installed; looking through all packages takes as long as opening a bench."""
    return {entry.name: entry for entry in entry_points(group=PROVIDERS)}


@dataclass(kw_only=True)
class LiveBench:
    """Devices ready for use. Implements ``harness.bench_port.Bench``."""

    name: str
    file: str
    clock: Clock
    devices: dict[str, Any]
    roles: Mapping[str, str]
    allow: frozenset[str]
    identity_expected: Mapping[str, str]
    wire_logs: dict[str, WireLog]
    virtual: bool
    modelled: frozenset[str] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict)
    screen: Screen = field(default_factory=Screen)  # of the run, once there is one
    _provided: ProvidedBench | None = None
    _verified_s: dict[str, float] = field(default_factory=dict)

    def permit(self, device: str, kind: str) -> None:
        """Let an adapter do something that can hurt, or raise.

        Raises NotPermitted where the bench does not allow the kind, BenchError where the device is not the
        one the bench names; in both cases before anything was sent.
        """
        if kind not in self.allow:
            raise NotPermitted(
                f"{kind} is not allowed on bench {self.name}: add it to 'allow' in {self.file}"
            )
        expected = self.identity_expected.get(device, "")
        if not expected:
            if self.virtual:
                return
            raise BenchError(
                f"{self.file} gives no serial number for {device}: nothing that can hurt is sent"
            )
        now_s = self.clock.monotonic_s()
        if now_s - self._verified_s.get(device, -IDENTITY_VALID_S) < IDENTITY_VALID_S:
            return
        serial = self.devices[device].identify().serial
        if serial != expected:
            raise BenchError(f"{device} says it is {serial}, the bench names {expected}: nothing was sent")
        self._verified_s[device] = now_s

    def trace_digest(self) -> str:
        """Return the digest of the byte trace, empty on a bench of real devices."""
        return self._provided.trace_digest() if self._provided is not None else ""

    def end_case(self) -> None:
        """Let every device close what the case left open, so that no case depends on the one before it."""
        for device in self.devices.values():
            finish = getattr(device, "end_case", None)
            if finish is not None:
                finish()

    def make_safe(self) -> None:
        """Put every device into its safe state: sources off last, so that meters can still say good-bye.

        Every device gets its turn even where another one fails; the first failure is raised at the end.
        """
        failures: list[str] = []
        order = sorted(self.devices, key=lambda name: self.roles.get(name) == "power_source")
        for name in order:
            try:
                self.devices[name].make_safe()
            except LabError as error:
                failures.append(f"{name}: {error}")
        if failures:
            raise BenchError("not left in a safe state: " + "; ".join(failures))

    def close(self) -> None:
        """Close every link and, for a virtual bench, take the site down."""
        for device in self.devices.values():
            device.close()
        for log in self.wire_logs.values():
            log.close()
        if self._provided is not None:
            self._provided.close()


def open_bench(
    bench: str,
    *,
    seed: int = 1,
    broken: frozenset[str] = frozenset(),
    faults: Mapping[str, str] | None = None,
    wire_dir: Path | None = None,
    scrubber: Scrubber | None = None,
) -> LiveBench:
    """Open a bench: ``virtual:<site>`` or the path of a bench file. No link is opened yet.

    ``wire_dir`` is where transcripts are kept, None for nowhere. Raises ConfigError for a mistake in the
    file, BenchError for what is missing on this machine.
    """
    scrub = scrubber if scrubber is not None else Scrubber()
    kind, colon, site = bench.partition(":")
    if colon and (kind in _providers() or not Path(bench).exists()):
        provided = provider(kind).open(site, seed=seed, broken=broken, faults=dict(faults or {}))
        try:
            return _assembled(
                BenchFile.model_validate(provided.bench), bench, wire_dir, scrub, provided, seed
            )
        except BaseException:
            provided.close()
            raise
    described = load_sound_bench(Path(bench))
    if described.provider != "local":
        return open_bench(
            f"{described.provider}:{described.site or described.bench}",
            seed=seed, broken=broken, faults=faults, wire_dir=wire_dir, scrubber=scrub,
        )  # fmt: skip
    if broken or faults:
        raise BenchError(f"{bench}: behaviours and wires of real devices cannot be broken from here")
    return _assembled(described, bench, wire_dir, scrub, None, seed)


def _assembled(
    described: BenchFile,
    origin: str,
    wire_dir: Path | None,
    scrubber: Scrubber,
    provided: ProvidedBench | None,
    seed: int,
) -> LiveBench:
    clock: Clock = provided.clock if provided is not None else WallClock()
    live = LiveBench(
        name=described.bench,
        file=origin,
        clock=clock,
        devices={},
        # What its adapter can do, which may be more than the bench file asks for: a dlms_meter is a meter.
        roles={
            name: registry.adapter(entry.adapter, entry.role).role
            for name, entry in described.devices.items()
        },
        allow=frozenset(described.allow),
        identity_expected={
            name: entry.identity.serial
            for name, entry in described.devices.items()
            if entry.identity is not None and entry.identity.serial
        },
        wire_logs={},
        virtual=provided is not None,
        modelled=provided.modelled if provided is not None else frozenset(),
        environment={
            "bench": described.bench,
            "provider": described.provider,
            **{k: v for k, v in (("station", described.station), ("operator", described.operator)) if v},
        },
        _provided=provided,
    )
    for name, entry in described.devices.items():
        fetched = _secrets(name, entry.secrets, provided)
        for label, secret in fetched.items():
            scrubber.add(f"{name}.{label}", secret.reveal())
            if label.endswith("password"):  # a negative test sends a near miss, which gives it away as well
                scrubber.add(f"{name}.{label}, spoiled", wrong_secret(secret.reveal()))
        made = registry.adapter(entry.adapter, entry.role)
        if not actions.is_a(made.role, entry.role):
            raise BenchError(
                f"{origin}: {name} has role {entry.role}, adapter {entry.adapter} serves {made.role}"
            )
        options = {link: each.options() for link, each in entry.all_links.items()}
        options = options or dict(getattr(made, "default_links", {}))
        links = Links(
            device=name,
            options=options,
            clock=clock,
            logs=live.wire_logs,
            decoder=getattr(made, "transcript", None),
            wire_dir=wire_dir,
            scrubber=scrubber,
            lend_terminal=lambda: live.screen.lend(),
        )
        live.devices[name] = made(
            AdapterContext(
                name=name,
                clock=clock,
                profile=_profile(entry.profile, origin),
                links=options,
                secrets=fetched,
                open_link=links.open_stream,
                open_http=links.open_http,
                open_listener=links.open_listener,
                permit=partial(live.permit, name),
                secret_references=dict(entry.secrets),
                where=lambda: live.screen.where(),
                random_octets=_randomness(name, seed if provided is not None else None),
            )
        )
    return live


def _randomness(device: str, seed: int | None) -> Callable[[int], bytes]:
    """Return where a device's challenges come from: the seed on a virtual bench, else the system."""
    return token_bytes if seed is None else Random(f"{seed}/{device}/harness").randbytes


def _profile(profile: str, origin: str) -> str:
    """Return a profile's name, or its path as seen from the bench file that names it."""
    if "/" in profile or profile.endswith((".yaml", ".yml")):
        return str(Path(origin).parent / profile)
    return profile


def _secrets(device: str, references: Mapping[str, str], provided: ProvidedBench | None) -> dict[str, Secret]:
    found = {name: secrets.fetch(f"{device}.{name}", text) for name, text in references.items()}
    if provided is not None:
        prefix = f"{device}."
        for name, text in provided.secrets.items():
            if name.startswith(prefix):
                found[name.removeprefix(prefix)] = secrets.from_text(name, text)
    return found
