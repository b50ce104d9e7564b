"""A local HTTP server for downloads, with the faults of real ones."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class DataServer:
    """What it serves, and how badly.

    Attributes:
        files: path to content.
        cut_after: bytes after which a connection is cut; used up from the front, one a request.
        ranges: whether Range requests are honored.
        status: answered in place of content; used up from the front, one a request.
        tag: the ETag; None sends none.
        requests: path and Range header of every request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    ranges: bool = True
    status: list[int] = field(default_factory=list)
    tag: str | None = '"one"'
    url: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def running(self) -> Generator[DataServer]:
        """Serve until the end of the block."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(data: DataServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            data.requests.append((self.path, wanted))
            content = data.files.get(self.path)
            if data.status or content is None:
                self.send_error(data.status.pop(0) if data.status else 404)
                return
            start = self._start(wanted, len(content))
            if start is not None and start >= len(content):
                self.send_error(416)
                return
            self._send(content, start)

        def _start(self, wanted: str, size: int) -> int | None:
            same = self.headers.get("If-Range", data.tag) == data.tag
            return int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and data.ranges and same else None

        def _send(self, content: bytes, start: int | None) -> None:
            self.send_response(200 if start is None else 206)
            if data.tag:
                self.send_header("ETag", data.tag)
            if start is not None:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            rest = content[start or 0 :]
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            cut = data.cut_after.pop(0) if data.cut_after else len(rest)
            self.wfile.write(rest[:cut])
            if cut < len(rest):
                self.wfile.flush()
                self.connection.close()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
