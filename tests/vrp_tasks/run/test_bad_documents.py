"""One bad document costs itself: it is a record with the reason, and the run goes on."""

import json
import sys
from argparse import Namespace
from contextlib import contextmanager, nullcontext
from pathlib import Path

import lmms_eval.evaluator as evaluator  # here: it builds torch modules when imported
import pyarrow.parquet as pq
import pytest
import torch
from lmms_eval.tasks import TaskManager
from loguru import logger

from leaderboard.results.aggregate import build_board
from leaderboard.runs.read import read_runs
from leaderboard.tables.failures import FAILED, failure_tables
from metrics.record.channels import SampleSpread
from metrics.record.failures import NO_KIND, failure_in
from metrics.signals import BY_NAME
from tests.vrp_tasks.helpers.bad_documents import write_bad_tasks
from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS, MODELS, records_of
from vrp_tasks.access import transformers
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.recorder import Recorder

N = 8


@pytest.fixture
def said():
    lines = []
    handler = logger.add(lambda message: lines.append(str(message)), level="INFO")
    yield lines
    logger.remove(handler)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder whose module of functions is this test's own."""
    made = tmp_path / "tasks"
    made.mkdir()
    monkeypatch.syspath_prepend(made)
    monkeypatch.delitem(sys.modules, "bad_functions", raising=False)
    yield made
    sys.modules.pop("bad_functions", None)


def run(folder, tasks=("vrp_bad",), *, model="qwen2_vl", arguments="", **options):
    output = folder.parent / "out"
    results = evaluator.simple_evaluate(
        model=model,
        model_args=f"pretrained={CHECKPOINTS / MODELS[model]},k=2,hidden_dtype=none{arguments}",
        tasks=list(tasks),
        batch_size=options.pop("batch_size", 1),
        bootstrap_iters=0,
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        cli_args=Namespace(
            output_path=str(output),
            verbosity=options.pop("verbosity", "DEBUG"),
            process_with_media=options.pop("process_with_media", False),
        ),
        **options,
    )
    return results, *read(output)


def read(output):
    (manifest,) = Path(output).glob("*/*_vrp/manifest.json")
    about = json.loads(manifest.read_text())
    records = records_of(manifest.parent, about)
    return about, {(r.task, int(r.doc_id)): r for r in records}


# what is bad, what the record lacks, and a part of the reason
CASES = [
    ("unreadable", "answer", "what it shows cannot be read (UnidentifiedImageError"),
    ("empty", "answer", "what it shows cannot be read (UnidentifiedImageError"),
    ("bomb", "answer", "what it shows cannot be read (DecompressionBombError"),
    ("visual", "answer", "what it shows cannot be read (KeyError: 'no such picture')"),
    ("strip", "answer", "absolute aspect ratio must be smaller than 200"),
    ("text", "answer", "doc_to_text failed (KeyError: 'no such text')"),
    ("token", "answer", "Found total 2 <|image_pad|> tokens and 1 images"),
    ("kind", "label", "its kind cannot be told (KeyError: 'no such kind')"),
    ("group", "label", "its group cannot be told (KeyError: 'no such group')"),
    ("score", "label", "the score function failed: KeyError: 'no such score'"),
    ("scorer", "label", "the scorer failed (KeyError: 'no such scorer')"),
]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_bad_documents_are_records_with_a_reason_and_no_answers(folder, batch_size, said):
    write_bad_tasks(folder, {i: what for i, (what, *_) in enumerate(CASES)}, n=17)
    results, manifest, records = run(folder, batch_size=batch_size, arguments=",max_failed=1")
    for row, (what, lacks, reason) in enumerate(CASES):
        record = records["vrp_bad", row]
        assert failure_in(record.missing) == (lacks, record.missing[lacks]), what
        assert reason in record.missing[lacks], what
        assert record.correct is None
        assert (record.answer == "") == (lacks == "answer")
        assert (record.signals["token_confidence"] is None) == (lacks == "answer")
        assert record.missing["score"]
    whole = [records["vrp_bad", row] for row in range(len(CASES), 17)]
    assert all(failure_in(record.missing) is None for record in whole)
    assert all(record.correct is not None for record in whole)
    own = results["results"]["vrp_bad"]
    assert own["accuracy,none"] == sum(r.correct for r in whole) / len(whole)
    # the score function alone failed on one: lmms-eval's own score of its answer stands
    right = [r["right"] for r in results["samples"]["vrp_bad"] if "right" in r]
    assert len(right) == len(whole) + 1
    assert own["right,none"] == pytest.approx(sum(right) / len(right))
    assert own.get("pairs,none") is None  # fails on 7 answers, which is said
    assert any("no pairs: the base's aggregation fails without" in line for line in said)
    told = manifest["tasks"]["vrp_bad"]
    assert told["n_failed"] == len(CASES)
    assert sum(entry["n"] for entry in told["failures"]) == len(CASES)
    assert any(f"{len(CASES)} of 17 documents failed" in line for line in said)


