"""Chromium for tests, driven over the DevTools protocol's pipe: real mouse and key events, real screenshots.

The protocol is https://chromedevtools.github.io/devtools-protocol; with --remote-debugging-pipe the browser reads JSON
messages, each ended by a zero byte, from file descriptor 3 and writes them to 4.
"""

import base64
import io
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
MOST_SECONDS = 60
KEY_CODES = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9, "Enter": 13, "Escape": 27}
SHIFT, CTRL = 8, 2

# Puts the two descriptors where the browser looks for them, whatever numbers they came with, and becomes the browser.
LAUNCH = """
import fcntl, os, sys
ends = [int(number) for number in sys.argv[1:3]]
for place, end in zip((3, 4), [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]):
    os.dup2(end, place)
for end in set(ends) - {3, 4}:
    os.close(end)
os.execv(sys.argv[3], sys.argv[3:])
"""


def chromium() -> str | None:
    """Path of the first browser found on the PATH."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab of a headless Chromium; `problems` collects exceptions, console errors and failed or network requests."""

    def __init__(self, profile: Path, width: int = 1200, height: int = 900):
        to_browser, self._writes = os.pipe()
        self._reads, from_browser = os.pipe()
        self._browser = subprocess.Popen(
            [
                sys.executable, "-c", LAUNCH, str(to_browser), str(from_browser), chromium(),
                "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
                "--disable-background-networking", f"--user-data-dir={profile}", f"--window-size={width},{height}",
                "--remote-debugging-pipe", "about:blank",
            ],
            pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self._numbers, self._received, self._events = itertools.count(1), b"", []
        self._session: str | None = None
        self.problems: list[str] = []
        target = next(one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    def close(self) -> None:
        self._session = None
        self.call("Browser.close")
        self._browser.wait(MOST_SECONDS)
        os.close(self._reads)
        os.close(self._writes)

    def call(self, method: str, **parameters) -> dict:
        """Result of a command of the protocol; events that arrive meanwhile are looked through for problems."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _receive(self) -> dict:
        deadline = time.monotonic() + MOST_SECONDS
        while b"\0" not in self._received:
            if not select.select([self._reads], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"the browser said nothing for {MOST_SECONDS} s")
            piece = os.read(self._reads, 1 << 20)
            if not piece:
                raise RuntimeError("the browser has ended")
            self._received += piece
        message, _, self._received = self._received.partition(b"\0")
        answer = json.loads(message)
        self._note(answer.get("method"), answer.get("params", {}))
        return answer

    def _note(self, method: str | None, event: dict) -> None:
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(event["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
            self.problems.append(json.dumps(event["args"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
            self.problems.append(event["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not event["request"]["url"].startswith(("file:", "data:")):
            self.problems.append(f"asked for {event['request']['url']}")
        elif method:
            self._events.append(method)

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def open(self, file: Path) -> None:
        """Opens a file of this machine and waits until it has loaded."""
        self._events.clear()
        self.call("Page.navigate", url=file.as_uri())
        while "Page.loadEventFired" not in self._events:
            self._receive()

    def prefer(self, media: str = "", **features: str) -> None:
        """Emulates media features, e.g. prefer(prefers_color_scheme="dark"), and a medium such as "print"."""
        wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", media=media, features=wanted)

    def run(self, javascript: str):
        """Value of an expression on the page, as JSON would carry it."""
        answer = self.call("Runtime.evaluate", expression=javascript, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{javascript}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def mouse(self, kind: str, x: float, y: float, **more) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def drag(self, start: tuple[float, float], end: tuple[float, float], modifiers: int = 0) -> None:
        """Presses the left button at `start`, moves in steps to `end` and lets go; pixels of the window."""
        held = {"button": "left", "clickCount": 1, "modifiers": modifiers}
        self.mouse("mousePressed", *start, buttons=1, **held)
        for share in (0.3, 0.7, 1):
            x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
            self.mouse("mouseMoved", x, y, buttons=1, **held)
        self.mouse("mouseReleased", *end, **held)

    def click(self, selector: str) -> None:
        """Clicks the middle of an element, after scrolling it into view."""
        x, y, width, height = self.box(selector)
        at = x + width / 2, y + height / 2
        self.mouse("mousePressed", *at, button="left", clickCount=1)
        self.mouse("mouseReleased", *at, button="left", clickCount=1)

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """x, y, width and height of an element in pixels of the window, after scrolling it into view."""
        return tuple(
            self.run(
                f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
                "one.scrollIntoView({block: 'nearest', behavior: 'instant'}); const box = one.getBoundingClientRect();"
                "return [box.x, box.y, box.width, box.height]; })()"
            )
        )

    def key(self, name: str, modifiers: int = 0, times: int = 1) -> None:
        """Presses a key by its KeyboardEvent.key."""
        key = {"key": name, "modifiers": modifiers}
        if name in KEY_CODES:
            key["windowsVirtualKeyCode"] = KEY_CODES[name]
        if len(name) == 1:
            key["text"] = name
        for _ in range(times):
            self.call("Input.dispatchKeyEvent", type="keyDown", **key)
            self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    def screenshot(self, save: Path | None = None) -> np.ndarray:
        """(height, width, 3) uint8 of the window."""
        png = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        if save:
            save.write_bytes(png)
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def pdf(self) -> bytes:
        """The page as it prints, with the size and margins that its style asks for."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])
