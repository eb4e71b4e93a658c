"""A loopback HTTP server that misbehaves as it is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Site:
    """What the server holds and how it behaves; `requests` records path, Range and If-Range.

    Args:
        break_after: body bytes after which each next answer breaks off, in turn.
        statuses: error statuses that the next answers give, in turn.
    """

    files: dict[str, bytes]
    etag: str = '"v1"'
    has_ranges: bool = True
    break_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    url: str = ""


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing the server waits for every answer
    site: Site


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        site, asked = self.server.site, self.headers.get("Range")
        condition = self.headers.get("If-Range")
        site.requests.append((self.path, asked, condition))
        content = site.files.get(self.path.removeprefix("/"))
        if site.statuses or content is None:
            self._answer(site.statuses.pop(0) if site.statuses else 404, {}, b"")
            return
        start = 0
        if asked and site.has_ranges and condition == site.etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= len(content) > 0:
            self._answer(416, {"Content-Range": f"bytes */{len(content)}"}, b"")
        elif start:
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._answer(206, {"Content-Range": span}, content[start:])
        else:
            self._answer(200, {}, content)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        site = self.server.site
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if site.etag:
            self.send_header("ETag", site.etag)
        self.end_headers()
        if status < 300 and site.break_after:
            body = body[: site.break_after.pop(0)]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve the site on a free loopback port."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.site = site
        site.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
