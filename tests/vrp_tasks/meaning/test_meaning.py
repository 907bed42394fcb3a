"""Checkpoints made here compare answers: against one forward pass a pair, and through `rescore`."""

import hashlib
import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedTokenizerFast,
)

from leaderboard.cli import main as leaderboard
from leaderboard.runs.read import read_run
from metrics.record.channels import SampleTokens, TokenAlternatives, TokenScores
from metrics.record.shards import pack
from metrics.record.tables import SIMILARITY_KINDS
from tests.leaderboard.helpers.golden import make_records, write_run
from vrp_tasks.meaning.__main__ import main
from vrp_tasks.meaning.answers import Answers

SENTENCES = "is there a red circle in picture yes no it not at all dog cat . ?"
WORDS = SENTENCES.split()
LABELS = {0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A classifier with labels for entailment, one without, and an encoder."""
    torch.manual_seed(0)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: i for i, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", model_max_length=64,
    )  # fmt: skip
    sizes = {
        "vocab_size": len(vocabulary), "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 64,
        "initializer_range": 0.6,
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("checkpoints")
    made = {
        "nli": BertForSequenceClassification(
            BertConfig(**sizes, id2label=LABELS, label2id={v: k for k, v in LABELS.items()})
        ),
        "sentiment": BertForSequenceClassification(BertConfig(**sizes)),
        "encoder": BertModel(BertConfig(**sizes)),
    }
    for name, model in made.items():
        model.eval().save_pretrained(folder / name)
        fast.save_pretrained(folder / name)
    return folder


@pytest.fixture
def run(tmp_path):
    drawn = (["yes", "no", "it is. red dog."], ["yes", "yes", "yes"], ["no", " ", "not at all"])
    records = [
        replace(own, samples=drawn[i % 3], normal_samples=drawn[i % 3])
        for i, own in enumerate(make_records(12))
    ]
    return write_run(tmp_path / "run", records)


def table_of(path):
    found = {}
    for row in pq.read_table(path).to_pylist():
        found[row["doc_id"], row["kind"], row["first"], row["second"]] = row["value"]
    return found


def plain(folder, kind):
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    return kind.from_pretrained(folder).eval(), tokenizer


@pytest.mark.parametrize("batch", [1, 3, 32])
def test_entailment_is_that_of_one_pair_at_a_time(checkpoints, run, tmp_path, batch):
    out = tmp_path / "s.parquet"
    told = [str(run), "--entailment", str(checkpoints / "nli"), "--batch-size", str(batch)]
    assert main([*told, "-o", str(out)]) == 0
    model, tokenizer = plain(checkpoints / "nli", BertForSequenceClassification)

    def probabilities(premise, hypothesis):
        with torch.inference_mode():
            logits = model(**tokenizer(premise, hypothesis, return_tensors="pt")).logits[0]
        return logits.softmax(dim=-1).tolist()

    found = table_of(out)
    assert {kind for _, kind, *_ in found} == {"entailment", "contradiction", "support"}
    for record in read_run(run).records:
        texts = [t for t in dict.fromkeys([record.answer, *record.samples]) if t.strip()]
        for first in texts:
            for second in texts:
                if first == second:
                    continue
                ask = f"{record.prompt} {{}}".format
                c, _, e = probabilities(ask(first), ask(second))
                assert found[record.doc_id, "entailment", first, second] == pytest.approx(
                    e, abs=1e-5
                )
                assert found[record.doc_id, "contradiction", first, second] == pytest.approx(
                    c, abs=1e-5
                )
                parts = second.replace(". ", ".\n").split("\n")
                shares = []
                for part in parts:
                    c, _, e = probabilities(ask(first), ask(part))
                    shares.append(e / (e + c))
                support = found[record.doc_id, "support", first, second]
                assert support == pytest.approx(math.fsum(shares) / len(shares), abs=1e-5)


def test_embeddings_are_the_mean_of_each_text_alone(checkpoints, run, tmp_path):
    out = tmp_path / "s.parquet"
    assert main([str(run), "--embeddings", str(checkpoints / "encoder"), "-o", str(out)]) == 0
    model, tokenizer = plain(checkpoints / "encoder", BertModel)

    def embedded(text):
        with torch.inference_mode():
            return model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0)

    for (doc, kind, first, second), value in table_of(out).items():
        assert kind == "similarity"
        prompt = next(r.prompt for r in read_run(run).records if r.doc_id == doc)
        a, b = embedded(f"{prompt} {first}"), embedded(f"{prompt} {second}")
        cosine = float(torch.nn.functional.cosine_similarity(a, b, dim=0))
        assert value == pytest.approx(max(0.0, cosine), abs=1e-5)


def test_a_first_token_model_says_so(checkpoints, run, tmp_path):
    folder = tmp_path / "cls"
    shutil.copytree(checkpoints / "encoder", folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    for name, where in (("mean", checkpoints / "encoder"), ("cls", folder)):
        assert main([str(run), "--embeddings", str(where), "-o", str(tmp_path / f"{name}.s")]) == 0
    assert table_of(tmp_path / "mean.s") != table_of(tmp_path / "cls.s")


def test_rescore_asks_checkpoints_in_a_process_of_its_own(checkpoints, run, capfd):
    told = ["--entailment", str(checkpoints / "nli"), "--embeddings", str(checkpoints / "encoder")]
    assert leaderboard(["rescore", str(run), *told]) == 0
    new = read_run(run.with_name("run_rescored"))
    for record in new.records:
        assert record.signals["luq"] is not None
        assert record.signals["kernel_entropy_embeddings"] is not None
    assert {key.split(":")[1] for key in new.manifest.rescored["added"]} >= {"luq"}


def kept_tokens(folder, run):
    """The run with other tokens kept beside its first answer, and not beside the others."""
    told = TokenAlternatives.of(
        np.log([[0.7, 0.2, 0.05], [0.6, 0.3, 0.1]]),
        [["it is", "it is", " not", "?"], [" yes", " yes", " no", " dog"]],
    )
    scores = TokenScores(np.log([0.7, 0.6]).astype(np.float32))
    texts = read_run(run).records[0].samples
    pieces = [[text[:1], text[1:]] for text in texts]
    drawn = SampleTokens.of([np.log([0.9, 0.5 + 0.1 * k]) for k in range(len(texts))], pieces)
    channels = {own.name: own for own in (told, scores, drawn)}
    records = read_run(run).records
    own = [replace(records[0], shard="s.safetensors", row=0, n_answer_tokens=2), *records[1:]]
    new = write_run(folder / "kept", own)
    save_file(pack([channels]), new / "s.safetensors")
    data = (new / "s.safetensors").read_bytes()
    manifest = json.loads((new / "manifest.json").read_text())
    manifest["files"]["s.safetensors"] = {
        "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)
    }  # fmt: skip
    (new / "manifest.json").write_text(json.dumps(manifest))
    return new


def test_an_answer_s_tokens_are_weighed_by_what_they_say(checkpoints, run, tmp_path):
    """CCP and TokenSAR against one forward pass a text, by the papers' formulas."""
    new = kept_tokens(tmp_path, run)
    told = ["--entailment", str(checkpoints / "nli"), "--embeddings", str(checkpoints / "encoder")]
    assert leaderboard(["rescore", str(new), *told]) == 0
    first, *others = read_run(new.with_name("kept_rescored")).records
    prompt = first.prompt
    nli, tokenizer = plain(checkpoints / "nli", BertForSequenceClassification)
    encoder, _ = plain(checkpoints / "encoder", BertModel)

    def verdict(other, claim):
        with torch.inference_mode():
            told = tokenizer(f"{prompt} {other}", f"{prompt} {claim}", return_tensors="pt")
            return LABELS[int(nli(**told).logits[0].argmax())]

    def embedded(text):
        with torch.inference_mode():
            told = tokenizer(f"{prompt} {text}", return_tensors="pt")
            return encoder(**told).last_hidden_state[0].mean(dim=0)

    expected = 0.0
    for p, claim, alternatives in (
        ([0.7, 0.2, 0.05], "it is", ["it is", "not", "?"]),
        ([0.6, 0.3, 0.1], "it is yes", ["it is yes", "it is no", "it is dog"]),
    ):
        said = ["ENTAILMENT" if a == claim else verdict(a, claim) for a in alternatives]
        same = sum(own for own, s in zip(p, said, strict=True) if s == "ENTAILMENT")
        contrary = sum(own for own, s in zip(p, said, strict=True) if s == "CONTRADICTION")
        expected += math.log(same / (same + contrary))
    assert first.signals["claim_probability"] == pytest.approx(expected, abs=1e-5)

    def similar(a, b):
        return float(torch.nn.functional.cosine_similarity(embedded(a), embedded(b), dim=0))

    whole = embedded("it is yes")
    relevance = [
        1 - float(torch.nn.functional.cosine_similarity(whole, embedded(rest), dim=0))
        for rest in ("yes", "it is")
    ]
    weighted = sum(r * math.log(p) for r, p in zip(relevance, (0.7, 0.6), strict=True))
    assert first.signals["token_sar"] == pytest.approx(weighted / sum(relevance), abs=1e-4)
    said = [text.strip() for text in first.samples]
    shifted = []
    for k, text in enumerate(first.samples):
        parts = [own.strip() for own in (text[1:], text[:1])]  # without the first, the second token
        apart = [1 - similar(said[k], rest) if rest else 1.0 for rest in parts]
        logs = (math.log(0.9), math.log(0.5 + 0.1 * k))
        own = sum(r * p for r, p in zip(apart, logs, strict=True)) / sum(apart)
        shifted.append(math.exp(own))
    n = len(said)
    sar = [
        math.log(
            shifted[j]
            + sum(
                shifted[k]
                * (1.0 if said[j] == said[k] else similar(first.samples[j], first.samples[k]))
                for k in range(n)
                if k != j
            )
            / 0.001
        )
        for j in range(n)
    ]
    assert first.signals["sar"] == pytest.approx(sum(sar) / n, abs=1e-3)
    for name in ("claim_probability", "token_sar", "sar"):
        assert all(own.signals[name] is None for own in others)


def test_a_run_that_kept_no_tokens_is_not_asked_about_them(checkpoints, run):
    told = ["--entailment", str(checkpoints / "nli"), "--embeddings", str(checkpoints / "encoder")]
    assert leaderboard(["rescore", str(run), *told]) == 0
    new = read_run(run.with_name("run_rescored"))
    left_out = {key.split(":")[1]: why for key, why in new.manifest.not_offered.items()}
    for name in ("claim_probability", "token_sar"):
        assert name not in new.records[0].signals
        assert "token_alternatives" in left_out[name] or "no other model" in left_out[name]


def refused(capsys, *told):
    assert main([*map(str, told)]) == 2
    (line,) = (own for own in capsys.readouterr().err.splitlines() if own.startswith("vrp-tasks"))
    return line


def test_a_model_that_is_missing_or_of_the_wrong_kind_is_one_line(
    checkpoints, run, tmp_path, capsys
):
    out = ("-o", tmp_path / "s.parquet")
    nowhere = refused(capsys, run, "--entailment", tmp_path / "nowhere", *out)
    assert nowhere.endswith("nowhere is not a folder. Check the path, or give a hub id.")
    (tmp_path / "empty").mkdir()
    empty = refused(capsys, run, "--embeddings", tmp_path / "empty", *out)
    assert "no checkpoint that can be loaded as a model for embeddings" in empty
    labels = refused(capsys, run, "--entailment", checkpoints / "sentiment", *out)
    assert "none of its labels is entail… (label_0, label_1)" in labels
    head = refused(capsys, run, "--entailment", checkpoints / "encoder", *out)
    assert "is not a model for entailment: it has no weights for classifier" in head
    assert "name a checkpoint" in refused(capsys, run, *out)
    assert "it is no complete run" in refused(
        capsys, tmp_path, "--embeddings", checkpoints / "encoder", *out
    )
    assert not (tmp_path / "s.parquet").exists()


def test_rescore_passes_the_line_on(checkpoints, run, capsys):
    assert leaderboard(["rescore", str(run), "--entailment", str(checkpoints / "sentiment")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("vrp-leaderboard: cannot rescore: ")
    assert "none of its labels is entail" in line
    assert not run.with_name("run_rescored").exists()


def test_equal_texts_are_compared_once_and_empty_ones_never():
    answers = Answers("t", "s", "0", "?", ("a", "b"))
    assert list(answers.pairs()) == [("a", "b"), ("b", "a")]
    assert set(SIMILARITY_KINDS) == {
        "entailment", "contradiction", "support", "similarity", "claim_entailment",
        "claim_contradiction", "relevance",
    }  # fmt: skip
