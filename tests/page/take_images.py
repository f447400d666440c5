"""Takes the pictures of docs/images: `build/venv/bin/python tests/page/take_images.py`. The answer
is a canned one, so that they stay the same whatever the model in models/ writes."""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
from browser import Visit, launch  # noqa: E402
from server_process import ROOT, Server  # noqa: E402
from canned_server import CannedServer, fetch_page  # noqa: E402

QUESTION = "How many bits does a weight need, and how would I count them?"
ANSWER = """About **three**, if the rounding is done well and a small low-rank part makes up for the rest:

1. the codes themselves, 3 bits each
2. scales and zeros, shared by groups of 64 weights
3. the compensator, a few thousandths of the matrix

Count every stored byte:

```python
bits_per_weight = stored_bytes * 8 / num_weights
```

Anything that is *not* counted there is a promise, not a size."""
PICTURES = {
    "page_light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 800}},
    "page_dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 800}},
    "page_phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 780}, "has_touch": True},
}  # fmt: skip


def main() -> None:
    with Server("--threads", "1") as server:
        canned = CannedServer(*fetch_page(server.address))
    # Pieces of about a token.
    canned.pieces = [ANSWER[i : i + 4] for i in range(0, len(ANSWER), 4)]
    canned.seconds_per_piece = 0.02
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for name, options in PICTURES.items():
            visit = Visit(browser, canned.address, **options).wait_for_model()
            visit.send(QUESTION)
            visit.wait_for_end()
            visit.page.screenshot(path=ROOT / f"docs/images/{name}.png")
            visit.close()
        browser.close()


if __name__ == "__main__":
    main()
