"""The entry point through which a bench chooses the virtual rig by name; nothing imports it otherwise.

``open`` gives a site in virtual time within this process, ``serve`` the same site on the wall clock for
programs that are not ours. Both listen on the loopback interface only.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.base import Clock
from virtual_rig.build import BuiltSite, build
from virtual_rig.clock import VirtualClock
from virtual_rig.realtime import RealtimeDriver
from virtual_rig.site import load_site, site_names
from virtual_rig.world import modelled_behaviours


class VirtualBench:
    """A site in virtual time, as ``harness.bench`` takes it. ``built`` is the world behind the wires."""

    def __init__(self, built: BuiltSite, rig: VirtualClock) -> None:
        self.built, self._rig = built, rig
        self.name = built.site.site
        self.bench = built.bench()
        self.clock: Clock = rig
        self.secrets = built.secrets
        self.allow = built.site.allow
        self.modelled = modelled_behaviours()

    @property
    def asked(self) -> frozenset[str]:
        """Behaviours that some line of the rig has asked for so far."""
        return frozenset(self.built.world.asked)

    def trace_digest(self) -> str:
        """Return the SHA-256 of every byte that crossed a wire, with its time."""
        return self._rig.trace_digest()

    def close(self) -> None:
        """Take the site down."""
        self._rig.close()


class ServedSite:
    """A site on the wall clock. Use it as a context manager, or ``close`` it."""

    def __init__(self, built: BuiltSite, rig: RealtimeDriver) -> None:
        self.built, self._rig = built, rig
        self.name = built.site.site
        self.bench = built.bench()
        self.secrets = built.secrets
        self.modelled = modelled_behaviours()

    @property
    def endpoints(self) -> list[dict[str, object]]:
        """Every wire with all that a foreign client needs to use it; ready for JSON."""
        return [
            {
                "device": name,
                "link": each.link,
                "kind": "http" if each.url else each.server.kind,
                "address": each.url or each.server.address,
                **{key: value for key, value in part.options(each).items() if key != "transport"},
                **part.served,
            }
            for name, part in self.built.parts.items()
            for each in part.endpoints
        ]

    @property
    def failures(self) -> list[BaseException]:
        """What models raised; an empty list on a healthy rig."""
        return self._rig.failures

    def close(self) -> None:
        """Stop serving; closing twice is harmless."""
        self._rig.close()

    def __enter__(self) -> ServedSite:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class VirtualProvider:
    """Provides the sites of ``virtual_rig/sites``."""

    def sites(self) -> tuple[str, ...]:
        """Return their names."""
        return site_names()

    @staticmethod
    def modelled_behaviours() -> frozenset[str]:
        """Return the ids of the behaviours the rig implements, without opening a site."""
        return modelled_behaviours()

    def open(
        self,
        site: str,
        *,
        seed: int,
        broken: frozenset[str] = frozenset(),
        faults: Mapping[str, str] | None = None,
        keep_trace: bool = False,
    ) -> VirtualBench:
        """Open ``site`` in virtual time. Raises BenchError for a name that does not exist."""
        described = load_site(site)
        rig = VirtualClock(start=described.start, keep_trace=keep_trace)
        try:
            return VirtualBench(build(described, rig, seed=seed, broken=broken, faults=faults), rig)
        except BaseException:
            rig.close()
            raise

    def serve(
        self,
        site: str,
        *,
        seed: int,
        broken: frozenset[str] = frozenset(),
        faults: Mapping[str, str] | None = None,
    ) -> ServedSite:
        """Serve ``site`` on the wall clock. Raises BenchError for a name that does not exist."""
        rig = RealtimeDriver()
        try:
            built = build(load_site(site), rig, seed=seed, broken=broken, faults=faults, in_process=False)
            rig.start()
        except BaseException:
            rig.close()
            raise
        return ServedSite(built, rig)

    def modelled(self) -> frozenset[str]:
        """Return the behaviours the rig implements, without opening anything."""
        return modelled_behaviours()
