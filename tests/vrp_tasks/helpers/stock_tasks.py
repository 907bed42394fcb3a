"""Every task that lmms-eval ships and that answers questions about images, and how it attaches.

``python -m tests.vrp_tasks.helpers.stock_tasks`` writes the table beside this file, for a new
release of lmms-eval.
"""

import csv
import functools
import inspect
import sys
from pathlib import Path

from loguru import logger

TABLE = Path(__file__).with_name("stock_tasks.csv")
_IMAGE = ("image", ".convert(", "pil")


def candidates(manager):
    """Names of stock tasks with answers generated about what a document shows."""
    from lmms_eval import utils

    found = []
    for name in manager.all_subtasks:
        path = manager.task_index[name]["yaml_path"]
        if "lmms_eval/tasks/" not in str(path):
            continue
        config = utils.load_yaml_config(path, mode="simple")
        video = (config.get("dataset_kwargs") or {}).get("video")
        generates = config.get("output_type", "generate_until") == "generate_until"
        if generates and config.get("doc_to_visual") and not video:
            found.append(name)
    return found


def outcome(manager, task):
    """(how, what): `name` and the score, `none` without reference answers, `key` where a choice is
    needed, `load` where the task's own modules do not load here, `other` where no image is shown.
    """
    from vrp_tasks.attach.build import attached_config
    from vrp_tasks.errors import SetupError

    try:
        config = manager._get_config(task)
    except Exception as error:  # noqa: BLE001 - whatever their modules raise
        return "load", f"{type(error).__name__}: {str(error).splitlines()[0]}"[:100]
    if not shows_images(config["doc_to_visual"]):
        return "other", "its doc_to_visual returns video, audio or nothing"
    name, settings = f"vrp_{task}", {"base": task}
    try:
        rule = attached_config(manager, name, {"metadata": {"vrp": settings}})
    except SetupError as error:
        if "Choose one" not in str(error):
            return "other", str(error).partition(": ")[2]
        metrics = [metric["metric"] for metric in config["metric_list"]]
        chosen = settings | {"score": metrics[0], "aggregate": True}
        try:
            attached_config(manager, name, {"metadata": {"vrp": chosen}})
        except SetupError as unknown:
            return "other", str(unknown).partition(": ")[2]
        return "key", " ".join(metrics)[:100]
    rule = rule["process_results"].rule
    if not rule.labelled:
        return "none", ""
    return "name", f"{rule.keys[0]}.{rule.field}" if rule.field else rule.keys[0]


def shows_images(doc_to_visual):
    if isinstance(doc_to_visual, str):
        return True
    while isinstance(doc_to_visual, functools.partial):
        doc_to_visual = doc_to_visual.func
    source = inspect.getsource(doc_to_visual).lower()
    return any(word in source for word in _IMAGE) and "video" not in source


def survey():
    import lmms_eval.evaluator  # noqa: F401 - installs our hooks
    from lmms_eval.tasks import TaskManager

    logger.disable("lmms_eval")
    manager = TaskManager()
    found = {task: outcome(manager, task) for task in candidates(manager)}
    logger.enable("lmms_eval")
    return found


def recorded():
    with TABLE.open(newline="") as file:
        return {row["task"]: (row["how"], row["what"]) for row in csv.DictReader(file)}


if __name__ == "__main__":
    rows = [[task, *found] for task, found in sorted(survey().items())]
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["task", "how", "what"])
        writer.writerows(rows)
    sys.stdout.write(f"{TABLE}\n")
