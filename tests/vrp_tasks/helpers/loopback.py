"""A server of OpenAI's chat form over a shipped checkpoint, with faults on demand."""

import base64
import io
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS

KEY, NAME = "right-key", "tiny"


@dataclass
class Behaviour:
    """What the server can do, and what goes wrong; ``fault`` is asked before each request."""

    logprobs: bool = True
    n: bool = True
    copies: bool = False  # the choices of one request are all the same
    samples: bool = True  # else it ignores the temperature
    processed: bool = False  # log-probabilities are those after temperature and top-p
    listed_end: bool = True  # the end-of-sequence token is among the log-probabilities
    refuses: frozenset = frozenset()
    most_top: int = 20
    fault: object = staticmethod(lambda number, body: None)
    change: object = staticmethod(lambda number, body, reply: reply)
    bodies: list = field(default_factory=list)  # of the requests that came


class Checkpoint:
    """Generates as the stock adapters do, with raw log-probabilities."""

    def __init__(self, name):
        folder = CHECKPOINTS / name
        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = AutoModelForImageTextToText.from_pretrained(folder).eval()
        self.tokenizer = self.processor.tokenizer

    def inputs(self, messages):
        images, turns = [], []
        for message in messages:
            if isinstance(message["content"], str):  # an answer in a further turn
                turns.append(message)
                continue
            content = []
            for part in message["content"]:
                if part["type"] == "image_url":
                    data = base64.b64decode(part["image_url"]["url"].split(",", 1)[1])
                    images.append(Image.open(io.BytesIO(data)).convert("RGB"))
                    content.append({"type": "image"})
                else:
                    content.append(part)
            turns.append({"role": message["role"], "content": content})
        text = self.processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return self.processor(images=images or None, text=text, return_tensors="pt")

    @torch.inference_mode()
    def generate(self, body, behaviour, inputs=None):
        """Tokens of each choice, the log-softmax of every position, and the prompt's length."""
        temperature = body.get("temperature", 1.0) if behaviour.samples else 0
        sampled = temperature > 0
        n = body.get("n", 1) if behaviour.n else 1
        inputs = self.inputs(body["messages"]) if inputs is None else inputs
        if body.get("seed") is not None:
            torch.manual_seed(body["seed"])
        found = self.model.generate(
            **inputs,
            do_sample=sampled,
            temperature=temperature if sampled else None,
            top_p=body.get("top_p", 1.0) if sampled else None,
            top_k=0 if sampled else None,
            num_return_sequences=n if sampled else 1,
            max_new_tokens=body["max_tokens"],
            pad_token_id=self.tokenizer.eos_token_id,
            return_dict_in_generate=True,
            output_logits=True,
            output_scores=True,
        )
        steps = torch.stack(found.scores if behaviour.processed else found.logits, 1)
        rows = found.sequences[:, inputs["input_ids"].shape[1] :].tolist()
        logprobs = steps.float().log_softmax(-1)
        if not sampled or behaviour.copies:
            return [rows[0]] * n, [logprobs[0]] * n, inputs["input_ids"].numel()
        return rows, list(logprobs), inputs["input_ids"].numel()


class Loopback(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, checkpoint, behaviour):
        self.checkpoint, self.behaviour = checkpoint, behaviour
        self.lock, self.n_requests = threading.Lock(), 0
        self.closing = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def reply(self, body):
        with self.lock:
            rows, logprobs, n_prompt = self.checkpoint.generate(body, self.behaviour)
        choices = [
            self._choice(index, tokens, scores, body)
            for index, (tokens, scores) in enumerate(zip(rows, logprobs, strict=True))
        ]
        n_tokens = sum(len(tokens) for tokens in rows)
        usage = {"prompt_tokens": n_prompt, "completion_tokens": n_tokens}
        return {
            "id": "loopback",
            "object": "chat.completion",
            "created": 0,
            "model": NAME,
            "choices": choices,
            "usage": usage | {"total_tokens": n_prompt + n_tokens},
        }

    def _choice(self, index, tokens, scores, body):
        tokenizer = self.checkpoint.tokenizer
        end = tokenizer.eos_token_id
        stopped = end in tokens
        own = tokens[: tokens.index(end)] if stopped else tokens
        choice = {
            "index": index,
            "message": {"role": "assistant", "content": self._text(own)},
            "logprobs": None,
            "finish_reason": "stop" if stopped else "length",
        }
        if body.get("logprobs") and self.behaviour.logprobs:
            shown = [*own, end] if stopped and self.behaviour.listed_end else own
            choice["logprobs"] = {
                "content": [
                    self._entry(shown[: i + 1], scores[i], body.get("top_logprobs", 0))
                    for i in range(len(shown))
                ]
            }
        return choice

    def _text(self, tokens):
        return self.checkpoint.tokenizer.decode(tokens, skip_special_tokens=True)

    def _entry(self, tokens, scores, top):
        def told(token):
            before = self._text(tokens[:-1])
            text = self._text([*tokens[:-1], token])[len(before) :]
            text = text or self.checkpoint.tokenizer.decode([token])
            # a server's JSON holds no infinity
            logprob = max(float(scores[token]), -9999.0)
            return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

        likeliest = scores.topk(top).indices.tolist()
        return told(tokens[-1]) | {"top_logprobs": [told(token) for token in likeliest]}


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        model = {"id": NAME, "object": "model", "created": 0, "owned_by": "loopback"}
        self._send(200, {"object": "list", "data": [model]})

    def do_POST(self):
        server, behaviour = self.server, self.server.behaviour
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            number, server.n_requests = server.n_requests, server.n_requests + 1
            behaviour.bodies.append(body)
        given = self.headers.get("api-key") or self.headers.get("Authorization", "")
        if given.removeprefix("Bearer ") != KEY:
            return self._error(401, "Incorrect API key provided.")
        if body["model"] != NAME:
            return self._error(404, f"The model `{body['model']}` does not exist.")
        for name in behaviour.refuses & body.keys():
            return self._error(400, f"Unsupported parameter: '{name}'.")
        if body.get("top_logprobs", 0) > behaviour.most_top:
            return self._error(400, f"top_logprobs must be at most {behaviour.most_top}.")
        fault = behaviour.fault(number, body)
        if isinstance(fault, int):
            return self._error(fault, "broken on purpose")
        if fault == "timeout":
            server.closing.wait(20)
            return None
        reply = json.dumps(behaviour.change(number, body, server.reply(body)))
        if fault == "truncated":
            reply = reply[: len(reply) // 2]
        return self._send(200, reply)

    def _error(self, status, message):
        self._send(status, {"error": {"message": message, "type": "error", "code": status}})

    def _send(self, status, body):
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("retry-after-ms", "1")  # to openai's own client
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def loopback(checkpoint, **behaviour):
    """A running server."""
    server = Loopback(checkpoint, Behaviour(**behaviour))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
