"""A page in headless Chromium, driven over its debugging pipe: no driver, no port, no network."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
)
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-pipe",
)
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowUp": 38, "ArrowDown": 40}
KEYS |= {"ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35}


class Page:
    """One tab. ``console`` collects what a person would see in red."""

    def __init__(self, profile: Path, *, timeout: float = 60) -> None:
        self.timeout, self.console = timeout, []
        self._number, self._session, self._events, self._rest = 0, None, [], b""
        self.requests = []
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()
        # dash takes no descriptor above 9 behind <&
        command = f'exec "$@" 3</dev/fd/{read_there} 4>/dev/fd/{write_there}'
        self._process = subprocess.Popen(
            ["sh", "-c", command, "sh", CHROMIUM, *OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(read_there, write_there),
            stderr=subprocess.DEVNULL,
        )
        os.close(read_there)
        os.close(write_there)
        self._in, self._out = read_here, write_here
        try:
            self._attach()
        except BaseException:
            self.__exit__()
            raise

    def _attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **parameters):
        """Send one command and wait for its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def open(self, path: Path) -> float:
        """Load a file; seconds until its load event."""
        self._events.clear()
        began = time.perf_counter()
        self.call("Page.navigate", url=path.as_uri())
        while "Page.loadEventFired" not in self._events:
            self._receive()
        return time.perf_counter() - began

    def run(self, expression: str):
        """Value of an expression of JavaScript."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def scroll_to(self, selector: str) -> dict[str, float]:
        """Bring an element into view; its place there, once scrolling has settled."""
        element = f"document.querySelector({selector!r})"
        self.run(f"{element}.scrollIntoView({{ block: 'center', behavior: 'instant' }})")
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return self.run(f"{element}.getBoundingClientRect().toJSON()")

    def press(self, key: str) -> None:
        """Press and release one key, as a person would."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        fields = {"key": key, "code": "Space" if key == " " else key, "text": text}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, windowsVirtualKeyCode=KEYS[key], **fields
            )

    def point(self, x: float, y: float) -> None:
        """Move the mouse."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def show(self, *, width: int, height: int, scheme: str = "light") -> None:
        """Set the size of the window in CSS pixels and the colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write a PNG of what is in view, or of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _receive(self) -> dict:
        end = time.monotonic() + self.timeout
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            chunk = os.read(self._in, 1 << 20) if ready else b""
            if not chunk:
                raise TimeoutError(f"Chromium said nothing more after {self._events[-3:]}")
            self._rest += chunk
        text, self._rest = self._rest.split(b"\0", 1)
        message = json.loads(text)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, parameters: dict) -> None:
        self._events.append(method)
        if method == "Runtime.exceptionThrown":
            self.console.append(parameters["exceptionDetails"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.console.append(str(parameters["args"]))
        elif method == "Log.entryAdded":
            self.console.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