def test_what_is_not_whole_is_answered_and_marked(folder):
    write_bad_tasks(folder, {1: "truncated", 2: "long", 4: "no kind", 5: "target"}, n=N)
    _, manifest, records = run(folder)
    cut, long, plain = (records["vrp_bad", row] for row in (1, 2, 4))
    assert cut.missing["picture"].startswith("the picture is not whole (OSError: image file is tr")
    assert "tokens, the model's context 1024" in long.missing["question"]
    assert plain.kind == NO_KIND
    assert records["vrp_bad", 5].target is None  # its scorer does without it
    assert all(record.correct is not None for record in records.values())
    assert all(failure_in(record.missing) is None for record in records.values())
    told = manifest["tasks"]["vrp_bad"]
    assert told["n_failed"] == 0
    assert told["failures"] == []
    assert {(m["lacks"], *m["documents"]) for m in told["marked"]} == {
        ("picture", "1"),
        ("question", "2"),
    }


def test_too_many_failures_end_the_run_and_the_same_command_goes_on(folder, said):
    write_bad_tasks(folder, {0: "unreadable", 2: "scorer", 5: "visual"}, n=10)
    with pytest.raises(SystemExit) as stopped:
        run(folder, verbosity="INFO")
    line = stopped.value.code
    assert line.startswith(
        "vrp-tasks: 3 of 10 documents of vrp_bad failed, more than the share of 0.05 that may "
        "(model argument max_failed): document 0 (no answer: what it shows cannot be read (Unid"
    )
    assert "; document 2 (no label: the scorer failed (KeyError: 'no such scorer')); " in line
    assert "document 5 (no answer: " in line
    assert line.endswith("; the same command goes on from there.")
    assert "\n" not in line
    # what was mended is asked again, and nothing else; another share is the same run
    write_bad_tasks(folder, {5: "visual"}, n=10)
    asked = []
    stock = transformers.TransformersAccess.observe

    def observe(self, request):
        asked.extend(int(r.doc_id) for r in request.requests)
        return stock(self, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformers.TransformersAccess, "observe", observe)
        _, manifest, records = run(folder, arguments=",max_failed=0.5")
    assert sorted(asked) == [0, 2]
    assert manifest["tasks"]["vrp_bad"]["n_failed"] == 1
    assert [row for (_, row), r in records.items() if failure_in(r.missing)] == [5]
    assert any("resuming, 7 of 10 samples are there" in line for line in said)


def test_two_failures_never_end_a_run_but_no_answer_at_all_does(folder):
    write_bad_tasks(folder, {0: "unreadable", 1: "scorer"}, n=4)
    _, manifest, _ = run(folder, arguments=",max_failed=0")
    assert manifest["tasks"]["vrp_bad"]["n_failed"] == 2


def test_a_run_without_any_answer_ends(folder):
    write_bad_tasks(folder, dict.fromkeys(range(1, 3), "strip"), n=3)
    with pytest.raises(SystemExit, match=r"2 of 2 documents of vrp_bad failed, and none was answ"):
        run(folder, verbosity="INFO", offset=1)


@pytest.mark.parametrize("given", ["2", "-0.1", "many", "true"])
def test_a_share_is_a_share(folder, given):
    write_bad_tasks(folder, {}, n=2)
    with pytest.raises(SystemExit, match=r"max_failed must be a share in \[0, 1\]"):
        run(folder, arguments=f",max_failed={given}", verbosity="INFO")


