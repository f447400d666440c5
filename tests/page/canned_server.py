"""A server that speaks the part of the dialect the page uses, with answers a test chooses.

It gives out the page exactly as `trine serve` did, headers included, so what is tested is what
is served.
"""

import json
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PASSED_ON = ("Content-Type", "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy")
META = {"n_params": 46_702_792_704, "size": 18_400_000_000, "family": "mixtral"}
COMPRESSION = {
    "method": "milo-s1", "bits_per_weight": 3.04, "weight_error": 0.071,
    "original_size": 93_405_585_408, "trine_version": "0.1.0",
}  # fmt: skip


def fetch_page(address: str) -> tuple[bytes, dict[str, str]]:
    """The page of a real server and its headers."""
    with urllib.request.urlopen(address + "/", timeout=60) as answer:
        return answer.read(), dict(answer.headers)


class CannedServer(ThreadingHTTPServer):
    """Fields may be set at any time; `requests` holds the bodies that came, with their paths."""

    daemon_threads = True

    def __init__(self, page: bytes, page_headers: dict[str, str]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.page = page
        self.page_headers = {name: page_headers[name] for name in PASSED_ON}
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.name = "example-moe-3bit"
        self.has_template = True
        self.compression: dict | None = COMPRESSION
        self.api_key = ""
        self.refusal: tuple[int, str] | None = None  # status and body of the next answers
        self.pieces = ["It ", "is ", "so."]
        self.seconds_per_piece = 0.0
        self.ending = "done"  # or "error", "cut", "never"
        self.wait_after: int | None = None  # pieces sent before waiting for `go_on`
        self.go_on = threading.Event()
        self.abandoned = threading.Event()  # the page closed the connection of an answer
        self.requests: list[tuple[str, dict]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # connections the browser drops


class Handler(BaseHTTPRequestHandler):
    server: CannedServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def answer_json(self, body: dict, status: int = 200) -> None:
        self.answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def is_refused(self) -> bool:
        canned = self.server
        if canned.api_key and self.headers["Authorization"] != f"Bearer {canned.api_key}":
            self.answer_json({"error": {"message": "the API key is missing or wrong"}}, 401)
            return True
        return False

    def do_GET(self):
        canned = self.server
        if self.path == "/":
            return self.answer(200, canned.page, canned.page_headers)
        if self.is_refused():
            return None
        if self.path == "/v1/models":
            meta = {**META, "compression": canned.compression}
            model = {"id": canned.name, "object": "model", "max_model_len": 32768, "meta": meta}
            return self.answer_json({"object": "list", "data": [model]})
        if self.path == "/props":
            template = "{{ messages }}" if canned.has_template else ""
            return self.answer_json({"chat_template": template, "build_info": "trine 0.1.0"})
        return self.answer_json({"error": {"message": f"there is no {self.path}"}}, 404)

    def do_POST(self):
        canned = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.is_refused():
            return
        canned.requests.append((self.path, body))
        if canned.refusal is not None:
            status, text = canned.refusal
            return self.answer(status, text.encode(), {"Content-Type": "application/json"})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            self.stream(is_chat="chat" in self.path)
        except OSError:
            canned.abandoned.set()

    def send_event(self, event: dict | str) -> None:
        data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        for part in halves(f"data: {data}\n\n".encode()):  # cut anywhere, in letters too
            self.wfile.write(part)
            self.wfile.flush()

    def stream(self, is_chat: bool) -> None:
        canned = self.server
        for index, piece in enumerate(canned.pieces):
            if index == canned.wait_after:
                canned.go_on.wait(60)
            content = {"delta": {"content": piece}} if is_chat else {"text": piece}
            self.send_event({"choices": [{"index": 0, **content, "finish_reason": None}]})
            time.sleep(canned.seconds_per_piece)
        if canned.ending == "error":
            return self.send_event({"error": {"message": "the weights were moved away"}})
        if canned.ending == "cut":
            return None
        while canned.ending == "never":
            self.send_event({"choices": [{"index": 0, "delta": {"content": "on "}}]})
            time.sleep(0.02)
        self.send_event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": 9, "completion_tokens": len(canned.pieces)}
        usage["total_tokens"] = 9 + len(canned.pieces)
        usage["prompt_tokens_details"] = {"cached_tokens": 4}
        self.send_event({"choices": [], "usage": usage})
        return self.send_event("[DONE]")


def halves(data: bytes) -> tuple[bytes, bytes]:
    middle = next((i + 1 for i, byte in enumerate(data) if byte >= 0x80), len(data) // 2)
    return data[:middle], data[middle:]
