"""Writes the tables of docs/*.md that list what is declared in `vrp_tasks` and `metrics`.

Each stands between two comments of its page: <!-- interventions:start --> … <!-- interventions:end
-->. So none can go stale. python docs/build_tables.py [--check]
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

import yaml

from metrics.card.statistics import STATISTICS
from metrics.signals import SIGNALS
from vrp_tasks.access import LEVELS
from vrp_tasks.capture.settings import CaptureSettings
from vrp_tasks.families import FAMILIES
from vrp_tasks.families.adapters import adapters_of
from vrp_tasks.interventions.kinds import INTERVENTIONS
from vrp_tasks.interventions.settings import PRESETS, SweepSettings
from vrp_tasks.registration import TASKS_FOLDER
from vrp_tasks.settings.options import RunOptions
from vrp_tasks.settings.run_settings import CAPTURE, RunSettings

FOLDER = Path(__file__).parent
ABOUT = ("data", "questions", "label", "group", "kind")  # what a task's YAML says of it


def interventions() -> str:
    """What a sweep can do."""
    return _table(
        ["intervention", "what", "choice, and its control"],
        ([f"`{own.name}`", own.does, own.chosen] for own in INTERVENTIONS.values()),
    )


def sweep_settings() -> str:
    """Every setting of a sweep, and its values in each preset."""
    names = [field.name for field in fields(SweepSettings)]
    presets = {name: SweepSettings.of({"doses": name}) for name in PRESETS}
    words = _attributes(SweepSettings.__mro__[1])
    return _table(
        ["key", "what", *(f"`doses: {name}`" for name in presets)],
        (
            [f"`{name}`", words[name], *(_shown(getattr(own, name)) for own in presets.values())]
            for name in names
        ),
    )


def further_signals() -> str:
    """Signals by what they say of themselves, but for those that the page defines above."""
    above = (FOLDER / "signals.md").read_text("utf-8").split("<!-- further-signals:start -->")[0]
    rows = [
        [f"`{own.name}`", own.about, own.family] for own in SIGNALS if f"`{own.name}`" not in above
    ]
    return _table(["signal", "definition", "family"], rows) if rows else ""


def detectors() -> str:
    """Every signal with what it needs, what it costs and where it comes from."""
    return _table(
        ["detector", "shown as", "box", "class", "channels", "source"],
        (
            [
                *(f"`{own.name}`", own.label, own.box, str(own.cost_class)),
                ", ".join(f"`{channel.name}`" for channel in own.needs) or "–",
                own.source + ("" if own.access == "deployable" else f" ({own.access})"),
            ]
            for own in SIGNALS
        ),
    )


def statistics() -> str:
    """What is computed of every signal."""
    return _table(
        ["key", "column", "what", "better is", "release gate"],
        (
            [
                *(f"`{own.key}`", own.label, own.about),
                "lower" if own.lower_is_better else "higher",
                f"`{own.key}.<signal>`" if own.gate else "",
            ]
            for own in STATISTICS
        ),
    )


def families() -> str:
    """Which checkpoints can be looked into."""
    return _table(
        ["`model_type`", "family", "`--model`", "decoders tested", "ablated layer (papers)"],
        (
            [
                *(f"`{name}`", _first_line(type(own))),
                ", ".join(f"`{adapter}`" for adapter in adapters_of(name)),
                ", ".join(f"`{text}`" for text in own.text_types),
                "–" if own.published_layer is None else "{} of {}".format(*own.published_layer),
            ]
            for name, own in FAMILIES.items()
        ),
    )


def levels() -> str:
    """How a model can be looked into, what sees most first."""
    return _table(
        ["`access`", "what is seen", "which models", "companions"],
        (
            [
                *(f"`{own.level}`", _first_line(own)),
                own.serves,
                ", ".join(f"`{name}`" for name in sorted(own.companions)),
            ]
            for own in LEVELS
        ),
    )


def run_settings() -> str:
    """What is taken out of the model arguments before the model sees them."""
    rows = []
    for kind, names in (
        (CaptureSettings, CAPTURE),
        (RunOptions, {field.name: field.name for field in fields(RunOptions)}),
        (RunSettings, {name: name for name in ("hidden_dtype", "probe", "access", "max_failed")}),
    ):
        words, defaults = _attributes(kind), {f.name: f.default for f in fields(kind)}
        rows += [
            [f"`{argument}`", _shown(defaults[name]), words[name]]
            for argument, name in names.items()
        ]
    return _table(["model argument", "default", "what"], rows)


def tasks() -> str:
    """Tasks whose YAML says what they are about."""
    rows = []
    for folder in ("published", "coco"):
        for path in sorted((TASKS_FOLDER / folder).glob("*.yaml")):
            task = yaml.load(path.read_text("utf-8"), _TaskLoader)
            about = task.get("metadata", {}).get("about")
            if about is not None:
                base = task["metadata"]["vrp"].get("base")
                rows.append(
                    [f"`{path.stem}`", f"`{base}`" if base else "–", *(about[k] for k in ABOUT)]
                )
    head = ["task", "base task", "data set on the hub, split", "questions", "label"]
    return _table([*head, "group (image)", "kind"], rows)


class _TaskLoader(yaml.SafeLoader):
    """Reads a task's file without importing the functions that it names."""


_TaskLoader.add_constructor("!function", lambda _loader, node: node.value)

TABLES: dict[str, dict[str, Callable[[], str]]] = {
    "robustness.md": {"interventions": interventions, "sweep-settings": sweep_settings},
    "signals.md": {"further-signals": further_signals, "statistics": statistics},
    "detectors.md": {"detectors": detectors},
    "tasks.md": {"tasks": tasks},
    "access.md": {"levels": levels, "families": families, "run-settings": run_settings},
}


def page(name: str) -> str:
    """A page, its tables as they would be written."""
    text = (FOLDER / name).read_text("utf-8")
    for mark, table in TABLES[name].items():
        start, end = f"<!-- {mark}:start -->\n", f"<!-- {mark}:end -->"
        before, rest = text.split(start)
        _, after = rest.split(end)
        text = f"{before}{start}{table()}{end}{after}"
    return text


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").split("\n")[0].replace("``", "`").rstrip(".")


def _attributes(kind: type) -> dict[str, str]:
    """Name -> words, from the Attributes of a docstring; names may share theirs."""
    doc = inspect.getdoc(kind) or ""
    section = doc.split("Attributes\n----------\n")[1]
    found = {}
    for names, words in re.findall(r"^(\S.*?) : .*\n((?:    .*\n?)+)", section, re.M):
        text = " ".join(words.split()).replace("``", "`").rstrip(".")
        found |= dict.fromkeys(names.split(", "), text)
    return found


def _shown(value: object) -> str:
    if value is None or value == ():
        return "–"
    if isinstance(value, tuple):
        return ", ".join(f"`{v}`" if isinstance(v, str) else str(v) for v in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main(arguments: list[str]) -> int:
    """Write the pages, or say whether they are what would be written."""
    pages = {FOLDER / name: page(name) for name in TABLES}
    if "--check" in arguments:
        return int(any(path.read_text("utf-8") != text for path, text in pages.items()))
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
