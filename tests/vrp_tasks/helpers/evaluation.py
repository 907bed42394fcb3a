"""The shipped models through lmms-eval, as its command line runs them."""

import json
from argparse import Namespace
from pathlib import Path

import pyarrow.parquet as pq

from metrics.record.columns import of_task
from metrics.record.records import SampleRecord
from vrp_tasks.registration import TASKS_FOLDER

CHECKPOINTS = Path(__file__).parents[3] / "vrp_tasks" / "tiny" / "checkpoints"
MODELS = {
    "llava_hf": "vrp-tiny-llava",
    "paligemma": "vrp-tiny-paligemma",
    "qwen2_vl": "vrp-tiny-qwen2-vl",
}

# the same questions in a task that is not ours
PLAIN_TASK = """
task: plain_shapes
dataset_path: json
dataset_kwargs: {data_files: {test: seed.json}}
process_docs: !function vrp_tasks.tasks.shapes.docs.all_kinds
test_split: test
output_type: generate_until
doc_to_visual: !function vrp_tasks.tasks.shapes.docs.doc_to_visual
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {max_new_tokens: 8, temperature: 0, top_p: 1.0, num_beams: 1, do_sample: false}
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
metadata: {version: 1.0}
"""


def write_plain_task(folder):
    """A task of the same questions as ``vrp_shapes`` that is not ours, in a folder."""
    (folder / "plain_shapes.yaml").write_text(PLAIN_TASK)
    (folder / "seed.json").write_text('[{"id": "seed"}]\n')
    return folder


def command_line(output):
    """A command line that names an output folder, if one is given.

    DEBUG hands errors on as they are.
    """
    if output is None:
        return None
    return Namespace(output_path=str(output), process_with_media=False, verbosity="DEBUG")


def evaluate(model, tasks, include, *, limit=16, output=None, lm=None, **options):
    import lmms_eval.evaluator as evaluator
    from lmms_eval.tasks import TaskManager

    folders = list(map(str, include if isinstance(include, list) else [include]))
    arguments = f"pretrained={CHECKPOINTS / MODELS[model]}"
    if "arguments" in options:
        arguments += f",{options.pop('arguments')}"
    return evaluator.simple_evaluate(
        model=lm or model,
        model_args=arguments,
        tasks=tasks,
        limit=limit,
        batch_size=options.pop("batch_size", 1),
        bootstrap_iters=0,
        task_manager=TaskManager(include_path=folders, include_defaults=False),
        cli_args=command_line(output),
        **options,
    )


def run_ours(model, output, **options):
    results = evaluate(model, ["vrp_shapes"], TASKS_FOLDER, output=output, **options)
    folders = sorted(Path(output).glob("*/*_vrp/manifest.json"))
    assert len(folders) == 1
    return results, read(folders[0].parent)


def read(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    return folder, manifest, records_of(folder, manifest)


def records_of(folder, manifest):
    """With the signals of their own task alone: a file of several tasks has the columns of all."""
    left_out = {task: of_task(manifest["not_offered"], task) for task in manifest["tasks"]}
    rows = pq.read_table(folder / "records.parquet").to_pylist()
    return [SampleRecord.from_row(row, not_offered=left_out[row["task"]]) for row in rows]


def stock_adapter(model):
    if model == "paligemma":
        from vrp_tasks.adapters.paligemma import PaliGemma as stock
    elif model == "qwen2_vl":
        from lmms_eval.models.simple.qwen2_vl import Qwen2_VL as stock
    else:
        from lmms_eval.models.chat.llava_hf import LlavaHf as stock
    return stock
