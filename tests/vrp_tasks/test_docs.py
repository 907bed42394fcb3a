"""The documentation names what there is."""

import importlib.util
from pathlib import Path

import pytest

from metrics.signals import SIGNALS
from vrp_tasks.access import LEVELS
from vrp_tasks.families import FAMILIES
from vrp_tasks.families.adapters import STOCK
from vrp_tasks.interventions.kinds import INTERVENTIONS
from vrp_tasks.registration import ADAPTERS
from vrp_tasks.settings.run_settings import NAMES

ROOT = Path(__file__).parents[2]


def test_every_signal_is_defined():
    text = (ROOT / "docs" / "signals.md").read_text("utf-8")
    undefined = [signal.name for signal in SIGNALS if f"`{signal.name}`" not in text]
    assert undefined == []


def test_every_setting_and_adapter_is_documented():
    pages = [ROOT / "docs" / name for name in ("quickstart.md", "access.md")]
    text = "".join(page.read_text("utf-8") for page in pages)
    assert [name for name in (*ADAPTERS, *STOCK, *NAMES) if f"`{name}`" not in text] == []


def test_the_results_show_measured_tables():
    text = "".join(
        (ROOT / "docs" / name).read_text("utf-8") for name in ("results.md", "performance.md")
    )
    for name in ("demo-figures", "benchmark-table", "full-size-table"):
        between = text.split(f"<!-- {name}:start -->")[1].split(f"<!-- {name}:end -->")[0]
        assert between.count("|") > 20


def test_every_curated_task_is_documented():
    text = (ROOT / "docs" / "tasks.md").read_text("utf-8")
    folders = [ROOT / "vrp_tasks" / "tasks" / name for name in ("published", "coco")]
    names = [path.stem for folder in folders for path in folder.glob("*.yaml")]
    assert len(names) > 10
    assert [name for name in names if f"`{name}`" not in text] == []


def tables():
    spec = importlib.util.spec_from_file_location("build_tables", ROOT / "docs" / "build_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", tables().TABLES)
def test_tables_of_declarations_are_as_they_would_be_written(name):
    assert (ROOT / "docs" / name).read_text("utf-8") == tables().page(name), "run `make docs`"


def test_the_tables_name_all_that_is_declared():
    module = tables()
    for table, names in (
        (module.run_settings, NAMES),
        (module.interventions, INTERVENTIONS),
        (module.families, FAMILIES),
        (module.levels, [level.level for level in LEVELS]),
    ):
        rows = table().splitlines()[2:]
        assert sorted(row.split("`")[1] for row in rows) == sorted(names)
        assert len({row.count(" | ") for row in rows}) == 1
