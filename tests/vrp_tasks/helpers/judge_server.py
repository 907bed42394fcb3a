"""An OpenAI-compatible judge on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@contextmanager
def judge(reply: Callable[[str], str | int]) -> Iterator[tuple[str, list[str]]]:
    """Serve until the block ends.

    Parameters
    ----------
    reply : callable
        Prompt -> what the judge says, or an HTTP status to fail with.

    Yields
    ------
    address : str
        Base address.
    asked : list of str
        Prompts, as they come.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = content["messages"][-1]["content"]
            asked.append(prompt)
            said = reply(prompt)
            if isinstance(said, int):
                body, status = {"error": {"message": "refused on purpose"}}, said
            else:
                message = {"role": "assistant", "content": said}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                body = {"id": "x", "object": "chat.completion", "created": 0, "model": "loopback"}
                body |= {"choices": [choice]}
                status = 200
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
