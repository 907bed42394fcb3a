"""vLLM's ``LLM`` and ``SamplingParams`` as lmms-eval's adapters use them, over a checkpoint."""

from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from unittest.mock import patch

from tests.vrp_tasks.helpers.loopback import Behaviour

MODULES = ("simple.vllm", "chat.vllm", "chat.vllm_generate")


@dataclass
class SamplingParams:
    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    max_tokens: int | None = 16
    logprobs: int | None = None
    flat_logprobs: bool = False

    def __post_init__(self):
        assert 0 < self.top_p <= 1
        assert 0 <= self.temperature <= 2
        if self.temperature < 1e-5:
            self.top_p, self.top_k, self.min_p = 1.0, 0, 0.0
            assert self.n == 1

    def clone(self):
        return copy(self)


class FakeLLM:
    """One engine; ``calls`` are the prompts and parameters that it was given."""

    def __init__(self, checkpoint, *, logprobs_mode="raw_logprobs", max_logprobs=20, **behaviour):
        self.checkpoint, self.calls = checkpoint, []
        self.behaviour = Behaviour(processed="processed" in logprobs_mode, **behaviour)
        model = checkpoint.model
        self.llm_engine = SimpleNamespace(
            model_config=SimpleNamespace(
                logprobs_mode=logprobs_mode,
                max_logprobs=max_logprobs,
                dtype=model.dtype,
                hf_config=model.config,
                get_vocab_size=lambda: model.config.get_text_config().vocab_size,
            ),
            vllm_config=SimpleNamespace(
                cache_config=SimpleNamespace(enable_prefix_caching=True),
                device_config=SimpleNamespace(device="cuda"),
                scheduler_config=SimpleNamespace(enable_chunked_prefill=True),
            ),
        )

    def chat(self, messages, sampling_params, use_tqdm=True, chat_template=None):
        return self._outputs(messages, sampling_params, self.checkpoint.inputs)

    def generate(self, prompts, sampling_params, use_tqdm=True):
        return self._outputs(prompts, sampling_params, self._prepared)

    def get_metrics(self):
        assert self.calls  # the stock adapter divides by how many there were
        return []

    def _prepared(self, prompt):
        images = prompt["multi_modal_data"].get("image")
        return self.checkpoint.processor(images=images, text=prompt["prompt"], return_tensors="pt")

    def _outputs(self, prompts, params, inputs_of):
        if not isinstance(params, list):
            params = [params] * len(prompts)
        assert len(prompts) == len(params)
        self.calls.append(list(zip(prompts, params, strict=True)))
        return [self._output(inputs_of(p), own) for p, own in zip(prompts, params, strict=True)]

    def _output(self, inputs, params):
        body = {name: getattr(params, name) for name in ("n", "temperature", "top_p", "seed")}
        body["max_tokens"] = min(params.max_tokens, 32)
        rows, scores, _ = self.checkpoint.generate(body, self.behaviour, inputs)
        return SimpleNamespace(
            prompt_token_ids=inputs["input_ids"][0].tolist(),
            num_cached_tokens=0,
            outputs=[self._text(*own, params) for own in zip(rows, scores, strict=True)],
        )

    def _text(self, tokens, scores, params):
        tokenizer = self.checkpoint.tokenizer
        end = tokenizer.eos_token_id
        stopped = end in tokens
        own = tokens[: tokens.index(end) + 1] if stopped else tokens
        logprobs = None
        if params.logprobs is not None:
            logprobs = _flat if params.flat_logprobs else _by_position
            steps = zip(
                own, scores[: len(own)], strict=True
            )  # they go on where a longer sample did
            logprobs = logprobs([self._listed(*one, params) for one in steps])
        return SimpleNamespace(
            text=tokenizer.decode(own, skip_special_tokens=True),
            token_ids=own,
            logprobs=logprobs,
            finish_reason="stop" if stopped else "length",
            stop_reason=None,
        )

    def _listed(self, token, scores, params):
        """The chosen token, then the likeliest, it among them."""
        most = len(scores) if params.logprobs == -1 else params.logprobs
        listed = [token, *scores.topk(most).indices.tolist()]
        return [
            (one, float(scores[one]), self.checkpoint.tokenizer.decode([one])) for one in listed
        ]


def _by_position(listed):
    return [
        {token: SimpleNamespace(logprob=own, decoded_token=text) for token, own, text in told}
        for told in listed
    ]


def _flat(listed):
    flat = SimpleNamespace(
        start_indices=[], end_indices=[], token_ids=[], logprobs=[], decoded_tokens=[]
    )
    for told in listed:
        flat.start_indices.append(len(flat.token_ids))
        for names, column in zip(
            ("token_ids", "logprobs", "decoded_tokens"), zip(*told, strict=True), strict=True
        ):
            getattr(flat, names).extend(column)
        flat.end_indices.append(len(flat.token_ids))
    return flat


@contextmanager
def vllm_is(engine):
    """lmms-eval's adapters find a vLLM whose ``LLM`` is this engine."""
    with ExitStack() as stack:
        stack.enter_context(patch("vrp_tasks.access.vllm.find_spec", lambda name: name))
        for name in MODULES:
            module = import_module(f"lmms_eval.models.{name}")
            stack.enter_context(patch.object(module, "LLM", lambda **_: engine))
            stack.enter_context(patch.object(module, "SamplingParams", SamplingParams))
        yield engine
