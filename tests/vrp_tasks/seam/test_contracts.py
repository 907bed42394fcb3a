"""What each patch leans on is there: an upgrade that breaks one fails here, by name."""

import inspect
import warnings
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import torch
from lmms_eval import evaluator, utils
from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from lmms_eval.api.task import ConfigurableTask
from lmms_eval.models.chat import openai as chat_openai
from lmms_eval.models.simple import openai as simple_openai
from lmms_eval.tasks import TaskManager
from PIL import Image
from transformers import (
    AttentionInterface,
    DynamicCache,
    GenerationMixin,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface

from vrp_tasks.place import current_place
from vrp_tasks.seam.attention_implementation import attending_with, attention_configs
from vrp_tasks.seam.cache_name import CACHE
from vrp_tasks.seam.client import served_client, stock_payload
from vrp_tasks.seam.document_identity import NAME, told_documents
from vrp_tasks.seam.failed_request import failure_in
from vrp_tasks.seam.generate_until import served_generate_until
from vrp_tasks.seam.model_arguments import parsed, with_device, without
from vrp_tasks.seam.model_generate import patched_generate
from vrp_tasks.seam.requests import clone_request
from vrp_tasks.seam.response_cache import uncached
from vrp_tasks.seam.scored_answer import as_scored
from vrp_tasks.seam.torch_attention import changed_attention


def stock(function):
    return inspect.unwrap(function)


def test_evaluator_simple_evaluate_calls_the_modules_evaluate():
    source = inspect.getsource(stock(evaluator.simple_evaluate))
    assert "evaluate(\n" in source
    names = set(inspect.signature(stock(evaluator.simple_evaluate)).parameters)
    assert {"model", "model_args", "tasks", "limit", "device", "task_manager", "cli_args"} <= names
    inner = inspect.signature(stock(evaluator.__dict__["evaluate"])).parameters
    assert {"lm", "task_dict", "limit", "offset", "cli_args"} <= set(inner)


def test_evaluator_asks_the_instance_for_its_method():
    source = inspect.getsource(stock(evaluator.__dict__["evaluate"]))
    assert "getattr(lm, reqtype)(cloned_reqs)" in source
    assert "response_cache.execute(lm, reqtype, cloned_reqs)" in source


def test_exempt_requests_go_past_the_response_cache_in_the_block_only(tmp_path):
    from lmms_eval.caching.response_cache import ResponseCache

    def ask(cache, names):
        requests = [
            Instance("generate_until", ("?", {"temperature": 0}, None, doc, name, "test"), 0,
                     {"task": name, "doc_id": doc, "repeats": 1})
            for doc, name in enumerate(names)
        ]  # fmt: skip
        lm = SimpleNamespace(asked=[])

        def generate_until(own):
            lm.asked += [request.doc_id for request in own]
            return [f"{request.task_name} {request.doc_id}" for request in own]

        lm.generate_until = generate_until
        return cache.execute(lm, "generate_until", requests), lm.asked

    names = ["ours", "theirs", "ours", "theirs"]
    answers = [f"{name} {doc}" for doc, name in enumerate(names)]
    cache = ResponseCache(str(tmp_path / "cache.db"), str(tmp_path / "audit.jsonl"))
    for again in ([1, 3, 0, 2], [0, 2]):  # theirs is cached after the first time
        with uncached(cache, lambda request: request.task_name == "ours"):
            assert ask(cache, names) == (answers, again)
    assert ask(cache, names) == (answers, [0, 2])
    assert ask(cache, names) == (answers, [])
    with uncached(None, bool):
        pass


def test_document_identity():
    function = stock(evaluator.__dict__[NAME])
    parameters = inspect.signature(function).parameters
    assert next(iter(parameters)) == "item"
    assert parameters["task"].kind is inspect.Parameter.KEYWORD_ONLY
    assert "doc_id, doc, requests = item" in inspect.getsource(function)
    called = inspect.getsource(stock(evaluator.__dict__["evaluate"]))
    assert f"{NAME}(" in called


def test_document_identity_is_told_in_the_block_only(monkeypatch):
    seen = []
    monkeypatch.setitem(
        evaluator.__dict__, NAME, lambda item, *, task, **_: seen.append(current_place())
    )
    task = SimpleNamespace(
        config=SimpleNamespace(task="t", test_split=None, validation_split="val")
    )
    with told_documents(evaluator):
        evaluator.__dict__[NAME]((7, {}, []), task=task, filter_key="none")
    evaluator.__dict__[NAME]((7, {}, []), task=task, filter_key="none")
    assert seen == [("t", "val", "7"), None]


@pytest.mark.parametrize(
    "method",
    ["initialize_tasks", "match_tasks", "_get_config", "_load_individual_task_or_group"],
)
def test_task_manager_has_the_method(method):
    assert callable(getattr(TaskManager, method))


def test_task_manager_keeps_an_index_that_names_can_enter():
    manager = TaskManager(include_defaults=False)
    assert isinstance(manager.task_index, dict)
    assert isinstance(manager._all_tasks, list)
    assert isinstance(manager._all_subtasks, list)


def test_model_arguments_are_split_as_lmms_eval_does():
    text = 'pretrained=a/b,k=3,x="{1,2}",hidden_layers=[0,8]'
    assert utils._smart_comma_split(text)
    rest = without(text, {"k", "hidden_layers"})
    expected = {n: v for n, v in parsed(text).items() if n not in ("k", "hidden_layers")}
    assert parsed(rest) == expected
    assert without({"k": 1, "pretrained": "a"}, {"k"}) == {"pretrained": "a"}
    assert without("", {"k"}) == ""


def test_model_arguments_of_other_adapters_stay_as_they_are():
    asked = {"model": "openai", "model_args": "model=x", "device": None}
    with_device(asked)
    assert asked == {"model": "openai", "model_args": "model=x", "device": None}


def test_generate_until_is_an_instances_own_in_the_block():
    class Model:
        def generate_until(self, requests):
            return ["stock"]

    lm, other = Model(), Model()
    with served_generate_until(lm, lambda requests: ["ours"]):
        assert (lm.generate_until([]), other.generate_until([])) == (["ours"], ["stock"])
    assert lm.generate_until([]) == ["stock"]
    assert "generate_until" in vars(lmms)


def test_model_generate_takes_custom_generate():
    assert "custom_generate" in inspect.signature(GenerationMixin.generate).parameters


def test_model_generate_is_served_and_reaches_the_stock_one():
    class Model:
        def generate(self, **options):
            return ("stock", options)

    model = Model()
    with patched_generate(model, lambda **options: ("ours", options)):
        assert model.generate(a=1) == ("ours", {"a": 1})
        assert model.generate(custom_generate=2) == ("stock", {"custom_generate": 2})
    assert model.generate(a=1) == ("stock", {"a": 1})


def test_restricted_task():
    for name in ("eval_docs", "eval_docs_no_media"):
        assert isinstance(inspect.getattr_static(ConfigurableTask, name), property)
    for name in ("build_all_requests", "fewshot_context", "construct_requests"):
        assert callable(getattr(ConfigurableTask, name))


def test_scored_answer_goes_through_filter_and_reasoning_tags():
    config = SimpleNamespace(reasoning_tags=None, auto_strip_thinking=False)
    task = SimpleNamespace(config=config, _filters=[])
    tags = '[["<think>", "</think>"]]'
    assert as_scored(task, {}, " <think>no</think> yes ", cli_tags=tags) == "yes"
    assert as_scored(task, {}, "<think>no</think> yes", cli_tags=None) == "<think>no</think> yes"
    config.auto_strip_thinking = True
    assert as_scored(task, {}, "<think>no</think> yes", cli_tags=None) == "yes"


def test_requests_are_copied_deep_where_adapters_pop():
    made = Instance(
        request_type="generate_until",
        arguments=("q", {"until": ["a"]}, None, 3, "t", "test"),
        idx=0,
        metadata={"task": "t", "doc_id": 3, "repeats": 1},
    )
    clone = clone_request(made, temperature=0.7)
    clone.args[1].pop("until").append("b")
    assert made.args[1] == {"until": ["a"]}
    assert clone.args[1] == {"temperature": 0.7}


def test_base_scoring_leans_on_the_stock_class():
    assert callable(ConfigurableTask._prepare_metric_and_aggregation)
    assert hasattr(ConfigurableTask.process_results, "__wrapped__")


def test_attention_function_can_be_registered_and_set():
    assert callable(AttentionInterface.register)
    assert callable(AttentionMaskInterface.register)
    assert callable(PreTrainedModel.set_attn_implementation)


@pytest.mark.parametrize("module", [chat_openai, simple_openai])
def test_adapters_of_servers_hand_texts_on_as_they_are(module):
    """A text comes back as the very object; a request that failed, as a text that says so."""

    class Text(str):
        pass

    lm = module.OpenAICompatible(model="m", api_key="x", max_retries=2, retry_backoff_s=0)
    stock, client = lm.generate_until, lm.client
    payload = stock_payload(
        lm, stock, text="Hello", images=[Image.new("RGB", (8, 8))], generation={"max_new_tokens": 5}
    )
    assert (payload["model"], payload["max_tokens"], payload["temperature"]) == ("m", 5, 0)
    kinds = [part["type"] for part in payload["messages"][0]["content"]]
    assert sorted(kinds) == ["image_url", "text"]
    assert (lm.client, lm.task_dict) == (client, {})

    def answered(text):
        def create(**_):
            message = SimpleNamespace(content=text)
            return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage=None)

        return create

    def failing(**_):
        raise RuntimeError("gone\naway")

    found = []
    messages = [{"role": "user", "content": [{"type": "text", "text": "?"}]}]
    for create in (answered(Text("yes")), failing):
        with patch.object(lm, "client"), served_client(lm, create):
            lm.task_dict = {"t": {"s": [None]}}
            simple = ("?", {"max_new_tokens": 5}, lambda _: None, 0, "t", "s")
            chat = ("?", lambda _: messages, {"max_new_tokens": 5}, 0, "t", "s")
            arguments = simple if lm.is_simple else chat
            request = Instance(
                request_type="generate_until",
                arguments=arguments,
                idx=0,
                metadata={"task": "t", "doc_id": 0, "repeats": 1},
            )
            (result,) = stock([request])
            found.append(result.text)
    assert isinstance(found[0], Text)
    assert failure_in(found[0]) is None
    assert failure_in(found[1]) == "the request failed: gone away"


