"""`trine serve` through OpenAI's own Python client, and through sockets that misbehave."""

import json
import math
import signal
import socket
import sys
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai

sys.path.insert(0, str(Path(__file__).resolve().parent))
from program import MODEL, trine  # noqa: E402
from server_process import Server  # noqa: E402

PROMPT = "The old house stood at the end of the"


def client_of(server: Server, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=server.address + "/v1", api_key=key, max_retries=0, timeout=120)


class ServeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().__enter__()
        cls.client = client_of(cls.server)

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def complete(self, prompt=PROMPT, **options):
        options = {"max_tokens": 24, "temperature": 0, **options}
        return self.client.completions.create(model="tiny", prompt=prompt, **options)

    # What OpenAI's client sees.

    def test_models(self):
        models = list(self.client.models.list())
        self.assertEqual([model.id for model in models], ["tiny-mixtral"])
        self.assertEqual(self.client.models.retrieve("tiny-mixtral").object, "model")
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client.models.retrieve("other")
        self.assertEqual(caught.exception.body["code"], "model_not_found")

    def test_completion(self):
        answer = self.complete()
        self.assertEqual(answer.object, "text_completion")
        self.assertTrue(answer.choices[0].text)
        self.assertIn(answer.choices[0].finish_reason, ("length", "stop"))
        usage = answer.usage
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
        self.assertEqual(usage.completion_tokens, 24)

    def test_streaming_says_the_same(self):
        whole = self.complete()
        pieces = list(self.complete(stream=True, stream_options={"include_usage": True}))
        text = "".join(piece.choices[0].text for piece in pieces if piece.choices)
        self.assertEqual(text, whole.choices[0].text)
        self.assertGreater(len(pieces), 5)
        self.assertEqual(pieces[-1].choices, [])
        self.assertEqual(pieces[-1].usage.completion_tokens, whole.usage.completion_tokens)
        self.assertEqual(pieces[-2].choices[0].finish_reason, whole.choices[0].finish_reason)

    def test_chat(self):
        messages = [{"role": "user", "content": "Tell me about the sea."}]
        whole = self.client.chat.completions.create(
            model="tiny", messages=messages, max_tokens=12, temperature=0, logprobs=True, top_logprobs=3
        )
        self.assertEqual(whole.choices[0].message.role, "assistant")
        scores = whole.choices[0].logprobs.content
        self.assertEqual(len(scores), 12)
        self.assertEqual(len(scores[0].top_logprobs), 3)
        self.assertEqual(scores[0].token, scores[0].top_logprobs[0].token)
        spelled = b"".join(bytes(score.bytes) for score in scores).decode(errors="replace")
        self.assertEqual(spelled.strip(), whole.choices[0].message.content.strip())
        pieces = list(
            self.client.chat.completions.create(
                model="tiny", messages=messages, max_completion_tokens=12, temperature=0, stream=True
            )
        )
        self.assertEqual(pieces[0].choices[0].delta.role, "assistant")
        text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
        self.assertEqual(text, whole.choices[0].message.content)

    def test_answers_in_a_wanted_form(self):
        def ask(**options):
            return self.client.chat.completions.create(
                model="tiny", messages=[{"role": "user", "content": "How old is the house?"}],
                max_tokens=120, temperature=0, **options
            ).choices[0]

        schema = {
            "type": "object", "required": ["age", "kind"], "additionalProperties": False,
            "properties": {"age": {"type": "integer"}, "kind": {"enum": ["old", "new"]}},
        }
        form = {"type": "json_schema", "json_schema": {"name": "house", "schema": schema}}
        choice = ask(response_format=form)
        self.assertEqual(choice.finish_reason, "stop")
        house = json.loads(choice.message.content)
        self.assertIsInstance(house["age"], int)
        self.assertIn(house["kind"], ("old", "new"))

        tool = {"type": "function", "function": {"name": "look_up", "parameters": schema}}
        choice = ask(tools=[tool], tool_choice="required")
        self.assertEqual(choice.finish_reason, "tool_calls")
        call = choice.message.tool_calls[0].function
        self.assertEqual(call.name, "look_up")
        self.assertIn(json.loads(call.arguments)["kind"], ("old", "new"))

        with self.assertRaises(openai.BadRequestError) as caught:
            ask(response_format={"type": "json_schema", "json_schema": {
                "name": "x", "schema": {"type": "string", "pattern": "a+"}}})
        self.assertEqual(caught.exception.body["param"], "response_format")

    def test_scores_of_prompt_and_answer(self):
        answer = self.complete(max_tokens=1, logprobs=2, echo=True).choices[0]
        scores = answer.logprobs
        self.assertTrue(answer.text.startswith(PROMPT))
        tokens = self.server.post("/tokenize", {"prompt": PROMPT})[1]["count"]
        self.assertEqual(len(scores.tokens), tokens + 1)
        self.assertIsNone(scores.token_logprobs[0])
        self.assertIsNone(scores.top_logprobs[0])
        for logprob, top in list(zip(scores.token_logprobs, scores.top_logprobs))[1:]:
            self.assertLess(logprob, 0)
            self.assertLessEqual(logprob, max(top.values()))
        # The most likely token was taken, and both say the very same number.
        self.assertEqual(scores.token_logprobs[-1], max(scores.top_logprobs[-1].values()))
        self.assertLess(sum(math.exp(value) for value in scores.top_logprobs[-1].values()), 1.0001)

    def test_offsets_follow_the_text(self):
        prompt = PROMPT + " 漢字 é 😀 again and again"  # characters of several tokens
        choice = self.complete(prompt, max_tokens=1, logprobs=1, echo=True).choices[0]
        pairs = list(zip(choice.logprobs.tokens, choice.logprobs.text_offset))
        token, offset = next(pair for pair in pairs[::-1] if pair[0].strip() == "again")
        self.assertEqual(choice.text[offset:].lstrip()[:5], "again")
        self.assertEqual(choice.text[offset:][: len(token)], token)  # with the space that is its own
        # The prompt's first word begins with a space that is no part of the text.
        words = [(token, offset) for token, offset in pairs if token.startswith(" ")]
        self.assertGreater(len(words), 3)
        for token, offset in words[1:]:
            self.assertEqual(choice.text[offset : offset + len(token)], token)
        self.assertEqual(pairs[-1][1] + len(pairs[-1][0]), len(choice.text))

    def test_offsets_of_a_stream_and_of_an_answer_without_prompt(self):
        bos = self.server.post("/tokenize", {"prompt": "", "add_special_tokens": True})[1]["tokens"]
        for prompt, echo in ((PROMPT, False), (PROMPT, True), (bos, False)):
            whole = self.complete(prompt, max_tokens=6, logprobs=0, echo=echo).choices[0]
            pieces = list(self.complete(prompt, max_tokens=6, logprobs=0, echo=echo, stream=True))
            scores = [piece.choices[0].logprobs for piece in pieces if piece.choices]
            offsets = [offset for score in scores if score for offset in score.text_offset]
            self.assertEqual(offsets, whole.logprobs.text_offset)
            last = whole.logprobs.tokens[-1]
            self.assertEqual(whole.logprobs.text_offset[-1] + len(last), len(whole.text), (prompt, echo))

    def test_batched_prompts_as_ids(self):
        texts = ["The old house", "A long way from here, they", "It"]
        ids = [self.server.post("/tokenize", {"prompt": text})[1]["tokens"] for text in texts]
        answer = self.complete(prompt=ids, max_tokens=1, logprobs=1, echo=True)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1, 2])
        for choice, tokens in zip(answer.choices, ids):
            self.assertEqual(len(choice.logprobs.tokens), len(tokens) + 1)
        self.assertEqual(
            [choice.text for choice in self.complete(prompt=texts).choices],
            [choice.text for choice in self.complete(prompt=ids).choices],
        )

    def test_seed_and_n(self):
        def sampled(seed, n=1):
            answer = self.complete(temperature=1, seed=seed, n=n)
            return [choice.text for choice in answer.choices]

        self.assertEqual(sampled(7), sampled(7))
        self.assertNotEqual(sampled(7), sampled(8))
        both = sampled(7, n=2)
        self.assertNotEqual(both[0], both[1])
        self.assertEqual(both[0], sampled(7)[0])

    def test_a_large_piece_does_not_stop_the_server(self):
        with Server("--most-unsent-bytes", "20000") as server:
            options = {"model": "m", "prompt": "It was a day. " * 15, "max_tokens": 1, "temperature": 0,
                       "echo": True, "logprobs": 20}
            client = client_of(server)
            whole = client.completions.create(**options).choices[0]
            pieces = list(client.completions.create(**options, stream=True))
            self.assertEqual("".join(piece.choices[0].text for piece in pieces), whole.text)
            tokens = [token for piece in pieces for token in piece.choices[0].logprobs.tokens]
            self.assertEqual(tokens, whole.logprobs.tokens)

    def test_earlier_calls_may_have_their_arguments_as_text(self):
        call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}
        answer = self.client.chat.completions.create(
            model="tiny", max_tokens=4, messages=[
                {"role": "user", "content": "?"},
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "user", "content": "1"},
            ])
        self.assertTrue(answer.choices)

    def test_names_of_other_sites_are_refused(self):
        self.assertEqual(self.server.get("/v1/models", Host="evil.example")[0], 403)
        self.assertEqual(self.server.get("/v1/models", Host="localhost:80")[0], 200)

    def test_usage_counts_a_prompt_once(self):
        one = self.complete(max_tokens=4).usage
        four = self.complete(max_tokens=4, n=4).usage
        self.assertEqual(four.prompt_tokens, one.prompt_tokens)
        self.assertEqual(four.completion_tokens, 4 * one.completion_tokens)
        self.assertLess(four.prompt_tokens_details.cached_tokens, four.prompt_tokens)
        two = self.complete([PROMPT, PROMPT], max_tokens=4, n=2).usage
        self.assertEqual(two.prompt_tokens, 2 * one.prompt_tokens)
        only = self.complete(max_tokens=0, echo=True, logprobs=1).usage
        self.assertEqual(only.completion_tokens, 0)
        self.assertEqual(only.total_tokens, one.prompt_tokens)

    def test_stop(self):
        whole = self.complete(max_tokens=40).choices[0].text
        stop = whole[len(whole) // 2 :][:4]
        answer = self.complete(max_tokens=40, stop=[stop, "never seen"]).choices[0]
        self.assertEqual(answer.text, whole[: whole.index(stop)])
        self.assertEqual(answer.finish_reason, "stop")
        pieces = self.complete(max_tokens=40, stop=stop, stream=True)
        self.assertEqual("".join(piece.choices[0].text for piece in pieces), answer.text)

    def test_bias_and_penalties(self):
        first = self.complete(max_tokens=1, logprobs=0).choices[0].logprobs.tokens[0]
        ids = self.server.post("/tokenize", {"content": "river"})[1]["tokens"]
        biased = self.complete(max_tokens=3, logit_bias={str(ids[-1]): 100}, logprobs=0)
        self.assertEqual(len(set(biased.choices[0].logprobs.tokens)), 1)
        self.assertNotEqual(biased.choices[0].logprobs.tokens[0], first)
        unlike = self.complete(max_tokens=3, logit_bias={str(ids[-1]): 6}, frequency_penalty=2)
        self.assertEqual(len(unlike.choices), 1)

    def test_errors_have_their_types(self):
        cases = [
            (openai.BadRequestError, {"temperature": -1}, "temperature"),
            (openai.BadRequestError, {"prompt": [1, 99999]}, "prompt"),
            (openai.BadRequestError, {"prompt": "word " * 600}, "prompt"),
            (openai.BadRequestError, {"logit_bias": {"x": 1}}, "logit_bias"),
            (openai.BadRequestError, {"n": 0}, "n"),
            (openai.BadRequestError, {"stop": [""]}, "stop"),
        ]
        for kind, options, param in cases:
            with self.subTest(options), self.assertRaises(kind) as caught:
                self.complete(**options)
            self.assertEqual(caught.exception.body["param"], param)
            self.assertEqual(caught.exception.body["type"], "invalid_request_error")
            self.assertGreater(len(caught.exception.body["message"]), 20)
        with self.assertRaises(openai.BadRequestError) as caught:
            self.complete(prompt="word " * 600)
        self.assertEqual(caught.exception.code, "context_length_exceeded")

    # Other endpoints.

    def test_tokenizer_endpoints(self):
        post = self.server.post
        short = post("/tokenize", {"content": PROMPT, "add_special": True, "with_pieces": True})[1]
        long = post("/tokenize", {"prompt": PROMPT})[1]
        self.assertEqual([token["id"] for token in short["tokens"]], long["tokens"])
        self.assertEqual(long["count"], len(long["tokens"]))
        pieces = "".join(token["piece"] for token in short["tokens"][1:])
        self.assertEqual(pieces.strip(), PROMPT)
        without = post("/tokenize", {"content": PROMPT})[1]["tokens"]
        self.assertEqual(without, long["tokens"][1:])
        text = post("/detokenize", {"tokens": without})[1]
        self.assertEqual(text["content"], PROMPT)
        self.assertEqual(text["prompt"], PROMPT)
        info = json.loads(self.server.get("/tokenizer_info")[1])
        self.assertEqual((info["bos_token"], info["eos_token"]), ("<s>", "</s>"))

    def test_information_endpoints(self):
        self.assertEqual(self.server.get("/health"), (200, b'{"status":"ok"}'))
        self.assertIn(b"<html", self.server.get("/")[1])
        self.assertEqual(json.loads(self.server.get("/slots")[1]), [])
        props = json.loads(self.server.get("/props")[1])
        self.assertEqual(props["default_generation_settings"]["n_ctx"], 256)
        prompt = self.server.post("/apply-template", {"messages": [{"role": "user", "content": "Hi"}]})
        self.assertIn("Hi", prompt[1]["prompt"])
        before = self.metrics()
        self.complete(max_tokens=5)
        after = self.metrics()
        self.assertEqual(after["trine_generated_tokens_total"] - before["trine_generated_tokens_total"], 5)
        self.assertEqual(after["llamacpp:tokens_predicted_total"], after["trine_generated_tokens_total"])
        self.assertEqual(after["trine_requests_running"], 0)

    def metrics(self) -> dict[str, float]:
        text = self.server.get("/metrics")[1].decode()
        lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    def test_unknown_paths_and_methods(self):
        self.assertEqual(self.server.get("/v1/nothing")[0], 404)
        self.assertEqual(self.server.get("/v1/completions")[0], 405)
        self.assertEqual(self.server.request("POST", "/health", b"")[0], 405)

    def test_pages_of_other_sites_are_refused(self):
        self.assertEqual(self.server.get("/health", Origin="http://elsewhere.example")[0], 403)
        self.assertEqual(self.server.get("/health", Origin=self.server.address)[0], 200)

    # The same answer whatever else happens.

    def test_answers_do_not_depend_on_company(self):
        prompts = [PROMPT, "It", "A long way from here, they came to a river and", "Once"] * 4
        alone = [self.complete(prompt=prompt, max_tokens=40, logprobs=1).choices[0] for prompt in prompts[:4]]
        with ThreadPoolExecutor(16) as pool:
            together = list(pool.map(
                lambda prompt: self.complete(prompt=prompt, max_tokens=40, logprobs=1).choices[0], prompts
            ))
        for i, choice in enumerate(together):
            self.assertEqual(choice.text, alone[i % 4].text)
            self.assertEqual(choice.logprobs.token_logprobs, alone[i % 4].logprobs.token_logprobs)

    def test_cached_prompts_are_counted_and_change_nothing(self):
        prompt = "There was once a very old and quiet town by the sea where nothing ever " * 3
        first = self.complete(prompt=prompt, logprobs=0)
        second = self.complete(prompt=prompt, logprobs=0)
        self.assertGreaterEqual(second.usage.prompt_tokens_details.cached_tokens, 32)
        self.assertEqual(first.choices[0].logprobs, second.choices[0].logprobs)

    # Clients that misbehave.

    def raw(self, request: bytes, half_close: bool = False) -> bytes:
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as connection:
            connection.sendall(request)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            while piece := connection.recv(65536):
                received += piece
                if received.endswith(b"}") and b"\r\n\r\n" in received:
                    break
            return received

    def assert_refused(self, answer: bytes, status: int):
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertIn(str(status).encode(), head.split(b"\r\n")[0])
        error = json.loads(body)["error"]
        self.assertEqual(set(error), {"message", "type", "param", "code"})

    def test_misbehaving_clients_do_not_stop_others(self):
        texts: list[str] = []
        done = threading.Event()

        def stream():
            while not done.is_set():
                pieces = self.complete(max_tokens=60, stream=True)
                texts.append("".join(piece.choices[0].text for piece in pieces))

        streams = [threading.Thread(target=stream) for _ in range(3)]
        for thread in streams:
            thread.start()
        try:
            self.misbehave()
        finally:
            done.set()
            for thread in streams:
                thread.join()
        self.assertGreaterEqual(len(texts), 3)
        self.assertEqual(len(set(texts)), 1)
        self.assertEqual(self.server.get("/health")[0], 200)

    def misbehave(self):
        head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\n"

        def posted(body: bytes) -> bytes:
            return head + b"Content-Length: %d\r\n\r\n" % len(body) + body

        self.assert_refused(self.raw(posted(b"{not json")), 400)
        self.assert_refused(self.raw(posted(b'{"prompt":' + b"[" * 5000 + b"]" * 5000 + b"}")), 400)
        self.assert_refused(self.raw(posted(b'{"prompt": "\xff\xfe"}')), 400)
        self.assert_refused(self.raw(b"nonsense\r\n\r\n"), 400)
        self.assert_refused(self.raw(b"GET / HTTP/1.1\r\nA: " + b"x" * 40000 + b"\r\n\r\n"), 431)
        self.assert_refused(self.raw(head + b"Content-Length: 100000000\r\n\r\n"), 413)
        # Closed in the middle of a body.
        self.assert_refused(self.raw(head + b"Content-Length: 50\r\n\r\n{", half_close=True), 400)
        # Closed while the answer is made.
        body = json.dumps({"prompt": PROMPT, "max_tokens": 200, "ignore_eos": True}).encode()
        self.assert_refused(self.raw(posted(body), half_close=True), 400)
        self.send_64_mb()

    def send_64_mb(self):
        """In chunks, so that no header says how much will come."""
        before = self.server.rss_bytes()
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as connection:
            connection.sendall(
                b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            chunk = b"%x\r\n" % (1 << 20) + b" " * (1 << 20) + b"\r\n"
            try:
                for _ in range(64):
                    connection.sendall(chunk)
            except OSError:
                pass  # the server need not listen to all of it
            answer = connection.recv(65536)
        self.assert_refused(answer, 413)
        self.assertLess(self.server.rss_bytes() - before, 40 << 20)

    def test_cancels_when_the_client_goes(self):
        stream = self.complete(prompt="It", max_tokens=250, stream=True, extra_body={"ignore_eos": True}, n=8)
        next(iter(stream))
        stream.close()
        deadline = time.monotonic() + 20
        while self.metrics()["trine_requests_running"] > 0:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)


class ServeOptionsTest(unittest.TestCase):
    def test_key(self):
        with Server("--api-key", "secret") as server:
            with self.assertRaises(openai.AuthenticationError):
                client_of(server, "wrong").models.list()
            self.assertEqual(len(list(client_of(server, "secret").models.list())), 1)
            self.assertEqual(server.get("/health")[0], 200)
            self.assertEqual(server.get("/metrics")[0], 401)
            self.assertEqual(server.get("/metrics", x_api_key="secret")[0], 200)

    def test_full_queue(self):
        with Server("--parallel", "1", "--queue", "1") as server:
            client = client_of(server)

            def attempt(_):
                try:
                    client.completions.create(
                        model="m", prompt="It", max_tokens=100, temperature=0, extra_body={"ignore_eos": True}
                    )
                    return "ok"
                except openai.RateLimitError as error:
                    return error.response.headers["Retry-After"]

            with ThreadPoolExecutor(12) as pool:
                results = list(pool.map(attempt, range(12)))
            self.assertIn("ok", results)
            self.assertIn("1", results)

    def test_slow_reader_is_given_up(self):
        with Server("--most-unsent-bytes", "20000", "--write-seconds", "2") as server:
            body = json.dumps({
                "prompt": ["It"] * 16, "max_tokens": 240, "n": 8, "logprobs": 20,
                "stream": True, "ignore_eos": True,
            }).encode()
            with socket.socket() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.connect(("127.0.0.1", server.port))
                connection.sendall(
                    b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                )
                deadline = time.monotonic() + 60
                while True:  # both from one answer: the first of two may be from before the request
                    metrics = server.get("/metrics")[1]
                    if b"\ntrine_requests_running 0\n" in metrics and b"\ntrine_requests_total 128\n" in metrics:
                        break
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.1)
                # 128 answers of 240 tokens were asked for; nearly all of them were never computed.
                generated = [
                    float(line.split()[1]) for line in server.get("/metrics")[1].decode().splitlines()
                    if line.startswith("trine_generated_tokens_total ")
                ]
                self.assertLess(generated[0], 128 * 240 / 2)
            self.assertTrue(client_of(server).completions.create(model="m", prompt="It").choices)

    def test_drains_on_a_signal(self):
        with Server() as server:
            client = client_of(server)
            options = {"model": "m", "prompt": "It", "max_tokens": 200, "temperature": 0,
                       "extra_body": {"ignore_eos": True}}
            whole = client.completions.create(**options).choices[0].text
            stream = iter(client.completions.create(**options, stream=True))
            text = next(stream).choices[0].text
            server.process.send_signal(signal.SIGTERM)
            text += "".join(piece.choices[0].text for piece in stream)
            self.assertEqual(text, whole)
            self.assertEqual(server.process.wait(timeout=30), 0)

    def test_an_idle_server_ends_at_the_first_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with Server() as server:
                self.assertEqual(server.get("/health")[0], 200)
                server.process.send_signal(number)
                self.assertEqual(server.process.wait(timeout=20), 0)

    def test_what_cannot_be_served_is_said(self):
        missing = trine("serve", "no/such/model", "--port", "0")
        self.assertEqual(missing.code, 1)
        self.assertIn("no/such/model", missing.stderr)
        with Server() as server:
            taken = trine("serve", MODEL, "--port", server.port)
            self.assertEqual(taken.code, 1)
            self.assertIn(str(server.port), taken.stderr)
        too_long = trine("serve", MODEL, "--port", "0", "--context", "100000")
        self.assertEqual(too_long.code, 1)
        self.assertIn("256", too_long.stderr)

    def test_int8_cache_answers_alike(self):
        def scores(*options):
            with Server(*options) as server:
                answer = client_of(server).completions.create(
                    model="m", prompt=PROMPT * 4, max_tokens=1, logprobs=1, echo=True, temperature=0
                )
                return answer.choices[0].logprobs.token_logprobs[1:]

        exact, rounded = scores(), scores("--kv-cache", "int8")
        mean = sum(abs(a - b) for a, b in zip(exact, rounded)) / len(exact)
        self.assertGreater(mean, 0)
        self.assertLess(mean, 0.1)


if __name__ == "__main__":
    unittest.main()
