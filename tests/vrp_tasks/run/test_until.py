"""``until`` through lmms-eval: signals, samples, sweep and occlusion end with the answer."""

import json
from functools import cache

import numpy as np
import pyarrow.parquet as pq
import pytest
from transformers import GenerationMixin

from metrics.record.records import INTERVENTIONS_FILE, OCCLUSION
from tests.vrp_tasks.helpers.evaluation import (
    CHECKPOINTS,
    MODELS,
    command_line,
    read,
    stock_adapter,
)
from vrp_tasks.grounding.companion import Grounding
from vrp_tasks.interventions.variants import Variant
from vrp_tasks.registration import TASKS_FOLDER

SHAPES = TASKS_FOLDER / "shapes"
LIMIT = 4
NEVER = "never said"
PLAIN = """
task: {task}
dataset_path: json
dataset_kwargs: {{data_files: {{test: split.json}}}}
process_docs: !function vrp_tasks.tasks.shapes.docs.attribute
test_split: test
output_type: generate_until
doc_to_visual: !function vrp_tasks.tasks.shapes.docs.doc_to_visual
doc_to_text: Describe the image.
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{max_new_tokens: 24, do_sample: false, until: {until}}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
metadata: {{version: 1.0}}
"""
# chosen without a look at the answer's own maps, so that cutting it changes no intervention
SWEEP = {"interventions": ["bypass_attention", "bypass_mlp"], "layers": [1, 3, 5]}
OURS = """
include: {template}
task: {task}
process_docs: !function vrp_tasks.tasks.shapes.docs.attribute
doc_to_text: Describe the image.
generation_kwargs: {{max_new_tokens: 24, do_sample: false, until: {until}}}
metadata:
  version: 1.0
  vrp: {{regions: vrp_tasks.tasks.shapes.docs:region, grounding: true, robustness: {sweep}}}
"""
# the tiny models list what they see: "green star, orange square, purple circle, …"
UNTIL = {
    "after some tokens": [","],
    "inside a token": ["quar", NEVER, "tar", "ircl", "iangl"],
    "at once": ["green", "orange", "purple", "yellow", "red", "blue"],
}
CASES = [
    *((model, name) for model in ("paligemma", "qwen2_vl") for name in UNTIL),
    ("llava_hf", "after some tokens"),
]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def evaluate(lm, task, text, folder, output=None):
    import lmms_eval.evaluator as evaluator
    from lmms_eval.tasks import TaskManager

    folder.mkdir()
    (folder / f"{task}.yaml").write_text(text)
    (folder / "split.json").write_bytes((SHAPES / "split.json").read_bytes())
    return evaluator.simple_evaluate(
        model=lm[0], model_args=lm[1], tasks=[task], limit=LIMIT, bootstrap_iters=0,
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        log_samples=True,
        cli_args=command_line(output),
    )  # fmt: skip


def probed_run(model, name, folder):
    """A run of ours: manifest, records, rows of interventions."""
    text = OURS.format(
        task="described", template=SHAPES / "_shapes_template_yaml", sweep=json.dumps(SWEEP),
        until=json.dumps(UNTIL.get(name, [NEVER])),
    )  # fmt: skip
    lm = model, f"pretrained={CHECKPOINTS / MODELS[model]},k=4,hidden_dtype=none"
    evaluate(lm, "described", text, folder / "tasks", folder)
    (found,) = folder.glob("*/*_vrp/manifest.json")
    _, manifest, records = read(found.parent)
    return manifest, records, pq.read_table(found.parent / INTERVENTIONS_FILE).to_pylist()


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """Runs of ours, each done once."""
    return cache(lambda model, name: probed_run(model, name, tmp_path_factory.mktemp("probed")))


