"""``meterbench rig serve`` and ``meterbench devices``: a virtual site for others, and what is on hand.

The rig is found by entry point (``meterbench.providers``), never imported: another rig serves the same way.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from types import FrameType
from typing import Annotated, Any, Protocol, runtime_checkable

import typer
from serial.tools import list_ports

from adapters.errors import BenchError
from adapters.registry import GROUP as ADAPTERS
from harness.bench import PROVIDERS

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


class ServedSite(Protocol):
    """A site that is being served in real time."""

    bench: Mapping[str, object]
    secrets: Mapping[str, str]

    @property
    def endpoints(self) -> list[dict[str, object]]:
        """Return every wire with what a client needs to use it; ready for JSON."""
        ...

    def close(self) -> None:
        """Stop serving."""
        ...


@runtime_checkable
class ServingProvider(Protocol):
    """A provider that can serve its sites on the wall clock."""

    def sites(self) -> tuple[str, ...]:
        """Return the names of its sites."""
        ...

    def serve(self, site: str, *, seed: int) -> ServedSite:
        """Serve a site until it is closed."""
        ...


def register(app: typer.Typer) -> None:
    """Add the commands."""
    rig = typer.Typer(help="The virtual rig, for other people's tools.", no_args_is_help=True)
    rig.command("serve")(serve)
    app.add_typer(rig, name="rig")
    app.command("devices")(devices)


def serve(
    site: Annotated[str, typer.Argument(metavar="SITE", help="A virtual site; see `meterbench devices`.")],
    as_json: Json = False,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the site: keys, serial numbers, noise.")] = 1,
) -> None:
    """Serve a virtual site on the wall clock, loopback only, until Ctrl-C or SIGTERM.

    Prints every endpoint: tty, host and port or URL, addresses, and the secrets of the demo. With --json
    also the site as a bench file would describe it, so that plans can be run against it from elsewhere.
    """
    serving = _provider_of(site)
    with _until_stopped() as wait:
        served = serving.serve(site, seed=seed)
        try:
            endpoints = served.endpoints
            if as_json:
                described = {"site": site, "seed": seed, "endpoints": endpoints}
                described |= {"bench": _as_local(served.bench), "secrets": dict(served.secrets)}
                _out(json.dumps(described, indent=2))
            else:
                _out("\n".join(_in_words(site, endpoints)))
            _say(f"serving {site}; stop with Ctrl-C")
            wait()
        finally:
            served.close()
    _say("stopped")


def devices(as_json: Json = False) -> None:
    """List serial ports, installed adapters, and the providers with their virtual sites."""
    ports = [
        {
            "port": port.device,
            "description": port.description,
            "serial_number": port.serial_number or "",
            "usb": f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None else "",
        }
        for port in sorted(list_ports.comports())
    ]
    adapters = [
        {"name": entry.name, "role": _role(entry.load), "from": entry.value}
        for entry in sorted(entry_points(group=ADAPTERS))
    ]
    providers = [
        {"name": entry.name, "sites": _sites(entry.load), "from": entry.value}
        for entry in sorted(entry_points(group=PROVIDERS))
    ]
    if as_json:
        _out(json.dumps({"serial_ports": ports, "adapters": adapters, "providers": providers}, indent=2))
        return
    lines = ["Serial ports"]
    for port in ports:
        extras = " ".join(part for part in (port["usb"], port["serial_number"]) if part)
        lines.append(f"  {port['port']}  {port['description']}" + (f"  ({extras})" if extras else ""))
    lines += [] if ports else ["  none"]
    lines.append("Adapters")
    lines += [f"  {entry['name']:<16} {entry['role']:<16} {entry['from']}" for entry in adapters]
    lines.append("Providers and their sites")
    for provider in providers:
        names = [f"{provider['name']}:{site}" for site in provider["sites"]]
        lines.append(f"  {provider['name']:<16} {', '.join(names) or 'benches described by a file'}")
    _out("\n".join(lines))


def _provider_of(site: str) -> ServingProvider:
    """Return the provider that serves ``site``, or takes its file. Raises BadParameter naming the sites."""
    known: list[str] = []
    for entry in sorted(entry_points(group=PROVIDERS)):
        try:
            made = entry.load()()
        except (ImportError, AttributeError) as error:
            raise BenchError(
                f"bench provider {entry.name!r} ({entry.value}) cannot be loaded: {error}"
            ) from error
        if isinstance(made, ServingProvider):
            sites = made.sites()
            if site in sites or site.endswith((".yaml", ".yml")):
                return made
            known += sites
    raise typer.BadParameter(
        f"no virtual site is called {site!r}; there are {', '.join(known) or 'none'}", param_hint="SITE"
    )


@contextmanager
def _until_stopped() -> Iterator[Callable[[], None]]:
    """Yield a call that waits for Ctrl-C, SIGTERM or SIGHUP; handlers are put back afterwards."""
    stop = threading.Event()

    def stopping(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, stopping) for number in _STOPPING}

    def wait() -> None:
        while not stop.wait(3600.0):
            pass

    try:
        yield wait
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _as_local(bench: Mapping[str, object]) -> dict[str, object]:
    """Return a served site as a bench of real devices, which it is to whoever did not start it."""
    return {key: value for key, value in bench.items() if key != "site"} | {"provider": "local"}


def _in_words(site: str, endpoints: Iterable[Mapping[str, object]]) -> Iterator[str]:
    yield f"Site {site} (loopback only; the secrets are a demo's)"
    said: dict[tuple[str, str], object] = {}
    for endpoint in endpoints:
        rest = dict(endpoint)
        yield ""
        device = str(rest.pop("device", ""))
        where = f"{device}.{rest.pop('link', '')}".strip(".")
        yield f"{where:<24} {rest.pop('address', '')}  ({rest.pop('kind', '')})"
        for key, value in rest.items():
            if not isinstance(value, list) or said.get((device, key)) != value:
                yield from _entry(key, value, 4)
            else:
                yield f"    {key}: as above"
            said[device, key] = value


def _entry(key: str, value: object, indent: int) -> Iterator[str]:
    pad = " " * indent
    if isinstance(value, Mapping):
        yield f"{pad}{key}:"
        for inner, its in value.items():
            yield from _entry(str(inner), its, indent + 4)
    elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        yield f"{pad}{key}:"
        for each in value:
            yield f"{pad}  - " + "  ".join(f"{inner}={_text(its)}" for inner, its in dict(each).items())
    else:
        yield f"{pad}{key}: {_text(value)}"


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _role(load: Callable[[], Any]) -> str:
    try:
        return str(getattr(load(), "role", "?"))
    except (ImportError, AttributeError) as error:
        return f"cannot be loaded: {error}"


def _sites(load: Callable[[], Any]) -> list[str]:
    try:
        return list(load()().sites())
    except (ImportError, AttributeError):
        return []


def _out(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(f"meterbench: {text}\n")
    sys.stderr.flush()
