"""A model hub on the loopback interface: the few answers that fetching a model needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def fake_hub(folder: Path, files: Path) -> Iterator[str]:
    """Serve ``files`` as the model ``open/model``; ``gated/model`` exists but refuses its files.

    Yields:
        The hub's address.
    """

    class Hub(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            with (folder / "hub.log").open("a") as log:
                log.write(format % args + "\n")

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            parts = self.path.partition("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                self._api("/".join(parts[2:4]), parts[4:], body)
            elif parts[2:3] == ["resolve"]:
                self._file("/".join(parts[:2]), parts[4], body)
            else:  # what huggingface_hub asks for besides models
                self._refuse(404, "EntryNotFound")

        def _api(self, model: str, rest: list[str], body: bool) -> None:
            if model not in ("open/model", "gated/model", "pickled/model"):
                self._refuse(404, "RepoNotFound")
            elif rest[0] == "revision" and rest[1] not in ("main", COMMIT):
                self._refuse(404, "RevisionNotFound")
            elif rest[0] == "revision":
                self._send(json.dumps({"id": model, "sha": COMMIT}).encode(), body)
            else:
                listed = [
                    {"type": "file", "path": p.name, "size": p.stat().st_size, "oid": _sha1(p)}
                    for p in files.iterdir()
                    if model != "pickled/model" or p.suffix != ".safetensors"
                ]
                self._send(json.dumps(listed).encode(), body)

        def _file(self, model: str, name: str, body: bool) -> None:
            if model == "gated/model":
                self._refuse(403, "GatedRepo")
            else:
                self._send((files / name).read_bytes(), body, _sha1(files / name))

        def _send(self, content: bytes, body: bool, etag: str = "x") -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _sha1(path: Path) -> str:
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
