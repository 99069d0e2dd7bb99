"""A headless Chromium to look at a report with: pictures of it, what it says, and every request it makes.

Speaks the browser's own debugging protocol over two pipes (file descriptors 3 and 4, JSON messages ended by a
NUL byte), so neither a driver package nor an open port is needed. Used by the tests and by CI; the product
itself never starts a browser.

    python -m reports.chromium REPORT.html PICTURE.png [WIDTH HEIGHT]
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chromium-headless-shell")
FLAGS = (
    "--headless",
    "--no-sandbox",  # CI runs as root in a container; the pages are our own files
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # nothing may be fetched: what tries shows up in `requests`
    "--remote-debugging-pipe",
)

ANY_ANSWER = 1 << 30  # the serial of a command whose answer nobody waits for


class BrowserError(Exception):
    """The browser is missing, stopped, or did not answer in time."""


def find_chromium() -> str | None:
    """Return the path of an installed Chromium, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One page in one browser. ``requests`` holds every URL it asked for, ``dialogs`` every alert."""

    def __init__(self, to_browser: int, from_browser: int, timeout_s: float) -> None:
        self._to = to_browser
        self._from = from_browser
        self._timeout_s = timeout_s
        self._buffer = b""
        self._serial = 0
        self._session = ""
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.dialogs: list[str] = []
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})[
            "sessionId"
        ]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable", {})

    def size(self, width: int, height: int) -> None:
        """Set the size of the window, in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, url: str, ready: str) -> None:
        """Go to ``url`` and wait until the JavaScript expression ``ready`` holds."""
        self._call("Page.navigate", {"url": url})
        self.wait_for(ready)

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression. Raises BrowserError when it throws."""
        arguments = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self._call("Runtime.evaluate", arguments)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails'].get('text', 'threw')}")
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until ``expression`` holds, looking every 50 ms. Raises BrowserError when it never does."""
        looks = int(self._timeout_s / 0.05)
        poll = (
            "new Promise(done => { let left = %d; const look = () => { let ok = false; "
            "try { ok = !!(%s); } catch (e) {} "
            "if (ok || !left--) done(ok); else setTimeout(look, 50); }; look(); })"
        )
        if self.evaluate(poll % (looks, expression)) is not True:
            raise BrowserError(f"never became true: {expression}")

    def text(self) -> str:
        """Return the text a reader sees."""
        return str(self.evaluate("document.body.innerText"))

    def picture(self, path: Path) -> None:
        """Write a PNG of what the window shows."""
        answer = self._call("Page.captureScreenshot", {"format": "png"})
        path.write_bytes(base64.b64decode(answer["data"]))

    def outside_requests(self) -> list[str]:
        """Return the URLs that would have left this machine."""
        inside = ("file:", "data:", "blob:", "about:")
        return [url for url in self.requests if not url.startswith(inside)]

    def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._serial += 1
        self._send(self._serial, method, parameters)
        while True:
            answer = self._receive()
            if answer.get("id") == self._serial:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error'].get('message')}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Network.webSocketCreated":
                self.requests.append(parameters["url"])
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.errors.append(
                    f"{parameters['entry']['text']} {parameters['entry'].get('url', '')[:100]}"
                )
            case "Runtime.exceptionThrown":
                self.errors.append(str(parameters["exceptionDetails"].get("text")))
            case "Page.javascriptDialogOpening":
                self.dialogs.append(parameters["message"])
                # Without an answer the page would stand still; the answer's answer is of no interest.
                self._send(ANY_ANSWER, "Page.handleJavaScriptDialog", {"accept": True})

    def _send(self, serial: int, method: str, parameters: dict[str, Any]) -> None:
        message: dict[str, Any] = {"id": serial, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._from], [], [], self._timeout_s + 5)[0]:
                raise BrowserError("the browser does not answer")
            data = os.read(self._from, 1 << 16)
            if not data:
                raise BrowserError("the browser went away")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        return message


@contextmanager
def open_page(*, timeout_s: float = 30.0, executable: str | None = None) -> Iterator[Page]:
    """Start a browser with an empty profile and give one page; both are gone afterwards.

    Raises BrowserError when no Chromium is installed.
    """
    program = executable or find_chromium()
    if program is None:
        raise BrowserError("no Chromium is installed (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory(prefix="meterbench-chromium-", ignore_cleanup_errors=True) as profile:
        process, to_browser, from_browser = _spawn([program, *FLAGS, f"--user-data-dir={profile}"], profile)
        try:
            yield Page(to_browser, from_browser, timeout_s)
        finally:
            os.close(to_browser)  # it leaves when its pipe closes
            os.close(from_browser)
            _wait(process, 5.0)


def _spawn(command: list[str], home: str) -> tuple[int, int, int]:
    """Start the browser with its pipes as descriptors 3 and 4; return its pid and our two ends."""
    ours_in, theirs_out = os.pipe()
    theirs_in, ours_out = os.pipe()
    # Out of the way first: a pipe that happens to be descriptor 3 must not be overwritten by its sibling.
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in (theirs_in, theirs_out)]
    os.close(theirs_in)
    os.close(theirs_out)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, high[0], 3),
        (os.POSIX_SPAWN_DUP2, high[1], 4),
    ]
    pid = os.posix_spawn(command[0], command, {**os.environ, "HOME": home}, file_actions=actions)
    for end in high:
        os.close(end)
    return pid, ours_out, ours_in


def _wait(pid: int, timeout_s: float) -> None:
    handle = os.pidfd_open(pid)
    try:
        if not select.select([handle], [], [], timeout_s)[0]:
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    finally:
        os.close(handle)


def main(arguments: list[str]) -> int:
    """Write a picture of a page; say on stderr what it asked for from outside."""
    page_path, picture = Path(arguments[0]).resolve(), Path(arguments[1])
    width, height = (int(text) for text in arguments[2:4]) if len(arguments) >= 4 else (1400, 1000)
    with open_page() as page:
        page.size(width, height)
        page.open(page_path.as_uri(), "document.body.innerText.trim().length > 40")
        page.picture(picture)
        outside = page.outside_requests()
    for url in outside:
        sys.stderr.write(f"asks for {url}\n")
    return 1 if outside else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
