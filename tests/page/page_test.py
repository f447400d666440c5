"""The page of `trine serve` in a real browser. Most tests answer from a server of canned answers
that gives out the page as served, so they do not depend on what a model writes; the last ones use
the real server."""

import json
import sys
import time
import unittest
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
from browser import FOCUSABLE, LOW_CONTRAST, TOO_SMALL, UNNAMED, Visit, launch  # noqa: E402
from server_process import Server  # noqa: E402
from canned_server import CannedServer, fetch_page  # noqa: E402

MARKDOWN = """# Plan
First **bold** and *soft* with `code`.
Second line.

1. one
   - inner
2. two

> quoted

```cpp
int x = 1 < 2;  // **not bold**
```
The end."""

HOSTILE = """<img src=x onerror="window.broken = 1"><script>window.broken = 2</script>
<iframe srcdoc="<script>parent.broken = 3</script>"></iframe><svg onload="window.broken = 4">
[click](javascript:window.broken=5) ![picture](http://198.51.100.7/steal.png) <a href=http://198.51.100.7>x</a>
**<b onmouseover=window.broken=6>bold</b>** `</code><img src=y onerror=window.broken=7>`
```"><script>window.broken = 8</script>
</code></pre></figure><script>window.broken = 9</script><style>* { display: none }</style>
```
- <object data="http://198.51.100.7/o"></object>
<meta http-equiv=refresh content="0;url=http://198.51.100.7/"><base href="http://198.51.100.7/">"""