def stock_answers(model, name, folder):
    """Answers of the stock adapter by document, and tokens and raw logits of its `generate`."""
    lm = stock_adapter(model)(
        pretrained=str(CHECKPOINTS / MODELS[model]), device="cpu", device_map="cpu"
    )
    seen = []
    stock = GenerationMixin.generate

    def recording(self, *args, **kwargs):
        out = stock(self, *args, **kwargs, return_dict_in_generate=True, output_logits=True)
        seen.append((out.sequences[0, kwargs["input_ids"].shape[1] :].tolist(), out.logits))
        return out.sequences

    text = PLAIN.format(task="described_plain", until=json.dumps(UNTIL[name]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GenerationMixin, "generate", recording)
        tokenizer, eos = lm.tokenizer, lm.tokenizer.eos_token_id
        results = evaluate((lm, None), "described_plain", text, folder / "plain")
    samples = sorted(results["samples"]["described_plain"], key=lambda s: s["doc_id"])
    return [s["filtered_resps"][0].strip() for s in samples], seen, tokenizer, eos


@pytest.mark.parametrize(("model", "name"), CASES)
def test_statistics_are_those_of_the_tokens_of_the_stock_answer(model, name, probed, tmp_path):
    answers, seen, tokenizer, eos = stock_answers(model, name, tmp_path)
    _, records, _ = probed(model, name)
    _, uncut, _ = probed(model, "never")
    for record, whole, answer in zip(records, uncut, answers, strict=True):
        assert record.answer == answer
        wanted = []
        for tokens, logits in seen:  # of this document, or one with the same image
            own = tokens[: tokens.index(eos)] if eos in tokens else tokens
            texts = [tokenizer.decode(own[:n]).strip() for n in range(len(own) + 1)]
            if texts[-1] == whole.answer:
                n = next(i for i, text in enumerate(texts) if cut(model, text, name) == answer)
                logprobs = [step[0].float().log_softmax(dim=-1) for step in logits[:n]]
                chosen = [float(p[t]) for p, t in zip(logprobs, own, strict=False)]
                entropies = [float(-(p.exp() * p).sum()) for p in logprobs]
                wanted.append((n, chosen, entropies))
        assert {record.n_answer_tokens} == {n for n, *_ in wanted}
        found = [record.signals[s] for s in
                 ("token_confidence", "min_token_confidence", "logit_entropy")]  # fmt: skip
        if not answer:
            assert found == [None] * 3
            assert record.missing["token_confidence"] == "the answer is empty"
            continue
        values = [(np.mean(p), min(p), -np.mean(e)) for _, p, e in wanted]
        assert any(found == pytest.approx(own, abs=1e-4) for own in values)


@pytest.mark.parametrize(("model", "name"), CASES)
def test_samples_are_those_of_an_uncut_run_cut_like_the_answer(model, name, probed):
    _, uncut, _ = probed(model, "never")
    _, records, _ = probed(model, name)
    for record, whole in zip(records, uncut, strict=True):
        assert record.samples == [cut(model, text, name) for text in whole.samples]
        assert record.answer == cut(model, whole.answer, name)
        assert (record.answer != whole.answer) == (model != "llava_hf")


def cut(model, text, name):
    if model == "llava_hf":  # which reads ``until`` and does nothing with it
        return text
    for stop in UNTIL[name]:
        text = text.split(stop)[0]
    return text.strip()


@pytest.mark.parametrize(("model", "name"), CASES)
def test_interventions_are_cut_by_the_same_rule(model, name, probed):
    manifest, records, rows = probed(model, name)
    _, _, uncut = probed(model, "never")
    clean = {record.doc_id: record for record in records}
    whole = {key(row): row for row in uncut}
    assert manifest["sweeps"]["described"]["n_decoded_differently"] == 0
    assert {row["intervention"] for row in rows} == {*SWEEP["interventions"], OCCLUSION}
    for row in rows:
        record = clean[row["doc_id"]]
        assert row["answer"] == cut(model, whole[key(row)]["answer"], name)
        expected = record.signals["token_confidence"]
        assert row["clean_logprob"] == (expected and pytest.approx(expected, abs=1e-4))
        assert (row["logprob"] is None) == (expected is None)
        assert row["agrees"] == (row["answer"] == record.answer)


def test_answers_that_are_generated_again_after_a_stop_end_alike(probed, tmp_path, monkeypatch):
    """The occlusion scores the clean answer's tokens; a new process has to find them anew."""
    stock = Grounding.after_task

    def forgetting(self, *args):
        self.tokens.clear()
        stock(self, *args)

    monkeypatch.setattr(Grounding, "after_task", forgetting)
    _, _, rows = probed_run("qwen2_vl", "after some tokens", tmp_path)
    _, _, expected = probed("qwen2_vl", "after some tokens")
    assert [row["logprob"] for row in rows] == pytest.approx([r["logprob"] for r in expected])


def key(row):
    return row["doc_id"], Variant(**{name: row[name] for name in Variant.__dataclass_fields__})
