"""An attached task run through lmms-eval: the base's answers and scores, and ours beside them."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from loguru import logger

from metrics.card.of_records import card_of_records
from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS, command_line, records_of
from tests.vrp_tasks.helpers.local_task import write_local_tasks
from vrp_tasks.access.transformers import TransformersAccess
from vrp_tasks.attach.results import reliability_results
from vrp_tasks.attach.trial import try_scoring
from vrp_tasks.errors import CaptureError, FailuresError, SetupError

TINY = CHECKPOINTS / "vrp-tiny-llava"
CHECKPOINT = {
    "llava_hf": TINY,
    "paligemma": CHECKPOINTS / "vrp-tiny-paligemma",
    "qwen2_vl": CHECKPOINTS / "vrp-tiny-qwen2-vl",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    write_local_tasks(folder, n_scenes=6)
    (folder / "both.yaml").write_text("group: both\ntask: [vrp_by_file, vrp_local_plain]\n")
    return folder


@pytest.fixture
def said():
    lines = []
    handler = logger.add(lambda message: lines.append(str(message)), level="INFO")
    yield lines
    logger.remove(handler)


def evaluate(folder, tasks, output=None, *, model="llava_hf", arguments="", **options):
    import lmms_eval.evaluator as evaluator
    from lmms_eval.tasks import TaskManager

    return evaluator.simple_evaluate(
        model=model,
        model_args=f"pretrained={CHECKPOINT[model]},k=2{arguments}",
        tasks=tasks,
        **{"batch_size": 1, **options},
        bootstrap_iters=1000,
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        cli_args=command_line(output),
    )


def read(output):
    (manifest,) = Path(output).glob("*/*_vrp/manifest.json")
    about = json.loads(manifest.read_text())
    return about, records_of(manifest.parent, about)


def test_answers_and_stock_scores_are_those_of_the_base(folder, tmp_path):
    tasks = ["local_function", "local_plain", "vrp_by_file", "vrp_local_plain"]
    results = evaluate(folder, tasks, tmp_path)
    for base, ours in (("local_function", "vrp_by_file"), ("local_plain", "vrp_local_plain")):
        answers = [s["filtered_resps"][0] for s in results["samples"][base]]
        assert [s["filtered_resps"][0] for s in results["samples"][ours]] == answers
        for metric, value in results["results"][base].items():
            name = metric.replace("accuracy", "stock_accuracy", metric.startswith("accuracy"))
            if metric != "alias" and "clustered" not in metric:
                assert results["results"][ours][name] == value, name
        for stock, own in zip(results["samples"][base], results["samples"][ours], strict=True):
            stock_score = stock.get("exact_match", stock.get("my_accuracy"))
            number = stock_score["score"] if isinstance(stock_score, dict) else stock_score
            assert own["accuracy"]["score"] == number
    assert 0 < results["results"]["local_plain"]["exact_match,none"] < 1
    manifest, records = read(tmp_path)
    assert manifest["tasks"]["vrp_by_file"]["base"] == "local_function"
    assert manifest["tasks"]["vrp_by_file"]["version"] == "1.5"
    assert manifest["tasks"]["vrp_local_plain"]["version"] == "3.0"
    by_file = [r for r in records if r.task == "vrp_by_file"]
    by_name = [r for r in records if r.task == "vrp_local_plain"]
    assert {r.kind for r in by_file} == {"existence", "counting", "relation"}
    assert {r.kind for r in by_name} == {"all"}
    # the hash of the pixels tells images apart as the column does
    pairs = {(a.group, b.group) for a, b in zip(by_file, by_name, strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) == 6


def test_the_command_line_takes_a_name_without_a_yaml(folder, tmp_path):
    command = [str(Path(sys.executable).parent / "lmms-eval"), "--model", "llava_hf"]
    command += ["--model_args", f"pretrained={TINY},k=2,subset=8,hidden_layers=last2"]
    command += ["--tasks", "both", "--include_path", str(folder), "--output_path", str(tmp_path)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    manifest, records = read(tmp_path)
    assert {name: t["n_samples"] for name, t in manifest["tasks"].items()} == {
        "vrp_by_file": 8,
        "vrp_local_plain": 8,
    }, out.stderr
    assert len({r.doc_id for r in records}) > 8 - 1
    assert "Plan: 16 samples, hidden states of 16 (float16, layers last2); about" in out.stdout
    assert "the yes/no parser disagrees with the stock scorer on" in out.stdout


def test_an_ambiguous_name_stops_the_command_line_before_the_model(folder, tmp_path):
    command = [str(Path(sys.executable).parent / "lmms-eval"), "--model", "llava_hf"]
    command += ["--model_args", f"pretrained={TINY}", "--tasks", "vrp_local_function"]
    command += ["--include_path", str(folder), "--output_path", str(tmp_path)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert out.returncode == 1
    last = out.stderr.strip().splitlines()[-1]
    assert last.startswith("vrp-tasks: task vrp_local_function: local_function scores answers in 3")
    assert "Loading weights" not in out.stderr


def test_a_part_of_a_task_keeps_row_numbers_and_stated_states(folder, tmp_path):
    results = evaluate(
        folder, ["vrp_by_file"], tmp_path, arguments=",subset=12,subset_seed=1,hidden_max=5"
    )
    manifest, records = read(tmp_path)
    assert manifest["tasks"]["vrp_by_file"]["subset"] == {"n": 12, "seed": 1, "of": 36}
    assert len({r.group for r in records}) == 2  # whole images
    questions = pq.read_table(folder / "questions.parquet").to_pylist()
    for record in records:
        assert record.prompt == questions[int(record.doc_id)]["question"]
        assert record.target == questions[int(record.doc_id)]["answer"]
    assert sum("state_prompt" not in r.missing for r in records) == 5
    assert results["n-samples"]["vrp_by_file"]["effective"] == 12


def test_ranks_share_a_part_between_them(folder):
    from lmms_eval.tasks import TaskManager

    from vrp_tasks.attach.subset import choose_rows, identities
    from vrp_tasks.seam.restricted_task import restrict

    manager = TaskManager(include_path=str(folder), include_defaults=False)
    task = manager.load_task_or_group(["vrp_by_file"], "simple")["vrp_by_file"]
    rows = choose_rows(*identities(task), 7)
    restrict(task, rows)
    built = []
    for rank in range(3):
        task.build_all_requests(rank=rank, world_size=3)
        built += [i.metadata["doc_id"] for i in task.instances]
    assert sorted(built) == rows
    assert all(task.eval_docs_no_media[row]["image_id"] for row in rows)
    restrict(task, [4])
    task.build_all_requests(rank=0, world_size=3)  # row 4 belongs to rank 1
    (padding,) = task.instances
    assert padding.metadata["__padding_only__"]
    assert padding.args[0]


@pytest.mark.parametrize("where", ["task", "run"])
def test_a_part_and_a_limit_are_refused_together(folder, tmp_path, where):
    name = "vrp_by_file"
    if where == "task":
        name = "vrp_part"
        text = (folder / "vrp_by_file.yaml").read_text().replace("vrp_by_file", name)
        (folder / f"{name}.yaml").write_text(text + "    subset: 6\n")
    arguments = ",subset=6" if where == "run" else ""
    with pytest.raises(SetupError, match="give one of the two"):
        evaluate(folder, [name], arguments=arguments, limit=3)


def test_a_task_without_answers_gives_signals_and_says_so(folder, tmp_path, said):
    (folder / "vrp_blind.yaml").write_text(
        "task: vrp_blind\nmetadata: {vrp: {base: local_function, score: none}}\n"
    )
    results = evaluate(folder, ["vrp_blind"], tmp_path, limit=6)
    _, records = read(tmp_path)
    assert all(r.correct is None and r.score is None for r in records)
    assert {r.missing["score"] for r in records} == {"the task has no reference answers"}
    assert all(r.signals["token_confidence"] is not None for r in records)
    assert results["results"]["vrp_blind"]["accuracy,none"] is None
    assert any("has no reference answers; signals only" in line for line in said)
    assert "no labelled samples" in str(card_of_records(records, invalid={}).accuracy)


def test_labels_by_parser_and_by_file(folder, tmp_path, said):
    rows = pq.read_table(folder / "questions.parquet").to_pylist()
    asked = [r for r in rows if r["kind"] == "existence"][:-2]  # two are left out
    flipped = {"yes": "no", "no": "yes"}
    lines = [
        {"image": r["image_id"], "text": r["question"], "label": flipped[r["answer"]]}
        for r in asked
    ]
    file = tmp_path / "labels.json"
    file.write_text("\n".join(map(json.dumps, lines)))
    evaluate(folder, ["vrp_by_file"], tmp_path / "a", arguments=f",label=repope,labels={file}")
    manifest, records = read(tmp_path / "a")
    labels = manifest["tasks"]["vrp_by_file"]["labels"]
    assert labels["used"] == "repope"
    assert labels["n"]["repope"] == len(asked) == sum(r.correct is not None for r in records)
    labelled = [r for r in records if r.correct is not None]
    parsed = {r.doc_id: r.answer.strip() == r.target for r in labelled}
    assert all(r.correct == (not parsed[r.doc_id]) for r in labelled)
    assert labels["accuracy"]["repope"] == 1 - sum(parsed.values()) / len(parsed)
    assert any("accuracy by label: stock" in line and "RePOPE" in line for line in said)


def test_a_score_that_cannot_be_read_stops_before_generation(folder):
    (folder / "vrp_lost.yaml").write_text(
        "task: vrp_lost\nmetadata: {vrp: {base: local_function, score: submission}}\n"
    )
    with pytest.raises(SetupError, match="the scorer's submission has no score, only answer"):
        evaluate(folder, ["vrp_lost"], limit=3)


def test_a_column_that_is_not_there_stops_before_generation(folder):
    text = (folder / "vrp_by_file.yaml").read_text().replace("vrp_by_file", "vrp_column")
    (folder / "vrp_column.yaml").write_text(text.replace("image_id", "image_number"))
    with pytest.raises(SetupError, match="group names the column 'image_number'; the data set has"):
        evaluate(folder, ["vrp_column"], limit=3)


@pytest.fixture
def sparse(tmp_path):
    """The same tasks, where every question about numbers shows no image."""
    folder = tmp_path / "sparse"
    folder.mkdir()
    write_local_tasks(folder, n_scenes=2)
    scorer = (folder / "scorer.py").read_text()
    shown = "def doc_to_visual(doc):\n    if doc['kind'] == 'counting':\n        return []\n"
    (folder / "scorer.py").write_text(scorer.replace("def doc_to_visual(doc):\n", shown))
    return folder


def test_a_document_without_an_image_has_no_map_and_says_why(sparse, tmp_path):
    tasks = ["local_function", "vrp_by_file", "vrp_by_file_robustness", "vrp_by_file_grounding"]
    results = evaluate(sparse, tasks, tmp_path, model="qwen2_vl", batch_size=3, limit=6)
    _, records = read(tmp_path)
    blind = [r for r in records if r.kind == "counting"]
    assert len(blind) == 3 * 2
    for record in records:
        reason = "the prompt has no image tokens" if record in blind else None
        assert record.missing.get("spatial_entropy") == reason
        assert record.signals["token_confidence"] is not None
    stock = [s["filtered_resps"][0] for s in results["samples"]["local_function"]]
    assert [r.answer for r in records if r.task == "vrp_by_file"] == stock


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("llava_hf", {}),
        ("llava_hf", {"force_simple": True}),
        ("paligemma", {}),
        ("paligemma", {"batch_size": 3}),
    ],
)
def test_a_document_without_an_image_has_inputs_of_its_own(sparse, tmp_path, model, options):
    """Not those of the document before, whose map and answer it would have."""
    evaluate(sparse, ["vrp_by_file"], tmp_path / "mixed", model=model, **options)
    _, records = read(tmp_path / "mixed")
    blind = [r for r in records if r.kind == "counting"]
    assert 0 < len(blind) < len(records)
    for record in records:
        reason = "the prompt has no image tokens" if record in blind else None
        assert record.missing.get("spatial_entropy") == reason
        assert record.grid == (None if record in blind else [8, 8])
        assert record.signals["token_confidence"] is not None
    only_text(sparse)  # the same questions, where no other document comes before them
    evaluate(sparse, ["vrp_by_file"], tmp_path / "alone", model=model, batch_size=1)
    _, alone = read(tmp_path / "alone")
    expected = {r.doc_id: r for r in alone}
    for record in blind:
        other = expected[record.doc_id]
        assert (record.answer, record.samples) == (other.answer, other.samples)
        for name in ("token_confidence", "logit_entropy", "answer_margin"):
            assert record.signals[name] == pytest.approx(other.signals[name], abs=1e-4)


def only_text(folder):
    """No question shows an image, but the first: a task needs one."""
    scorer = (folder / "scorer.py").read_text()
    shown = "if doc['question_id'] != '0-0':"
    (folder / "scorer.py").write_text(scorer.replace("if doc['kind'] == 'counting':", shown))


@pytest.mark.parametrize("simple", [False, True])
def test_an_image_token_without_an_image_costs_its_document_only(sparse, tmp_path, said, simple):
    text = (sparse / "local_function.yaml").read_text()
    stray = """ "{{question}}{{' <image>' if question_id == '1-2' else ''}}" """
    (sparse / "local_function.yaml").write_text(text.replace(' "{{question}}"', stray))
    evaluate(sparse, ["vrp_by_file"], tmp_path, force_simple=simple)
    _, records = read(tmp_path)
    assert [r.kind for r in records if "<image>" in r.prompt] == ["counting"]
    for record in records:
        lost = "<image>" in record.prompt
        reason = record.missing.get("token_confidence", "")
        assert ("has image tokens, but the document shows no image" in reason) == lost
        assert (record.signals["token_confidence"] is None) == lost
        assert (record.shard is None) == lost
        assert record.correct is not None
    assert any("1 document failed: document 8 (no signals: " in line for line in said)


def test_a_fault_that_every_document_has_stops_the_run(folder, monkeypatch):
    def broken(*_):
        raise CaptureError("no hook fires")

    monkeypatch.setattr(TransformersAccess, "_check_images", broken)
    with pytest.raises(FailuresError, match=r"and none was answered: .* captured: no hook fires"):
        evaluate(folder, ["vrp_by_file"], limit=3)


@pytest.mark.parametrize("key", ["score", "group", "kind", "target"])
def test_a_function_that_fails_stops_before_generation(folder, monkeypatch, key):
    monkeypatch.syspath_prepend(folder)
    (folder / "lost_column.py").write_text("def read(doc, *_):\n    return doc['lost']\n")
    (folder / f"vrp_failing_{key}.yaml").write_text(
        f"task: vrp_failing_{key}\n"
        f"metadata: {{vrp: {{base: local_plain, {key}: lost_column:read}}}}\n"
    )
    with pytest.raises(SetupError) as error:
        evaluate(folder, [f"vrp_failing_{key}"], limit=3)
    assert str(error.value).startswith(
        f"task vrp_failing_{key}: metadata.vrp.{key}, lost_column:read, fails on the first "
        "documents: KeyError: 'lost'. A document has question_id, image_id, kind,"
    )


def test_a_score_that_fails_later_leaves_the_answer_its_signals(folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    (folder / "picky.py").write_text(
        "known = ['']\n"
        "def score(doc, answer, results):\n"
        "    own = doc['question_id'] if answer else ''\n"
        "    known.append(own) if own not in known else None\n"
        "    return [][0] if known.index(own) == 2 else 1.0\n"
    )
    (folder / "vrp_picky.yaml").write_text(
        "task: vrp_picky\nmetadata: {vrp: {base: local_plain, score: 'picky:score'}}\n"
    )
    evaluate(folder, ["vrp_picky"], tmp_path, limit=3)
    _, records = read(tmp_path)
    reason = "the score function failed: IndexError: list index out of range"
    assert [r.missing.get("score") for r in records] == [None, reason, None]
    assert [r.correct for r in records] == [1, None, 1]
    assert all(r.signals["token_confidence"] is not None for r in records)


def test_a_task_that_scores_nothing_for_us_stops_before_generation(folder):
    text = (folder / "local_function.yaml").read_text().replace("local_function", "no_base")
    text = text.replace("metadata: [version: 3.0]", "metadata: {vrp: {kind: kind}}")
    (folder / "no_base.yaml").write_text(text)
    with pytest.raises(SetupError, match=r"no_base: metadata\.vrp names no base task, and"):
        evaluate(folder, ["no_base"], limit=3)


def test_a_class_of_its_own_may_score_for_us(folder):
    from lmms_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(folder), include_defaults=False)
    task = manager.load_task_or_group(["local_plain"], "simple")["local_plain"]

    class Own(type(task)):
        def process_results(self, doc, results, **_):
            return reliability_results(
                results, task="own", score=lambda answer: 0.0, normalize=str, doc_id="0",
                group="g", kind="all", target=None,
            )  # fmt: skip

    with pytest.raises(SetupError, match="names no base task"):
        try_scoring("own", task)
    task.__class__ = Own
    try_scoring("own", task)


def test_a_setting_for_no_task_is_refused(folder):
    with pytest.raises(SetupError, match="there is none among vrp_local_plain"):
        evaluate(folder, ["vrp_local_plain"], arguments=",label=parser", limit=3)


def test_variants_keep_images_targets_and_parser(folder, tmp_path):
    text = (folder / "vrp_by_file.yaml").read_text().replace("vrp_by_file", "vrp_pixels")
    (folder / "vrp_pixels.yaml").write_text(text.replace("    group: image_id\n", ""))
    evaluate(folder, ["vrp_pixels", "vrp_pixels_grounding"], tmp_path, arguments="", limit=8)
    _, records = read(tmp_path)
    plain, variant = (
        [(r.doc_id, r.group, r.target, r.correct) for r in records if r.task == name]
        for name in ("vrp_pixels", "vrp_pixels_grounding")
    )
    assert plain == variant
    assert len({group for _, group, _, _ in plain}) == 2


def test_a_file_of_labels_is_for_the_tasks_that_it_covers(folder, tmp_path):
    text = (folder / "vrp_by_file.yaml").read_text().replace("vrp_by_file", "vrp_elsewhere")
    (folder / "vrp_elsewhere.yaml").write_text(text.replace("group: image_id", "group: kind"))
    asked = pq.read_table(folder / "questions.parquet", columns=["image_id", "question"])
    rows = [
        {"image": row["image_id"], "text": row["question"], "label": "yes"}
        for row in asked.to_pylist()
    ]
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(rows))
    arguments = f",label=repope,labels={file}"
    evaluate(folder, ["vrp_by_file", "vrp_elsewhere"], tmp_path, arguments=arguments, limit=8)
    manifest, _ = read(tmp_path)
    assert manifest["tasks"]["vrp_by_file"]["labels"]["used"] == "repope"
    assert manifest["tasks"]["vrp_elsewhere"]["labels"]["used"] == "stock"
    with pytest.raises(SetupError, match="no question of vrp_elsewhere is in it"):
        evaluate(folder, ["vrp_elsewhere"], arguments=arguments, limit=8)