class PageTest(unittest.TestCase):
    """One browser and one real server for all; a context of its own for every visit."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server("--threads", "1").__enter__()
        cls.addClassCleanup(cls.server.__exit__)
        cls.document, cls.headers = fetch_page(cls.server.address)
        cls.playwright = sync_playwright().start()
        cls.addClassCleanup(cls.playwright.stop)
        cls.browser = launch(cls.playwright)
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.canned = CannedServer(self.document, self.headers)
        self.addCleanup(self.canned.server_close)
        self.addCleanup(self.canned.shutdown)

    def visit(self, address: str = "", **options) -> Visit:
        visit = Visit(self.browser, address or self.canned.address, **options)
        # Cleanups run last first: the problems are read while the context is open.
        self.addCleanup(visit.close)
        self.addCleanup(lambda: self.assertEqual(visit.problems, []))
        return visit

    def open(self, **options) -> Visit:
        return self.visit(**options).wait_for_model()

    def style(self, visit: Visit, selector: str, name: str) -> str:
        return visit.page.eval_on_selector(selector, f"it => getComputedStyle(it)['{name}']")

    # Writing and answering.

    def test_a_message_is_answered_as_it_is_written(self):
        self.canned.pieces = ["The sea ", "is wide. ", "Ωmega, ", "too."]
        self.canned.wait_after = 2
        visit = self.open()
        visit.send("Tell me about the sea.")
        visit.wait_for_text("#messages", "wide")
        self.assertNotIn("too.", visit.last_answer())
        # Whole sentences are spoken while the rest is still being written.
        visit.wait_for_text("#spoken", "The sea is wide.")
        self.canned.go_on.set()
        visit.wait_for_end()
        self.assertEqual(visit.last_answer(), "The sea is wide. Ωmega, too.")
        figures = visit.page.inner_text(".message.assistant .figures")
        self.assertRegex(figures, r"^4 tokens · [\d.,]+ tokens/s · first after [\d.]+ s · prompt 9 \(4 cached\)$")
        self.assertEqual(visit.page.inner_text("#context"), "13 of 32,768 tokens of context")
        self.assertIn("End of the answer.", visit.page.inner_text("#spoken"))
        path, body = self.canned.requests[0]
        self.assertEqual(path, "/v1/chat/completions")
        self.assertEqual(body["messages"], [{"role": "user", "content": "Tell me about the sea."}])
        self.assertEqual((body["stream"], body["temperature"], body["max_tokens"]), (True, 0.7, 512))
        self.assertNotIn("seed", body)
        visit.send("And then?")
        visit.wait_for_end()
        roles = [message["role"] for message in self.canned.requests[1][1]["messages"]]
        self.assertEqual(roles, ["user", "assistant", "user"])

    def test_an_answer_can_be_stopped(self):
        self.canned.ending = "never"
        for press in ("button", "key"):
            visit = self.open()
            visit.send("Go on.")
            visit.wait_for_text("#messages", "on on")
            if press == "button":
                visit.page.click("#stop")
            else:
                visit.page.keyboard.press("Escape")
            visit.wait_for_end()
            self.assertTrue(self.canned.abandoned.wait(20), "the server still writes")
            self.canned.abandoned.clear()
            self.assertIn("stopped", visit.page.inner_text(".message.assistant .figures"))
            self.assertIn("on on", visit.last_answer())
            self.assertEqual(visit.page.evaluate("document.activeElement.id"), "message")

    def test_messages_are_edited_regenerated_and_copied(self):
        visit = self.open()
        visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = visit.page
        for text in ("First?", "Second?"):
            visit.send(text)
            visit.wait_for_end()
        self.canned.pieces = ["Quite ", "so."]
        page.click("text=Regenerate")
        visit.wait_for_end()
        self.assertEqual(len(self.canned.requests[-1][1]["messages"]), 3)
        self.assertEqual(visit.last_answer(), "Quite so.")
        page.locator(".message.assistant >> text=Copy").last.click()
        page.wait_for_selector("text=Copied")
        self.assertEqual(page.evaluate("navigator.clipboard.readText()"), "Quite so.")
        page.locator(".message.user >> text=Edit").first.click()
        page.keyboard.press("Escape")
        self.assertEqual(page.evaluate("document.activeElement.textContent"), "Edit")
        page.keyboard.press("Enter")
        page.keyboard.press("Control+A")
        page.keyboard.type("Zeroth?")
        page.keyboard.press("Enter")
        visit.wait_for_end()
        self.assertEqual(self.canned.requests[-1][1]["messages"], [{"role": "user", "content": "Zeroth?"}])
        self.assertEqual(page.locator(".message").count(), 2)
        page.reload()
        visit.wait_for_model()
        self.assertEqual(visit.last_answer(), "Quite so.")
        page.click("#new-chat")
        self.assertEqual(page.locator(".message").count(), 0)

    def test_settings_are_sent_and_kept(self):
        visit = self.open()
        page = visit.page
        page.focus("#temperature")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        self.assertEqual(page.inner_text("#temperature-shown"), "0.80")
        page.fill("#seed", "7")
        page.fill("#max_tokens", "")
        page.fill("#system", "Be brief.")
        for _ in range(2):
            visit.send("Hello")
            visit.wait_for_end()
            body = self.canned.requests[-1][1]
            self.assertEqual((body["temperature"], body["seed"], body["top_p"]), (0.8, 7, 0.95))
            self.assertNotIn("max_tokens", body)
            self.assertEqual(body["messages"][0], {"role": "system", "content": "Be brief."})
            page.reload()
            visit.wait_for_model()
        page.click("#reset")
        self.assertEqual(page.input_value("#seed"), "")
        self.assertEqual(page.inner_text("#temperature-shown"), "0.70")

    def test_the_model_is_described(self):
        page = self.open().page
        card = page.inner_text(".card")
        for fact in ("example-moe-3bit", "3.04 of 16", "18.4 GB", "93.4 GB", "46.7 billion", "milo-s1", "7.10 %"):
            self.assertIn(fact, card)
        self.assertEqual(page.title(), "example-moe-3bit – Trine")

    def test_a_model_without_a_template_continues_text(self):
        self.canned.has_template = False
        self.canned.compression = None
        visit = self.open()
        self.assertIn("no chat template", visit.page.inner_text("#mode-notice"))
        self.assertIn("original checkpoint", visit.page.inner_text(".card"))
        visit.send("The old house")
        visit.wait_for_end()
        visit.send("Then")
        visit.wait_for_end()
        path, body = self.canned.requests[1]
        self.assertEqual(path, "/v1/completions")
        self.assertEqual(body["prompt"], "The old houseIt is so.\nThen")
        self.assertEqual(visit.last_answer(), "It is so.")

    # What goes wrong.

    def test_a_key_is_asked_for(self):
        self.canned.api_key = "k-1"
        visit = self.visit()
        visit.page.wait_for_selector("#key-form:not([hidden])")
        self.assertIn("the API key is missing or wrong", visit.page.inner_text("#key-note"))
        visit.page.fill("#key", "wrong")
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_selector("#key:focus")
        visit.page.fill("#key", "k-1")
        visit.page.keyboard.press("Enter")
        visit.wait_for_model()
        visit.send("Hello")
        visit.wait_for_end()
        self.assertEqual(visit.last_answer(), "It is so.")
        kept = visit.page.evaluate("JSON.stringify(localStorage)")
        self.assertNotIn("k-1", kept)

    def test_errors_are_shown_as_the_server_said_them(self):
        sentence = "messages has 300 tokens, and the context of 256 tokens must also have room"
        refused = (400, json.dumps({"error": {"message": sentence}}))
        cases = [
            (refused, "done", sentence),
            ((502, "<h1>Bad gateway</h1>"), "done", "The server answered with status 502 and no explanation."),
            (None, "error", "the weights were moved away"),
            (None, "cut", "The answer ended before it was complete."),
        ]
        visit = self.open()
        for refusal, ending, wanted in cases:
            with self.subTest(wanted):
                self.canned.refusal, self.canned.ending = refusal, ending
                visit.send("Hello")
                visit.wait_for_end()
                alert = visit.page.locator("[role=alert]:visible").last
                self.assertEqual(alert.inner_text(), wanted)
        self.canned.refusal, self.canned.ending = None, "done"
        visit.page.click("text=Try again")
        visit.wait_for_end()
        self.assertEqual(visit.last_answer(), "It is so.")
        self.canned.shutdown()
        self.canned.server_close()
        visit.send("Hello")
        visit.wait_for_end()
        self.assertIn("cannot be reached", visit.page.locator("[role=alert]:visible").last.inner_text())

    def test_hostile_answers_are_text(self):
        self.canned.pieces = [HOSTILE[i : i + 7] for i in range(0, len(HOSTILE), 7)]
        self.canned.name = "<img src=x onerror=window.broken=10>"
        visit = self.open()
        visit.send('<img src=x onerror="window.broken = 11">')
        visit.wait_for_end()
        self.assertIn("<script>window.broken = 2</script>", visit.last_answer())
        self.assertIn("[click](javascript:window.broken=5)", visit.last_answer())
        found = visit.page.evaluate(
            """() => [...document.querySelectorAll("#messages *, .card *")].map((it) => it.tagName)"""
        )
        allowed = "LI H3 DIV P BUTTON SPAN CODE STRONG EM FIGURE FIGCAPTION PRE UL H2 DL DT DD".split()
        self.assertEqual(set(found) - set(allowed), set())
        self.assertIsNone(visit.page.evaluate("window.broken ?? null"))
        self.assertEqual(visit.page.url, self.canned.address + "/")

    def test_nothing_runs_and_nothing_leaves_under_the_policy(self):
        visit = self.open()
        visit.page.evaluate(
            """() => {
              const script = document.createElement("script");
              script.textContent = "window.broken = 1";
              document.body.append(script);
              document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.broken = 2'>");
            }"""
        )
        leaves = visit.page.evaluate("fetch('http://127.0.0.1:9/').then(() => '', (it) => it.message)")
        self.assertTrue(leaves, "the fetch went out")
        self.assertIsNone(visit.page.evaluate("window.broken ?? null"))
        violations = [problem for problem in visit.problems if "Content Security Policy" in problem]
        self.assertGreaterEqual(len(violations), 3, visit.problems)
        visit.problems.clear()  # these were ours

    def test_long_answers_without_an_end_cost_little(self):
        for text in ("*" * 20000, "`" * 20001, "**a" * 7000, "> " * 9000, "- " * 9000, "*a " * 7000, " " * 30000):
            self.canned.pieces = [text]
            visit = self.open()
            visit.send("Go")
            visit.wait_for_end()
            seconds = visit.page.evaluate(
                """(text) => {
                  const begin = performance.now();
                  showMarkdown(document.createElement("div"), text);
                  return (performance.now() - begin) / 1000;
                }""",
                text,
            )
            # Quadratic patterns take minutes here; linear ones milliseconds, a second on a busy machine.
            self.assertLess(seconds, 2, text[:5])

    def test_markdown(self):
        self.canned.pieces = [MARKDOWN[i : i + 5] for i in range(0, len(MARKDOWN), 5)]
        visit = self.open()
        visit.send("Go")
        visit.wait_for_end()
        text = visit.page.locator(".message.assistant .text")
        html = text.evaluate(
            """(it) => [...it.children].map((block) => block.tagName === "FIGURE"
              ? "CODE " + block.querySelector("pre").textContent : block.outerHTML)"""
        )
        self.assertEqual(html, [
            "<h4>Plan</h4>",
            "<p>First <strong>bold</strong> and <em>soft</em> with <code>code</code>.\nSecond line.</p>",
            '<ol start="1"><li>one<ul><li>inner</li></ul></li><li>two</li></ol>',
            "<blockquote>quoted</blockquote>",
            "CODE int x = 1 < 2;  // **not bold**",
            "<p>The end.</p>",
        ])  # fmt: skip

    # For everybody.

    def fill_page(self, visit: Visit) -> None:
        """One of everything: an answer with all kinds of blocks, an error, an editor."""
        self.canned.pieces = [MARKDOWN]
        visit.send("What is the plan?")
        visit.wait_for_end()
        self.canned.refusal = (429, '{"error": {"message": "too many requests are waiting; try again later"}}')
        visit.send("Hello")
        visit.wait_for_end()
        visit.page.locator(".message.user >> text=Edit").first.click()

    def test_colours_follow_the_system_and_can_be_switched(self):
        grounds = {}
        for system in ("light", "dark"):
            visit = self.open(color_scheme=system)
            grounds[system] = self.style(visit, "body", "backgroundColor")
        self.assertNotEqual(grounds["light"], grounds["dark"])
        visit.page.click("#colours-switch")
        self.assertEqual(self.style(visit, "body", "backgroundColor"), grounds["light"])
        visit.page.reload()
        self.assertEqual(self.style(visit, "body", "backgroundColor"), grounds["light"])
        visit.page.select_option("#colours", "")
        self.assertEqual(self.style(visit, "body", "backgroundColor"), grounds["dark"])

    def test_contrast_names_and_sizes(self):
        for system in ("light", "dark"):
            with self.subTest(system):
                visit = self.open(color_scheme=system)
                self.fill_page(visit)
                contrast = visit.page.evaluate(LOW_CONTRAST)
                self.assertEqual(contrast["found"], [])
                self.assertGreater(contrast["looked"], 50)
                self.assertEqual(visit.page.evaluate(UNNAMED), [])
                self.assertEqual(visit.page.evaluate(TOO_SMALL), [])

    def test_contrast_where_a_key_is_needed(self):
        self.canned.api_key = "k"
        for system in ("light", "dark"):
            visit = self.visit(color_scheme=system)
            visit.page.wait_for_selector("#key-form:not([hidden])")
            self.assertEqual(visit.page.evaluate(LOW_CONTRAST)["found"], [])

    def test_the_keyboard_reaches_everything(self):
        visit = self.open()
        self.fill_page(visit)
        page = visit.page
        page.keyboard.press("Escape")
        wanted = page.evaluate(
            f"""() => [...document.querySelectorAll("{FOCUSABLE}")].filter((it) => it.checkVisibility())
              .map((it, index) => (it.dataset.walk = String(index)))"""
        )
        page.focus(".skip")
        page.keyboard.press("Tab")
        walked = []
        for index in range(len(wanted)):
            page.keyboard.press("Tab" if index else "Shift+Tab")
            step = page.evaluate(
                """() => {
                  const it = document.activeElement;
                  const style = getComputedStyle(it);
                  const box = getComputedStyle(it.closest(".box") ?? it);
                  const place = it.getBoundingClientRect();
                  return {walk: it.dataset.walk, name: it.id || it.textContent.slice(0, 40),
                    isMarked: style.outlineStyle !== "none" || box.outlineStyle !== "none",
                    isInSight: place.bottom > 0 && place.top < innerHeight && place.width > 0};
                }"""
            )
            self.assertTrue(step["isMarked"], f"no visible focus on {step['name']}")
            self.assertTrue(step["isInSight"], f"{step['name']} is out of sight")
            walked.append(step["walk"])
        self.assertEqual(walked, wanted)  # in the order of the document, nothing left out

    def test_a_conversation_with_the_keyboard_alone(self):
        visit = self.open()
        page = visit.page
        page.focus("#new-chat")
        page.keyboard.press("Shift+Tab")
        self.assertEqual(page.inner_text(":focus"), "Skip to the message box")
        page.keyboard.press("Enter")
        page.keyboard.type("One")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("Two")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")  # the Send button goes, the focus must not go with it
        visit.wait_for_end()
        self.assertEqual(self.canned.requests[0][1]["messages"][0]["content"], "One\nTwo")
        self.assertEqual(page.evaluate("document.activeElement.id"), "message")

    def test_narrow_windows(self):
        for width in (320, 400):
            visit = self.open(viewport={"width": width, "height": 680}, has_touch=True)
            page = visit.page
            self.canned.refusal = None
            self.fill_page(visit)
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), width)
            self.assertEqual(page.evaluate(TOO_SMALL), [])
            self.assertFalse(page.is_visible("#temperature"))
            page.keyboard.press("Escape")
            page.click("#panel-switch")
            self.assertEqual(page.get_attribute("#panel-switch", "aria-expanded"), "true")
            self.assertTrue(page.is_visible("#temperature"))
            self.assertFalse(page.is_visible("#message"))
            page.fill("#seed", "3")
            page.keyboard.press("Escape")
            self.assertFalse(page.is_visible("#temperature"))
            self.assertEqual(page.evaluate("document.activeElement.id"), "panel-switch")
            self.assertTrue(page.is_visible("#message"))

    def test_nothing_moves_for_who_wants_no_motion(self):
        self.canned.wait_after = 1
        for motion, name in (("no-preference", "blink"), ("reduce", "none")):
            visit = self.open(reduced_motion=motion)
            visit.send("Go")
            visit.page.wait_for_selector(".waiting")
            moving = "getComputedStyle(document.querySelector('.waiting'), '::after').animationName"
            self.assertEqual(visit.page.evaluate(moving), name)
        self.canned.go_on.set()

    # The real server.

    def test_the_policy_is_strict_and_its_number_new_every_time(self):
        document, headers = fetch_page(self.server.address)
        policy = headers["Content-Security-Policy"]
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe", policy)
        self.assertNotEqual(policy, self.headers["Content-Security-Policy"])
        self.assertNotIn(b"{{nonce}}", document)
        for outside in (b"http:", b"https:", b"@import", b"//cdn"):
            self.assertNotIn(outside, document.replace(b"http://www.w3.org/2000/svg", b""))

    def test_the_real_server_answers(self):
        visit = self.visit(self.server.address).wait_for_model()
        page = visit.page
        self.assertIn("tiny-mixtral", page.inner_text(".card"))
        self.assertIn("16.00", page.inner_text(".card"))
        self.assertIn("original checkpoint", page.inner_text(".card"))
        page.fill("#seed", "11")
        page.fill("#max_tokens", "24")
        visit.send("Tell me about the sea.")
        visit.wait_for_end()
        first = visit.last_answer()
        self.assertTrue(first)
        # A fast machine writes 24 tokens within a few frames of the screen: too short for a rate.
        figures = r"^24 tokens · ([\d.,]+ tokens/s · )?first after [\d.]+ s · prompt 15 · cut at the limit of tokens$"
        self.assertRegex(page.inner_text(".message.assistant .figures"), figures)
        page.click("text=Regenerate")
        visit.wait_for_end()
        self.assertEqual(visit.last_answer(), first)  # the same seed
        page.fill("#system", "word " * 300)
        visit.send("More?")
        visit.wait_for_end()
        self.assertIn("context of 256 tokens", page.locator("[role=alert]:visible").last.inner_text())

    def test_stopping_frees_the_real_server(self):
        visit = self.visit(self.server.address).wait_for_model()
        visit.page.fill("#max_tokens", "")
        # The page presses the button itself at the first words: the model writes its whole
        # context in half a second, and a click from here would come too late.
        visit.page.evaluate(
            """() => {
              const stop = document.querySelector("#stop");
              new MutationObserver((changes, watch) => {
                if (stop.hidden || !document.querySelector(".message.assistant .text > *")) return;
                watch.disconnect();
                stop.click();
              }).observe(document.body, {subtree: true, childList: true, attributes: true});
            }"""
        )
        visit.send("Tell me a very long story.")
        visit.wait_for_end()
        deadline = time.monotonic() + 20
        while json.loads(self.server.get("/slots")[1]) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(json.loads(self.server.get("/slots")[1]), [])


if __name__ == "__main__":
    unittest.main()
