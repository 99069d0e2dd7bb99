"""One run from its first case to its reports: folder, journal, bench, sinks. No pytest in here."""

from __future__ import annotations

import itertools
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from adapters.clock import WallClock
from adapters.errors import BenchError, ConfigError, LabError, TransportError
from harness import actions, rules
from harness.bench_port import Bench, NoBench
from harness.interrupts import Interrupts
from harness.journal import Journal, JournalSink
from harness.locks import BenchInUse, OwnedLock, lock_bench, who
from harness.plan import Case, Plan
from harness.records import CaseRecord, Sink
from harness.recovery import complete, recover_all
from harness.run_folder import Evidence, RunFolder, new_run_folder, run_name
from harness.run_record import PlannedCase, RunRecord, read_run
from harness.runner import CaseRunner
from harness.screen import Screen
from harness.scrub import Scrubber
from harness.sinks.allure import write_categories, write_environment, write_executor
from harness.sinks.measurements import attach_measurements
from harness.sinks.transcripts import Transcripts
from harness.steps import Steps
from harness.verdicts import Verdict
from harness.wording import error_text


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the command line says about a run. ``bench`` empty means: the one each plan names."""

    bench: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    seed: int = 1
    runs: Path = Path("runs")
    broken: frozenset[str] = frozenset()
    faults: Mapping[str, str] = field(default_factory=dict)
    resume: Path | None = None
    worker: str = ""  # the xdist worker
    workers: int = 1  # how many there are
    folder: Path | None = None  # given by the xdist controller
    requirement_url: str = ""


class OpenBench(Protocol):
    """Opens a bench by its file or name; ``harness.bench.open_bench`` does."""

    def __call__(
        self,
        bench: str,
        *,
        seed: int,
        broken: frozenset[str],
        faults: Mapping[str, str],
        wire_dir: Path | None,
        scrubber: Scrubber,
    ) -> Bench:
        """Return the live bench. Raises ConfigError for a mistake in its file, LabError otherwise."""
        ...


class RunSession:
    """Owns what a run needs. ``begin``, then a runner for each plan, then ``end`` however it went."""

    def __init__(
        self,
        options: RunOptions,
        interrupts: Interrupts,
        sinks: Sequence[Sink] = (),
        *,
        open_bench: OpenBench | None = None,
    ) -> None:
        self.options, self.interrupts = options, interrupts
        self._open_bench = open_bench if open_bench is not None else _installed_open_bench()
        self.scrubber = Scrubber()
        self.wall = WallClock()
        self.folder: RunFolder | None = None
        self.journal: Journal | None = None
        self.problems: list[str] = []  # what went wrong while the bench was made safe
        self._extra_sinks = tuple(sinks)
        self.screen = Screen(sinks=sinks)
        self._sinks: tuple[Sink, ...] = ()
        self._benches: dict[str, Bench] = {}
        self._broken: dict[str, str] = {}  # bench -> why it cannot be used any more
        self._blamed: set[str] = set()  # benches whose first case already carries the bench error
        self._locks: list[OwnedLock] = []
        self._runners: dict[str, CaseRunner] = {}
        self._evidence: Evidence | None = None
        self._transcripts: dict[str, Transcripts] = {}

    # -- the beginning

    def begin(self, plans: Sequence[Plan], planned: Sequence[PlannedCase]) -> None:
        """Create or reopen the run folder, write the journal's head and open the benches.

        Killed runs beside ours are completed first. Raises ConfigError for a mistake in a bench file and
        BenchError when the folder or the journal cannot be written; a bench that cannot be opened is
        remembered and becomes the verdict of its cases.
        """
        options = self.options
        if not options.worker:
            recover_all(options.runs)
        names = list(dict.fromkeys(case.plan for case in planned))
        self.folder = RunFolder(self._path(names), options.worker)
        self.folder.create()
        now = self.wall.utc_now()
        self.folder.hold(who(now))
        self.journal = Journal(self.folder.journal, wall=self.wall)
        self.journal.write(
            "run_resumed" if options.resume is not None else "run_started",
            sync=True,
            **self._head(plans, planned),
        )
        prefix = f"{options.worker}-" if options.worker else ""
        self._evidence = Evidence(self.folder.attachments, self.scrubber, prefix)
        self.screen.total = len(planned)
        self._sinks = (JournalSink(self.journal, self.folder.path), self.screen, *self._extra_sinks)
        for name in dict.fromkeys(
            [options.bench] if options.bench or not plans else [p.bench for p in plans]
        ):
            self._open(name)
        self._describe(plans)

    def _path(self, names: Sequence[str]) -> Path:
        options = self.options
        if options.resume is not None:
            return options.resume
        if options.folder is not None:
            return options.folder
        return new_run_folder(options.runs, run_name(names, self.wall.utc_now()))

    def _head(self, plans: Sequence[Plan], planned: Sequence[PlannedCase]) -> dict[str, Any]:
        options = self.options
        return {
            "format": 1,
            "version": version(),
            "pid": os.getpid(),
            "host": platform.node(),
            "worker": options.worker,
            "bench": options.bench or ", ".join(dict.fromkeys(plan.bench for plan in plans)),
            "bench_option": options.bench,
            "seed": options.seed,
            "parameters": dict(options.parameters),
            "broken": sorted(options.broken),
            "faults": dict(options.faults),
            "plans": [{"plan": p.name, "path": str(p.path), "sha256": p.digest} for p in plans],
            "planned": [
                {
                    "plan": case.plan,
                    "case": case.key,
                    "title": case.title,
                    "plan_title": case.plan_title,
                    "area": case.area,
                    "source": case.source,
                    "verifies": case.verifies,
                    "tags": case.tags,
                    "row": dict(case.row),
                }
                for case in planned
            ],
        }

    def _open(self, name: str) -> None:
        """Open one bench. Raises ConfigError: no link is opened here, so what fails is written somewhere.

        A bench another run holds, or a link that a provider does open and that fails, is no mistake of
        the user; it becomes the verdict of the bench's cases.
        """
        if not name:
            raise ConfigError("no bench: none is named by a plan, give --bench")
        try:
            bench = self._opened(name)
            if isinstance(bench.clock, WallClock):
                self._take(bench)
        except (BenchInUse, TransportError) as error:
            self._broken[name] = f"bench {name} cannot be used: {error_text(error)}"
            bench = NoBench(name=name)
        if hasattr(bench, "screen"):
            bench.screen = self.screen
        self._benches[name] = bench

    def _opened(self, name: str) -> Bench:
        assert self.folder is not None
        options = self.options
        try:
            with self.interrupts.armed():
                return self._open_bench(
                    name,
                    seed=options.seed,
                    broken=options.broken - rules.behaviours(),
                    faults=options.faults,
                    wire_dir=self.folder.wire_of(name),
                    scrubber=self.scrubber,
                )
        except ConfigError:
            raise
        except BenchError as error:
            raise ConfigError(self.scrubber.text(f"bench {name}: {error}")) from error

    def _take(self, bench: Bench) -> None:
        """Take a real bench for this run alone; on failure it is closed again."""
        try:
            if self.options.workers > 1:
                raise ConfigError(f"bench {bench.name} is real, it can do one thing at a time: leave out -n")
            self._locks.append(lock_bench(bench.name, self.wall.utc_now()))
        except BenchError:
            bench.close()
            raise

    def _describe(self, plans: Sequence[Plan]) -> None:
        """Write the files that tell the report what it is about."""
        assert self.folder is not None
        if self.options.worker not in ("", "gw0"):
            return
        text = self.scrubber.text
        values = {
            "run": self.folder.path.name,
            "plan": ", ".join(f"{plan.name} (sha256 {plan.digest[:16]})" for plan in plans),
            "bench": ", ".join(bench.name for bench in self._benches.values()),
            "seed": str(self.options.seed),
            "meterbench": version(),
            "started": f"{self.wall.utc_now():%Y-%m-%d %H:%M:%S} UTC",
        }
        told: dict[str, dict[str, None]] = {}  # of several benches every different word, once
        for bench in self._benches.values():
            for name, value in getattr(bench, "environment", {}).items():
                told.setdefault(name, {})[value] = None
        values |= {name: ", ".join(words) for name, words in told.items() if name not in values}
        results = self.folder.allure_results
        write_environment(results, {text(name): text(value, 4000) for name, value in values.items()})
        write_executor(results, self.folder.path.name)
        write_categories(results)

    # -- cases

    def bench_for(self, plan: Plan | None) -> Bench:
        """Return the bench a plan runs on; for a Python test module the one that is open."""
        if plan is not None:
            return self._benches[self.options.bench or plan.bench]
        return next(iter(self._benches.values()), NoBench(name="none"))

    def run_case(self, plan: Plan, case: Case, *, case_uuid: str = "") -> CaseRecord:
        """Run one case of a plan and return its record."""
        name = self.options.bench or plan.bench
        bench = self.bench_for(plan)
        assert self.journal is not None
        assert self.folder is not None
        self.journal.clock = bench.clock
        self.journal.wire = self.folder.wire_of(name).relative_to(self.folder.path)
        runner = self._runners.get(plan.name)
        if runner is None:
            runner = self._runners[plan.name] = CaseRunner(
                bench,
                plan,
                self._sinks,
                scrubber=self.scrubber,
                evidence=self._evidence,
                interrupts=self.interrupts,
                broken=self.options.broken,
                finishers=self._finishers(bench),
            )
        self.screen.expect(len(case.steps))
        record = runner.run(case, case_uuid=case_uuid, refused=self._refusal(name, plan, bench))
        why = getattr(bench, "broken_reason", None)
        if why and name not in self._broken:
            self._broken[name] = f"bench {name} broke in {record.key}: {self.scrubber.text(str(why))}"
            self._blamed.add(name)
        return record

    def _refusal(self, name: str, plan: Plan, bench: Bench) -> tuple[Verdict, str] | None:
        """Return why a case is not even begun: its bench is broken, or lacks a device."""
        if name in self._broken:
            if name in self._blamed:
                return Verdict.skipped, self._broken[name]
            self._blamed.add(name)
            return Verdict.bench_error, self._broken[name]
        missing = list(missing_devices(plan, bench))
        return (
            (Verdict.skipped, f"{bench.file or bench.name} has no {' and no '.join(missing)}")
            if missing
            else None
        )

    def python_steps(self, record: CaseRecord) -> Steps:
        """Return Steps for a Python test; its sinks have been told that the case begins."""
        bench = self.bench_for(None)
        assert self.journal is not None
        self.journal.clock = bench.clock
        return Steps(
            record,
            self._sinks,
            clock=bench.clock,
            devices=bench.devices,
            scrubber=self.scrubber,
            evidence=self._evidence,
            interrupts=self.interrupts,
        )

    def amend(self, record: CaseRecord, verdict: Verdict, why: str) -> None:
        """Change the verdict of a case that has ended already, for the worse."""
        assert self.journal is not None
        record.message = self.scrubber.text("; ".join(filter(None, (record.message, why))), 4000)
        record.verdict = max(record.verdict, verdict) if record.verdict is not Verdict.skipped else verdict
        self.journal.write(
            "case_amended",
            sync=True,
            case=record.key,
            plan=record.plan,
            verdict=record.verdict.name,
            message=record.message,
        )

    def finish_python(self, steps: Steps) -> None:
        """Attach the evidence of a Python test and tell the sinks that it ended."""
        for finish in self._finishers(self.bench_for(None)):
            finish(steps)

    def _finishers(self, bench: Bench) -> tuple[Callable[[Steps], None], ...]:
        found = self._transcripts.get(bench.name)
        if found is None:
            found = self._transcripts[bench.name] = Transcripts(bench)
        return (attach_measurements, found, attach_plots)

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Return the sinks of the run, the journal first."""
        return self._sinks

    # -- the end

    def end(self) -> RunRecord | None:
        """Make the benches safe, close everything and complete the reports. Never interrupted by a signal.

        Where the disk no longer takes anything the benches are made safe all the same; what could not be
        written is then among ``problems``, and the next start completes the reports.
        """
        if self.folder is None or self.journal is None:
            return None
        with self.interrupts.shielded():
            for bench in self._benches.values():
                for action in (bench.make_safe, bench.close):
                    try:
                        action()
                    except Exception as error:  # noqa: BLE001 - the next bench still has to be made safe
                        what = f"{bench.name}, {action.__name__}: {error_text(error)}"
                        self.problems.append(self.scrubber.text(what))
            for lock in self._locks:
                lock.release()
            try:
                return self._conclude(self.folder, self.journal)
            except (OSError, LabError) as error:
                self.problems.append(self.scrubber.text(f"the reports are not complete: {error_text(error)}"))
                return None
            finally:
                self.folder.release()

    def _conclude(self, folder: RunFolder, journal: Journal) -> RunRecord:
        for text in self.problems:
            journal.write("note", text=text)
        if self.interrupts.reason:
            journal.write("signal", name=self.interrupts.reason)
        journal.write("run_ended", sync=True)
        journal.close()
        run = read_run(folder.path)
        if not self.options.worker:
            complete(run, requirement_url=self.options.requirement_url)
        return run

    def forget(self) -> None:
        """Take back a run that never began, because its bench file is wrong: nothing has happened."""
        if self.folder is None or self.journal is None:
            return
        for bench in self._benches.values():
            bench.close()
        self.journal.close()
        self.folder.release()
        if self.options.resume is None and not self.options.worker:
            shutil.rmtree(self.folder.path, ignore_errors=True)


