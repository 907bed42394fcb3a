"""A task as lmms-eval ships them, on a parquet file in a folder: nothing in it knows of us."""

from datasets import Dataset, Features, Image, Value
from PIL import Image as Pictures

from vrp_tasks.tiny.world import draw_scene
from vrp_tasks.tiny.world.dataset import questions_about

SCORER = """
def process_results(doc, results):
    answer = results[0].lower().rstrip(".")
    right = answer == doc["answer"]
    whole = {"id": doc["question_id"], "score": float(right), "kind": doc["kind"]}
    return {
        "my_accuracy": whole,
        f"my_{doc['kind']}": whole,
        "length": len(answer),
        "accuracy": {"answer": answer},
        "submission": {"answer": answer},
    }


def share_of_words(items):
    return sum(item["answer"].isalpha() for item in items) / len(items)


def mean_score(items):
    return sum(item["score"] for item in items) / len(items)


def doc_to_visual(doc):
    return [doc["image"].convert("RGB")]
"""
BASE = """
task: {name}
dataset_path: parquet
dataset_kwargs: {{data_files: {{test: questions.parquet}}}}
test_split: test
output_type: generate_until
doc_to_visual: !function scorer.doc_to_visual
doc_to_text: "{{{{question}}}}"
doc_to_target: "answer"
generation_kwargs: {{max_new_tokens: 8, temperature: 0, top_p: 1.0, num_beams: 1, do_sample: false}}
metadata: [version: 3.0]
"""
FUNCTION = """
process_results: !function scorer.process_results
metric_list:
  - {metric: my_accuracy, aggregation: !function scorer.mean_score, higher_is_better: true}
  - {metric: my_counting, aggregation: !function scorer.mean_score, higher_is_better: true}
  - {metric: length, aggregation: mean, higher_is_better: true}
  - {metric: accuracy, aggregation: !function scorer.share_of_words, higher_is_better: true}
"""
REGISTERED = """
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}
"""
ATTACHED = """
task: vrp_by_file
metadata:
  version: 1.5
  vrp:
    base: local_function
    score: my_accuracy
    field: score
    kind: kind
    group: image_id
    parser: yes_no
"""


def write_local_tasks(folder, *, n_scenes=4):
    """Questions about a few scenes, two base tasks on them, and one attached by a YAML."""
    rows = [
        {
            "question_id": f"{seed}-{number}",
            "image_id": f"scene {seed}",
            "kind": question.kind,
            "question": question.text,
            "answer": question.answer,
            "image": Pictures.fromarray(draw_scene(seed).image),
        }
        for seed in range(n_scenes)
        for number, question in enumerate(questions_about(draw_scene(seed), seed)[:6])
    ]
    text = dict.fromkeys(("question_id", "image_id", "kind", "question", "answer"), Value("string"))
    table = Dataset.from_list(rows, features=Features({**text, "image": Image()}))
    table.to_parquet(folder / "questions.parquet")
    (folder / "scorer.py").write_text(SCORER)
    (folder / "local_function.yaml").write_text(BASE.format(name="local_function") + FUNCTION)
    (folder / "local_plain.yaml").write_text(BASE.format(name="local_plain") + REGISTERED)
    (folder / "vrp_by_file.yaml").write_text(ATTACHED)
    return rows