def test_other_tasks_of_the_command_are_as_in_stock(folder):
    write_bad_tasks(folder, {1: "kind", 3: "score"}, n=6)
    results, manifest, _ = run(folder, ["bad_base", "vrp_bad"])
    stock = results["samples"]["bad_base"]
    ours = {sample["doc_id"]: sample for sample in results["samples"]["vrp_bad"]}
    for sample in stock:
        assert sample["filtered_resps"] == ours[sample["doc_id"]]["filtered_resps"]
    assert results["results"]["bad_base"]["right,none"] == sum(s["right"] for s in stock) / 6
    assert manifest["tasks"]["vrp_bad"]["n_failed"] == 2


def test_documents_that_cannot_be_read_survive_scoring_with_media(folder):
    write_bad_tasks(folder, {0: "unreadable", 2: "empty"}, n=6)
    results, manifest, _ = run(folder, process_with_media=True)
    assert manifest["tasks"]["vrp_bad"]["n_failed"] == 2
    assert len(results["samples"]["vrp_bad"]) == 6


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("logits", "the model's logits are not finite"),
        ("norm", "the model's logits are not finite"),
        ("rows", "attention rows of layer 2 sum to 1 ± 0.5"),
    ],
)
def test_a_prompt_whose_numbers_are_no_numbers_loses_its_signals_alone(
    folder, monkeypatch, broken, reason
):
    """In the middle of a batch of three, whose two others are as ever."""
    write_bad_tasks(folder, {}, n=6)
    _, _, before = run(folder, batch_size=3)
    (done,) = folder.parent.glob("out/*/*_vrp")
    done.rename(folder.parent / "before")
    _SPOIL[broken](monkeypatch, before["vrp_bad", 4])
    _, manifest, after = run(folder, batch_size=3)
    for key, record in after.items():
        lost = key == ("vrp_bad", 4)
        assert ("signals" in record.missing) == lost
        assert (record.signals["token_confidence"] is None) == lost
        if lost:
            assert reason in record.missing["signals"]
            assert reason in record.missing["spatial_entropy"]
        else:
            assert record.samples == before[key].samples
            assert record.signals == before[key].signals
    assert after["vrp_bad", 4].correct is not None
    assert manifest["tasks"]["vrp_bad"]["n_failed"] == 1


def spoil_logits(monkeypatch, record):
    """NaN where the prompt of a record is to be answered, and from there on."""
    stock = DecodeState.choose
    prompts = _spoiled_prompts(monkeypatch, record)

    def choose(self, outputs, criteria):
        index = prompts[-1]
        if index is not None and not self.notes.chosen:
            outputs.logits[index] = torch.nan
        return stock(self, outputs, criteria)

    monkeypatch.setattr(DecodeState, "choose", choose)


def spoil_rows(monkeypatch, record):
    stock = Recorder.check_sums
    prompts = _spoiled_prompts(monkeypatch, record)

    def check_sums(self, sums):
        sums = sums.clone()
        if prompts[-1] is not None:
            sums[2, prompts[-1]] = 0.5
        return stock(self, sums)

    monkeypatch.setattr(Recorder, "check_sums", check_sums)


def spoil_norm(monkeypatch, record):
    """The final norm overflows on every token of a prompt, as in half precision."""
    _spoiled_prompts(monkeypatch, record, inside=norm_overflows)


@contextmanager
def norm_overflows(model, index):
    calls = []

    def overflow(_module, _inputs, output):
        calls.append(output.shape)
        if len(calls) == 1:  # of the prompts
            output = output.clone()
            output[index] = torch.nan
        return output

    handle = model.get_decoder().norm.register_forward_hook(overflow)
    yield
    handle.remove()
    assert calls[0][1] > 1


def _spoiled_prompts(monkeypatch, record, *, inside=lambda model, index: nullcontext()):
    """Which prompt of each batch is the record's, None where none is."""
    found = [None]
    stock = transformers.probed_generate

    def probed(model, *args, identities, **options):
        own = [i for i, name in enumerate(identities) if name == record.identity]
        found.append(own[0] if own else None)
        with inside(model, own[0]) if own else nullcontext():
            return stock(model, *args, identities=identities, **options)

    monkeypatch.setattr(transformers, "probed_generate", probed)
    return found


_SPOIL = {"logits": spoil_logits, "norm": spoil_norm, "rows": spoil_rows}