def _installed_open_bench() -> OpenBench:
    from harness.bench import open_bench

    return open_bench


def attach_plots(steps: Steps) -> None:
    """Attach the curves of a case, where the plotting extra is installed and there is a curve to draw."""
    try:
        from harness.plots import curves_of
    except ImportError:
        return
    for attachment in curves_of(steps.record):
        steps.attach(attachment.name, attachment.mime, data=attachment.data, path=attachment.path)


def missing_devices(plan: Plan, bench: Bench) -> Iterable[str]:
    """Yield what a plan needs and a bench has not got: ``device (role)``."""
    roles: Mapping[str, Any] = actions.roles()
    for device, needed in plan.needs.items():
        has = bench.roles.get(device)
        fits = has == needed or roles.get(needed) in getattr(roles.get(has or ""), "__mro__", ())
        if has is None or not fits:
            yield (
                f"{device} ({needed})" if has is None else f"{device} with the role {needed} (it is a {has})"
            )


def planned_cases(plan: Plan, cases: Iterable[Case]) -> Iterable[PlannedCase]:
    """Yield what the journal's head says about the cases of a plan that were chosen."""
    for case in cases:
        yield PlannedCase(
            plan=plan.name,
            key=case.key,
            title=case.title,
            plan_title=plan.title,
            area=plan.path.parent.name,
            source=plan.source,
            verifies=case.verifies,
            tags=case.tags,
            row=case.row,
        )


def version() -> str:
    """Return the version of MeterBench that is installed."""
    try:
        return metadata.version("meterbench")
    except metadata.PackageNotFoundError:
        return "unknown"


def worker_folder(runs: Path, name: str) -> Path:
    """Return a folder name an xdist controller can give its workers before any of them has begun."""
    return next(path for n in itertools.count(1) if not (path := runs / f"{name}-{n}").exists())


__all__ = ["RunOptions", "RunSession", "missing_devices", "planned_cases", "version", "worker_folder"]
