"""A running `trine serve`, for the tests of this folder and tools/load_server.py."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from program import MODEL, PROGRAM, ROOT  # noqa: E402


class Server:
    """Started on a free port; ends with the `with` block."""

    def __init__(self, *options: str, model: Path = MODEL):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", str(model), "--port", "0", "--json", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},
        )
        text = ""
        while not text.endswith("}\n"):  # the last line of the JSON
            line = self.process.stdout.readline()
            assert line, f"trine serve ended: {text} {self.process.stderr.read()}"
            text += line
        self.facts = json.loads(text)
        self.address = self.facts["address"]
        self.port = int(self.address.rsplit(":", 1)[1])

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise AssertionError("trine serve did not end within 60 seconds of SIGTERM") from None

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        return self.request("GET", path, None, **headers)

    def post(self, path: str, body: dict, **headers: str) -> tuple[int, dict]:
        status, answer = self.request("POST", path, json.dumps(body).encode(), **headers)
        return status, json.loads(answer)

    def request(self, method: str, path: str, body: bytes | None, **headers: str):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, body, names, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def rss_bytes(self) -> int:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