@pytest.mark.parametrize(("room", "batch"), [(9, 3), (3, 1), (2, 1)])
def test_out_of_memory_halves_what_goes_at_a_time_and_changes_nothing(folder, room, batch):
    """``room`` rows fit: three prompts with two samples each take nine."""
    write_bad_tasks(folder, {}, n=6)
    arguments = ",k=4,hidden_dtype=float32"
    _, _, before = run(folder, arguments=arguments)
    (done,) = folder.parent.glob("out/*/*_vrp")
    done.rename(folder.parent / "before")
    stock = DecodeState.spread

    def spread(self, *args, **options):
        if self.batch * self.rows > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return stock(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DecodeState, "spread", spread)
        _, manifest, after = run(folder, arguments=arguments, batch_size=4)
    told = manifest["cost"]["out_of_memory"]
    rows = told["prompts_at_once"] * (told["samples_at_once"] + 1)
    assert rows <= room
    assert told["times"] >= 2
    assert manifest["tasks"]["vrp_bad"]["n_failed"] == 0
    for key, record in after.items():
        assert (record.answer, record.samples) == (before[key].answer, before[key].samples)
        for name, value in before[key].signals.items():
            if SampleSpread in BY_NAME[name].needs and told["samples_at_once"] < 4:
                assert "several passes, since memory ran out" in record.missing[name]
                continue
            assert record.signals[name] == (
                value if value is None else pytest.approx(value, abs=1e-4)
            )


def test_where_nothing_fits_the_answer_is_that_of_stock(folder, monkeypatch):
    write_bad_tasks(folder, {}, n=4)
    stock = transformers.probed_generate

    def probed(*args, identities, **options):
        if identities[0].endswith("/2"):
            raise RuntimeError("MPS backend out of memory")
        return stock(*args, identities=identities, **options)

    monkeypatch.setattr(transformers, "probed_generate", probed)
    _, _, records = run(folder)
    assert "MPS backend out of memory" in records["vrp_bad", 2].missing["signals"]
    assert records["vrp_bad", 2].correct is not None


def test_companions_do_without_documents_that_failed(folder):
    bad = {0: "unreadable", 3: "strip", 4: "scorer", 6: "regions"}
    write_bad_tasks(folder, bad, n=10)
    tasks = ["vrp_bad_grounding", "vrp_bad_robustness"]
    _, manifest, records = run(folder, tasks, arguments=",max_failed=1")
    (done,) = folder.parent.glob("out/*/*_vrp")
    grounding = manifest["tasks"]["vrp_bad_grounding"]
    assert grounding["n_failed"] == 4
    assert manifest["tasks"]["vrp_bad_robustness"]["n_failed"] == 3
    reason = "the regions function failed (KeyError: 'no such regions')"
    assert records["vrp_bad_grounding", 6].missing["regions"] == reason
    assert records["vrp_bad_grounding", 6].correct is not None
    rows = pq.read_table(done / "grounding.parquet").to_pylist()
    lost = {row["doc_id"] for row in rows if reason in str(row)}
    assert lost == {"6"}
    assert {row["doc_id"] for row in rows} == {str(row) for row in range(10)}
    changed = pq.read_table(done / "interventions.parquet").to_pylist()
    swept = {row["doc_id"] for row in changed if row["task"] == "vrp_bad_robustness"}
    assert swept
    assert not swept & {"0", "3"}
    unlabelled = [r for r in changed if r["doc_id"] == "4"]
    assert unlabelled
    assert all(row["correct"] is None for row in unlabelled)
    occluded = {row["doc_id"] for row in changed if row["task"] == "vrp_bad_grounding"}
    assert occluded
    assert not occluded & {"0", "3", "6"}


def test_the_report_says_which_failed_and_why(folder):
    write_bad_tasks(folder, {1: "unreadable", 2: "truncated", 4: "scorer"}, n=N)
    run(folder, arguments=",max_failed=1")
    board = build_board(read_runs([folder.parent / "out"]), (FAILED,))
    (table,) = failure_tables(board, "vrp_bad")
    (block,) = table.blocks
    assert block.title.endswith(f": 2 of {N} failed")
    shown = [[" ".join(cell.lines) for cell in row] for row in block.rows]
    assert [row[0] for row in shown] == [
        "failed: no answer",
        "failed: no label",
        "answered, the picture is not whole",
    ]
    assert [row[2:] for row in shown] == [["1", "1"], ["1", "4"], ["1", "2"]]
    assert "UnidentifiedImageError" in shown[0][1]