def test_a_budget_that_is_spent_is_told():
    assert "[LMMS_EVAL_BUDGET_EXCEEDED]" in inspect.getsource(chat_openai)
    assert "token budget" in failure_in("[LMMS_EVAL_BUDGET_EXCEEDED]")


def test_attention_implementation_is_named_by_a_config_and_put_back():
    config = LlamaConfig(attn_implementation="eager")
    (found,) = attention_configs([SimpleNamespace(config=config), SimpleNamespace(config=config)])
    with attending_with("sdpa", [found]):
        assert config._attn_implementation == "sdpa"
    assert config._attn_implementation == "eager"


def test_the_cache_has_one_name_in_models_layers_and_outputs():
    config = LlamaConfig(
        vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    model, cache = LlamaForCausalLM(config), DynamicCache(config=config)
    ids = torch.tensor([[1, 2]])
    with warnings.catch_warnings(action="error"):
        output = model(input_ids=ids, **{CACHE: cache})
    assert getattr(output, CACHE) is cache
    assert CACHE in model.prepare_inputs_for_generation(ids, **{CACHE: cache})
    assert CACHE in inspect.signature(stock(type(model.model.layers[0]).forward)).parameters


def test_torch_attention_is_looked_up_when_it_is_called_and_put_back():
    stock = torch.nn.functional.scaled_dot_product_attention
    states = torch.ones(1, 1, 2, 4)
    module = SimpleNamespace(is_causal=False, training=False)
    with changed_attention(lambda query, key, made: made + 1):
        output, _ = sdpa_attention_forward(module, states, states, states, None)
    torch.testing.assert_close(output, torch.full((1, 2, 1, 4), 2.0))
    assert torch.nn.functional.scaled_dot_product_attention is stock
