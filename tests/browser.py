"""A real browser without a window: what it makes of a page, and pictures of it.

Takes     the path of an HTML file.
Gives     `Browser`: what a page logged, which requests it made, the answers of scripts about it,
          screenshots.
Source    the Chrome DevTools Protocol, over the two pipes of ``--remote-debugging-pipe``: messages
          are JSON, each ended by a zero byte.
Not here  what a page should be.

The browser is Chromium or Chrome: ``MDPTOOLS_CHROMIUM``, or what is found by its usual names.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 60.0  # seconds for one answer
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
LAUNCH = """
import fcntl, os, sys
ours = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ours[0], 3)
os.dup2(ours[1], 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
"""The browser reads from 3 and writes to 4: our ends of the pipes are put there."""


def find() -> str | None:
    """The browser's program; None if there is none."""
    chosen = os.environ.get("MDPTOOLS_CHROMIUM")
    return chosen or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page in one browser; use it as a context."""

    def __init__(self, program: str, folder: Path) -> None:
        """``folder`` must be empty: it becomes the browser's memory."""
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()
        words = [program, *QUIET, f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(to_read), str(to_write), *words],
            pass_fds=(to_read, to_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_read)
        os.close(to_write)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        try:
            targets = self.call("Target.getTargets")["targetInfos"]
            target = next(one["targetId"] for one in targets if one["type"] == "page")
            found = self.call("Target.attachToTarget", targetId=target, flatten=True)
        except BaseException:
            self.__exit__()
            raise
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._out, self._in):  # a browser whose pipe is closed ends
            os.close(end)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    # -- the protocol ------------------------------------------------------------------------
    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask, and wait for the answer; what happens meanwhile goes into ``events``."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._next(deadline, method)
            if answer.get("id") != self._number:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']['message']}")
            else:
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self, deadline: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise TimeoutError(f"no answer to {what} within {PATIENCE:g} s")
            more = os.read(self._in, 1 << 16)
            if not more:
                raise RuntimeError(f"the browser ended, code {self._process.poll()}, at {what}")
            self._buffer += more
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    # -- pages -------------------------------------------------------------------------------
    def open(self, path: Path, *, width: int = 1280, dark: bool = False) -> None:
        """Load a file as a window of this width would, and wait until it is there."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        deadline = time.monotonic() + PATIENCE
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next(deadline, "Page.navigate"))
        self.ask("document.fonts.ready.then(() => 0)")

    def ask(self, expression: str) -> Any:
        """What a JavaScript expression gives; the page's own policy does not stop it."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["text"])
        return found["result"].get("value")

    def said(self, *methods: str) -> list[dict[str, Any]]:
        """The events of these names since the page was opened."""
        return [event["params"] for event in self.events if event.get("method") in methods]

    @property
    def logged(self) -> list[str]:
        """What went to the console: errors, warnings, messages."""
        entries = [one["entry"]["text"] for one in self.said("Log.entryAdded")]
        entries += [str(one["args"]) for one in self.said("Runtime.consoleAPICalled")]
        thrown = self.said("Runtime.exceptionThrown")
        return entries + [one["exceptionDetails"]["text"] for one in thrown]

    @property
    def requests(self) -> list[str]:
        """Every address that was asked for; what is within the page has none."""
        asked = [one["request"]["url"] for one in self.said("Network.requestWillBeSent")]
        return [url for url in asked if not url.startswith("data:")]

    def picture(self, path: Path) -> None:
        """The whole page as a PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(found["data"]))
