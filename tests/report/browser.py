"""A real browser for tests of the page: chromium, driven through its own pipe (no port needed).

The Chrome DevTools Protocol: JSON messages that end with a zero byte, on file descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip


def chromium() -> str | None:
    """Where chromium is, if there is one."""
    return shutil.which("chromium") or shutil.which("google-chrome")


class Page:
    """One open page."""

    def __init__(self, into: int, out: int) -> None:
        self._into, self._out = into, out
        self._numbers, self._rest, self._session = itertools.count(1), b"", ""
        self.said: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def _call(self, method: str, /, **parameters: Any) -> Any:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._into, json.dumps(message).encode() + b"\0")
        while True:
            told = self._read()
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]
            self._hear(told)

    def _read(self) -> Any:
        while b"\0" not in self._rest:
            piece = os.read(self._out, 1 << 16)
            assert piece, "the browser ended"
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)

    def _hear(self, told: dict[str, Any]) -> None:
        """Keep what the page complains of: an error of its script, a breach of its policy."""
        if told.get("method") == "Runtime.exceptionThrown":
            self.said.append(str(told["params"]["exceptionDetails"]))
        if told.get("method") == "Log.entryAdded" and told["params"]["entry"]["level"] == "error":
            self.said.append(told["params"]["entry"]["text"])

    def open(self, path: Path) -> None:
        """Load a file and wait for it."""
        self._call("Page.navigate", url=path.as_uri())
        while self.run("document.readyState") != "complete" or not self.run(
            f"location.href === {json.dumps(path.as_uri())}"
        ):
            pass

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is awaited."""
        done = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until an expression is true; the test's time limit ends what never comes."""
        frame = "new Promise((done) => requestAnimationFrame(() => done(0)))"
        for _ in range(600):
            if self.run(condition):
                return
            self.run(frame)
        raise AssertionError(condition)

    def click(self, selector: str) -> None:
        """Press the mouse on the middle of an element, as a user does."""
        find = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{find}.scrollIntoView({{block: 'center', inline: 'center'}})")
        box = self.run(f"(({{left, top, width, height}}) => [left + width / 2, top + height / 2])"
                       f"({find}.getBoundingClientRect())")  # fmt: skip
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1],
                       button="none" if kind == "mouseMoved" else "left", clickCount=1)  # fmt: skip

    def point(self, x: float, y: float) -> None:
        """Move the mouse there."""
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def type(self, said: str) -> None:
        """Write into what has the focus."""
        self._call("Input.insertText", text=said)

    def key(self, name: str) -> None:
        """Press a key."""
        code = {"ArrowRight": 39, "ArrowLeft": 37, "ArrowUp": 38, "ArrowDown": 40, "Enter": 13}
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=name, code=name,
                       windowsVirtualKeyCode=code[name])  # fmt: skip

    def resize(self, width: int, height: int = 900) -> None:
        """Give the window a size."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                   deviceScaleFactor=1, mobile=False)  # fmt: skip

    def prefer(self, scheme: str, media: str = "") -> None:
        """Let the reader prefer ``light`` or ``dark``, and read on ``print`` if asked to."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", media=media, features=features)

    def without_script(self) -> None:
        """Switch JavaScript off for what is opened next."""
        self._call("Emulation.setScriptExecutionDisabled", value=True)

    def picture(self, path: Path) -> None:
        """A picture of the whole page."""
        found = self._call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))


@contextmanager
def opened(folder: Path) -> Iterator[Page]:
    """A browser with an empty page, its profile in ``folder``."""
    found = chromium()
    assert found is not None
    ours_read, theirs_write = os.pipe()
    theirs_read, ours_write = os.pipe()
    command = f'exec "$0" "$@" 3<&{theirs_read} 4>&{theirs_write}'
    arguments = [*FLAGS, f"--user-data-dir={folder / 'profile'}"]
    process = subprocess.Popen(
        ["bash", "-c", command, found, *arguments],
        pass_fds=(theirs_read, theirs_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_read)
    os.close(theirs_write)
    try:
        yield Page(ours_write, ours_read)
    finally:
        process.kill()
        process.wait()
        os.close(ours_write)
        os.close(ours_read)
