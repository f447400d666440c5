"""Chromium on the page of a server, and what the tests ask of every page: that nothing leaves the
server's address, that no script fails, and that no policy is broken."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright

# Debian's package; another Chromium may stand in.
CHROMIUM = os.environ.get("TRINE_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
WAIT_MS = 60_000  # machines that build at the same time are slow

# Elements that can be reached with the Tab key.
FOCUSABLE = (
    "a[href], button:not([disabled]), input:not([disabled]), select, textarea, [tabindex='0']"
)


def launch(playwright: Playwright) -> Browser:
    # The tests of continuous integration run as root, where Chromium has no sandbox.
    return playwright.chromium.launch(
        executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"], timeout=WAIT_MS
    )


class Visit:
    """One browser context on one server; `problems` says what a page must never do."""

    def __init__(self, browser: Browser, address: str, **options):
        options = {"viewport": {"width": 1200, "height": 800}, **options}
        self.address = address
        self.requested: list[str] = []
        self.problems: list[str] = []
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(WAIT_MS)
        self.context.on("request", lambda request: self._see(request.url))
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(f"script failed: {error}"))
        self.page.on("console", lambda message: self._hear(message))
        self.page.goto(address + "/")

    def _see(self, url: str) -> None:
        self.requested.append(url)
        if not url.startswith((self.address + "/", "data:", "blob:")):
            self.problems.append(f"asked for {url}")

    def _hear(self, message) -> None:
        # A status of 400 and above is written there by the browser itself.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(f"console: {message.text}")

    def wait_for_model(self) -> "Visit":
        self.page.wait_for_selector("#state[data-is=good]")
        return self

    def send(self, text: str) -> None:
        self.page.fill("#message", text)
        self.page.press("#message", "Enter")

    def wait_for_end(self) -> None:
        self.page.wait_for_selector("#send:not([hidden])")

    def wait_for_text(self, selector: str, text: str) -> None:
        # Not wait_for_function: it evaluates strings, which the page's policy forbids.
        self.page.locator(selector, has_text=text).wait_for(state="attached")

    def last_answer(self) -> str:
        return self.page.locator(".message.assistant .text").last.inner_text()

    def close(self) -> None:
        self.context.close()


# In the page: every visible text whose contrast with what lies behind it is too small.
LOW_CONTRAST = """() => {
  const numbers = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, below) => {
    const alpha = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map((i) => top[i] * alpha + below[i] * (1 - alpha));
  };
  const ground = (element) => {
    const layers = [];
    for (let it = element; it; it = it.parentElement) {
      layers.push(numbers(getComputedStyle(it).backgroundColor));
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  };
  const found = [];
  let looked = 0;
  const judge = (element, what, colour) => {
    const below = ground(element);
    const ratio = contrast(over(numbers(colour), below), below);
    looked += 1;
    if (ratio < 4.5) found.push(`${what}: ${ratio.toFixed(2)}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    if (!text || !element.checkVisibility({visibilityProperty: true})) continue;
    judge(element, text.slice(0, 40), getComputedStyle(element).color);
  }
  for (const box of document.querySelectorAll("input, textarea, select")) {
    if (!box.checkVisibility()) continue;
    judge(box, box.id, getComputedStyle(box).color);
    if (box.placeholder) judge(box, box.id, getComputedStyle(box, "::placeholder").color);
  }
  return {found, looked};
}"""

# In the page: what a screen reader could not name, or a reader of headings would stumble over.
UNNAMED = """() => {
  const found = [];
  const textOf = (ids) => ids.split(" ").map((id) => document.getElementById(id)?.textContent ?? "")
    .join(" ").trim();
  const nameOf = (element) => element.getAttribute("aria-label")
    || textOf(element.getAttribute("aria-labelledby") || "")
    || [...(element.labels || [])].map((label) => label.textContent.trim()).join(" ")
    || (element.matches("button, a") ? element.textContent.trim() : "");
  const named = "a, button, input, select, textarea, aside, [role=region], [role=log], [tabindex='0']";
  for (const element of document.querySelectorAll(named)) {
    if (!nameOf(element)) found.push("no name: " + element.outerHTML.slice(0, 80));
    const label = element.getAttribute("aria-label");
    const shown = element.matches("button") ? element.textContent.trim() : "";
    if (label && !label.toLowerCase().includes(shown.toLowerCase())) {
      found.push(`"${shown}" is not part of its name "${label}"`);
    }
  }
  for (const attribute of ["for", "aria-describedby", "aria-controls", "aria-labelledby"]) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of element.getAttribute(attribute).split(" ")) {
        if (!document.getElementById(id)) found.push(`${attribute} names ${id}, which is not there`);
      }
    }
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  if (new Set(ids).size !== ids.length) found.push("an id is there twice");
  for (const svg of document.querySelectorAll("svg")) {
    if (svg.getAttribute("aria-hidden") !== "true") found.push("a picture without words");
  }
  const counts = {html: 'html[lang="en"]', h1: "h1", main: "main", title: "title"};
  for (const [what, selector] of Object.entries(counts)) {
    if (document.querySelectorAll(selector).length !== 1) found.push(`not exactly one ${what}`);
  }
  for (const list of document.querySelectorAll("ul, ol")) {
    if ([...list.children].some((item) => item.tagName !== "LI")) found.push("a list with others than items");
  }
  return found;
}"""

# In the page: controls that are too small to hit (WCAG 2.2, 2.5.8: 24 by 24).
TOO_SMALL = """() => [...document.querySelectorAll("button, input, select, textarea")]
  .filter((element) => element.checkVisibility({visibilityProperty: true}))
  .map((element) => [element.id || element.textContent, element.getBoundingClientRect()])
  .filter(([, box]) => box.width < 24 || box.height < 24)
  .map(([name, box]) => `${name}: ${box.width} x ${box.height}`)"""
