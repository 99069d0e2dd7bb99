"""What can be found wrong with a bench file without touching a device.

Mistakes make the file unusable. Warnings are what may be different tomorrow: a port that is not plugged in,
a key nobody has given yet for a client no plan may use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

from adapters import registry, yaml_file
from adapters.errors import BenchError, ConfigError, ConfigErrors
from adapters.profiles.ansi import AnsiProfile
from adapters.profiles.loader import AnyProfile, load_any_profile, shipped_profiles
from adapters.profiles.model import Profile
from adapters.profiles.paths import PathsProfile
from adapters.yaml_messages import shown, suggest
from harness import secrets
from harness.actions import is_a, role_actions, roles
from harness.config.bench_file import BenchFile, DeviceEntry, SerialLink, TcpLink, TerminalLink, UdpLink

_SYMMETRIC_KEYS = (
    "authentication_key", "encryption_key", "master_key", "broadcast_key",
    "next_authentication_key", "next_encryption_key", "next_broadcast_key",
)  # fmt: skip
_PRIVATE_KEYS = ("signing_key", "agreement_key")
_PUBLIC_KEYS = ("meter_public_key", "meter_agreement_public_key")
_SECRET_KINDS = ("password", *_SYMMETRIC_KEYS, "hls_secret", *_PRIVATE_KEYS, *_PUBLIC_KEYS)
_NEEDED = {
    "lls": ("password",),
    "hls-manufacturer": ("hls_secret",),
    "hls-md5": ("hls_secret",),
    "hls-sha1": ("hls_secret",),
    "hls-gmac": ("authentication_key", "encryption_key"),
    "hls-sha256": ("hls_secret",),
    "hls-ecdsa": ("signing_key", "meter_public_key"),
}
_CURVE_OCTETS = {1: 32, 2: 48}  # of one number on the curve of a suite, Green Book 9.2.3.7
_GLOBAL_KEYS = ("unicast_key", "broadcast_key", "authentication_key")  # of a meter: messages, broadcasts
_KEY_OCTETS = {0: 16, 1: 16, 2: 32}  # by security suite, Green Book 9.2.3.7
_PROFILE_OF = {"dlms": "dlms", "push_listener": "dlms", "c1218": "c1219", "scpi_switch": "paths"}
"""The protocol of the profile an adapter needs."""
_PASSWORD_OCTETS = 20  # of the C12.18 security service
OPERATOR = "operator"  # the adapter that is a person: at a terminal, in any role

Path_ = tuple[str | int, ...]


@dataclass
class BenchFindings:
    """What a bench file came to."""

    bench: BenchFile | None = None
    errors: list[ConfigError] = field(default_factory=list)
    warnings: list[ConfigError] = field(default_factory=list)


def check_bench(path: str | Path, environment: Mapping[str, str] | None = None) -> BenchFindings:
    """Read a bench file and find everything that is wrong with it. Raises ConfigError where it is no YAML."""
    file = yaml_file.read(path)
    model, errors = yaml_file.try_validate(file, BenchFile)
    findings = BenchFindings(bench=model, errors=errors)
    if model is not None:
        _Checker(file, model, findings, environment).check()
        findings.bench = model if not findings.errors else None
    unique = {(e.line, e.column, e.message): e for e in findings.errors}
    findings.errors = sorted(unique.values(), key=lambda error: (error.line, error.column))
    return findings


def load_sound_bench(path: str | Path, environment: Mapping[str, str] | None = None) -> BenchFile:
    """Return a bench file without a mistake; warnings do not count. Raises ConfigErrors."""
    findings = check_bench(path, environment)
    if findings.errors or findings.bench is None:
        raise ConfigErrors(findings.errors)
    return findings.bench


class _Checker:
    def __init__(
        self,
        file: yaml_file.YamlFile,
        bench: BenchFile,
        findings: BenchFindings,
        environment: Mapping[str, str] | None,
    ) -> None:
        self._file, self._bench, self._found, self._environment = file, bench, findings, environment
        self._ports: dict[str, str] = {}

    def _error(self, path: Sequence[str | int], message: str, hint: str = "", *, key: bool = False) -> None:
        self._found.errors.append(self._file.error(path, message, hint, key=key))

    def _warn(self, path: Sequence[str | int], message: str, hint: str = "", *, key: bool = False) -> None:
        self._found.warnings.append(self._file.error(path, message, hint, key=key))

    def check(self) -> None:
        """Look at everything."""
        bench = self._bench
        providers = {entry.name for entry in entry_points(group="meterbench.providers")}
        if bench.provider not in providers:
            self._error(
                ("provider",),
                f"unknown provider `{shown(bench.provider)}`",
                suggest(bench.provider, providers),
            )
        if bench.provider == "local":
            if bench.clock == "virtual":
                self._error(("clock",), "real wires cannot run on a virtual clock", "expected `wall`")
            if bench.site:
                self._error(
                    ("site",), "a local bench has no site", "remove it, or use `provider: virtual`", key=True
                )
            if not bench.devices and "devices" not in self._reported_keys():
                self._error((), "the bench has no devices", "add `devices:`")
        if bench.provider == "virtual":
            if bench.clock == "wall":
                self._error(("clock",), "the virtual provider brings its own clock", "remove the key")
            if not bench.site:
                self._error((), "key `site` is missing", "name the virtual site, e.g. `site: mcs301`")
        for name, device in bench.devices.items():
            self._device(("devices", name), name, device)

    def _reported_keys(self) -> set[str]:
        data = self._file.data
        return set(data) if isinstance(data, dict) else set()

    def _device(self, path: Path_, name: str, device: DeviceEntry) -> None:
        if not name.replace("_", "").replace("-", "").isalnum():
            self._error(
                path, f"`{shown(name)}` cannot be a device's name", "letters, digits, _ and -", key=True
            )
        if device.role and device.role not in roles():
            self._error(
                (*path, "role"), f"unknown role `{shown(device.role)}`", suggest(device.role, roles())
            )
        self._adapter(path, device)
        profile = self._profile(path, device)
        for link_name, link in device.all_links.items():
            here = (*path, "link") if device.link is not None else (*path, "links", link_name)
            self._link(here, name, link)
            if isinstance(link, TerminalLink) != (device.adapter == OPERATOR):
                self._at_a_terminal(here, device)
        if (
            not device.all_links
            and device.adapter != OPERATOR  # he sits where the run is started
            and self._is_installed(device.adapter)
            and not self._wrote(path, "link", "links")
        ):
            self._error(path, f"device `{name}` has no link", "add `link: {transport: ...}`", key=True)
        self._secrets(path, device, profile)
        asked_for = profile is not None or (device.adapter == OPERATOR and self._may_hurt(device.role))
        if device.identity is None and asked_for and self._bench.allow:
            self._warn(
                path,
                f"device `{name}` has no `identity: {{serial: ...}}`",
                "nothing destructive is done to a device whose serial number is not known beforehand",
                key=True,
            )

    def _at_a_terminal(self, path: Path_, device: DeviceEntry) -> None:
        here = (*path, "transport")
        if device.adapter == OPERATOR:
            self._error(here, "an operator sits at a terminal", "expected `transport: terminal`")
        else:
            self._error(
                here,
                f"adapter `{shown(device.adapter)}` does not speak to a person",
                f"a terminal is for `adapter: {OPERATOR}`",
            )

    def _may_hurt(self, role: str) -> bool:
        """Return whether a device of this role can be asked for something the bench allows and that hurts."""
        actions = role_actions(role).values() if role in roles() else ()
        return any(action.hurts & set(self._bench.allow) for action in actions)

    def _wrote(self, path: Path_, *keys: str) -> bool:
        try:
            written = self._file.get(path)
        except KeyError:
            return False
        return isinstance(written, dict) and any(key in written for key in keys)

    @staticmethod
    def _is_installed(adapter: str) -> bool:
        return any(entry.name == adapter for entry in entry_points(group=registry.GROUP))

    def _adapter(self, path: Path_, device: DeviceEntry) -> None:
        if not device.adapter:
            return
        names = {entry.name for entry in entry_points(group=registry.GROUP)}
        if device.adapter not in names:
            self._error(
                (*path, "adapter"),
                f"unknown adapter `{shown(device.adapter)}`",
                suggest(device.adapter, names),
            )
            return
        try:
            serves = registry.adapter(device.adapter).role
        except BenchError as error:
            self._warn((*path, "adapter"), str(error))
            return
        if device.role in roles() and serves in roles() and not is_a(serves, device.role):
            self._error(
                (*path, "role"),
                f"adapter `{device.adapter}` serves a {serves}, not a {device.role}",
                f"expected `role: {serves}`",
            )

    def _operator_profile(self, path: Path_, device: DeviceEntry) -> None:
        source = device.profile
        if source.endswith((".yaml", ".yml")):
            named = Path(self._file.path).parent / source
            source = str(named) if named.is_file() else source
        if source and device.role in roles():
            try:
                check: Callable[[str], None] = getattr(  # an adapter that has profiles of its own kind
                    registry.adapter(OPERATOR, device.role), "check_profile", lambda source: None
                )
                check(source)
            except ConfigError as error:
                for line in str(error).splitlines():
                    self._error((*path, "profile"), line)

    def _profile(self, path: Path_, device: DeviceEntry) -> AnyProfile | None:
        if device.adapter == OPERATOR:
            self._operator_profile(path, device)
            return None
        here, needed = (*path, "profile"), _PROFILE_OF.get(device.adapter, "")
        if not device.profile:
            if needed and not self._wrote(path, "profile"):
                known = shipped_profiles(needed)
                self._error(path, f"adapter `{device.adapter}` needs a profile", suggest("", known), key=True)
            return None
        if device.profile.endswith((".yaml", ".yml")):
            named = Path(self._file.path).parent / device.profile
            source: str | Path = named if named.is_file() else device.profile
        elif device.profile in shipped_profiles():
            source = device.profile
        else:
            self._error(
                here,
                f"unknown profile `{shown(device.profile)}`",
                suggest(device.profile, shipped_profiles(needed)),
            )
            return None
        try:
            profile = load_any_profile(source)
        except ConfigError as error:
            self._error(here, f"profile {shown(device.profile)}: {str(error).splitlines()[0]}")
            return None
        if needed and profile.protocol != needed:
            self._error(
                here,
                f"profile {shown(device.profile)} is of protocol {profile.protocol}; "
                f"adapter `{device.adapter}` needs one of protocol {needed}",
                suggest("", shipped_profiles(needed)),
            )
            return None
        return None if isinstance(profile, PathsProfile) else profile  # which says nothing of secrets

    def _link(self, path: Path_, device: str, link: object) -> None:
        if isinstance(link, SerialLink):
            # one device may name a port twice: the same optical head with mode E and without
            owner = self._ports.setdefault(link.port, device)
            if owner != device:
                self._error((*path, "port"), f"port {shown(link.port)} is already used by `{owner}`")
            local = self._bench.provider == "local" and "://" not in link.port
            if local and not Path(link.port).exists():
                self._warn((*path, "port"), f"port {shown(link.port)} is not there", "is it plugged in?")
            if link.mode_e and link.framing == "wrapper":
                self._error(
                    (*path, "framing"), "after a mode E sign-on the framing is HDLC", "expected `hdlc`"
                )
            if link.framing == "sms" and link.number is None:
                self._error(
                    (*path, "number"), "framing sms needs the meter's number", "e.g. `+4915112345678`"
                )
        elif isinstance(link, TerminalLink):
            if self._bench.provider == "virtual":
                self._error(
                    (*path, "transport"), "a person does not live in virtual time", "use `provider: local`"
                )
            elif link.device is not None and not Path(link.device).exists():
                self._warn(
                    (*path, "device"), f"terminal {shown(link.device)} is not there", "`tty` tells its name"
                )
        elif isinstance(link, TcpLink | UdpLink):
            if link.framing == "sms":
                self._error((*path, "framing"), "a modem stands on a serial port", "use `transport: serial`")
            inner = link.host.split("%")[0]
            if inner.count(":") == 1:
                self._error((*path, "host"), "the host holds a port", "write `host:` and `port:` apart")

    def _secrets(self, path: Path_, device: DeviceEntry, profile: AnyProfile | None) -> None:
        for name, reference in device.secrets.items():
            here = (*path, "secrets", name)
            if profile is not None:
                self._secret_name(here, name, profile)
            self._one_secret(here, name, reference, profile)
        if profile is not None and self._bench.provider == "local":
            for lacking, whose in _lacking_secrets(device, profile):
                self._warn((*path, "secrets"), f"{whose} lacks {lacking}", "cases that use it cannot run")

    def _secret_name(self, path: Path_, name: str, profile: AnyProfile) -> None:
        owner, dot, kind = name.rpartition(".")
        what = "client" if isinstance(profile, Profile) else "level"
        owners = profile.clients if isinstance(profile, Profile) else profile.levels
        kinds: tuple[str, ...] = _SECRET_KINDS if isinstance(profile, Profile) else _SECRET_KINDS[:1]
        if owner == "global" and isinstance(profile, Profile):
            kinds = _GLOBAL_KEYS
        elif owner == "mode_c" and isinstance(profile, Profile) and profile.mode_c is not None:
            kinds = ("password",)
        elif dot and owner not in owners:
            self._error(
                path,
                f"the profile has no {what} `{shown(owner)}`",
                suggest(owner, owners, "one of"),
                key=True,
            )
        if kind not in kinds:
            self._error(
                path, f"unknown kind of secret `{shown(kind)}`", suggest(kind, kinds, "one of"), key=True
            )

    def _one_secret(self, path: Path_, name: str, reference: str, profile: AnyProfile | None) -> None:
        if not reference:
            return  # a mistake that has been reported
        if reference.startswith("keyring:"):
            return  # asking would unlock it: a check must not
        try:
            secret = secrets.fetch(name, reference, self._environment)
        except BenchError as error:
            self._error(path, str(error))
            return
        suite = profile.security.suite if isinstance(profile, Profile) else None
        wanted = _octets_of(name.rpartition(".")[2], suite) if suite is not None else 0
        if wanted and len(secret) != wanted:
            self._error(
                path,
                f"secret {name}: the key has {len(secret)} octets",
                f"security suite {suite} takes {wanted} octets",
            )
        elif not len(secret):
            self._error(path, f"secret {name}: the value is empty")
        elif isinstance(profile, AnsiProfile) and len(secret) > _PASSWORD_OCTETS:
            self._error(
                path,
                f"secret {name}: the password has {len(secret)} octets",
                f"C12.18 takes at most {_PASSWORD_OCTETS}",
            )


def _octets_of(kind: str, suite: int) -> int:
    """Return how many octets a key of ``kind`` has in ``suite``, 0 where it is not for the suite to say."""
    if kind in _SYMMETRIC_KEYS:
        return _KEY_OCTETS[suite]
    numbers = 1 if kind in _PRIVATE_KEYS else 2 if kind in _PUBLIC_KEYS else 0
    return numbers * _CURVE_OCTETS.get(suite, 0)


def _lacking_secrets(device: DeviceEntry, profile: AnyProfile) -> Iterator[tuple[str, str]]:
    """Yield what the bench does not give, and whose it is."""
    if isinstance(profile, Profile):
        needed = {
            f"client {client} ({entry.mechanism})": [
                f"{client}.{kind}" for kind in _NEEDED.get(entry.mechanism, ())
            ]
            for client, entry in profile.clients.items()
        }
    else:
        needed = {f"level {level}": [f"{level}.password"] for level in profile.levels}
    for whose, names in needed.items():
        lacking = [
            name
            for name in names
            if name not in device.secrets and name.rpartition(".")[2] not in device.secrets
        ]
        if lacking:
            yield ", ".join(lacking), whose
