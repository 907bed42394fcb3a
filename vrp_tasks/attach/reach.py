"""Whether a task's data set can be had, asked before a model is loaded.

lmms-eval asks after that, five times, and prints a traceback that ends in ``RetryError``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from vrp_tasks.errors import SetupError

_FORMATS = ("json", "csv", "parquet", "text", "arrow", "pandas")  # files beside the YAML
# keys that lmms-eval takes for itself
_OF_LMMS_EVAL = (
    *("cache_dir", "create_link", "force_download", "force_unzip", "load_from_disk"),
    *("local_files_only", "max_retries", "num_proc"),
)


def check_task_data(task: str, config: Mapping[str, Any]) -> Collection[str] | None:
    """See that the data set of a task's configuration can be loaded; its columns, if it says them.

    Raises
    ------
    SetupError
        Naming task, data set, reason and what to do.
    """
    path, options = config.get("dataset_path"), dict(config.get("dataset_kwargs") or {})
    if not path or "builder_script" in options:
        return None
    if options.get("load_from_disk"):
        if not Path(path).is_dir():
            raise SetupError(f"task {task}: its data set {path} is no folder. Check the path.")
        return None
    options = {key: value for key, value in options.items() if key not in _OF_LMMS_EVAL}
    return check_data(task, path, config.get("dataset_name"), **options)


def check_data(
    task: str, path: str, name: str | None = None, **options: Any
) -> Collection[str] | None:
    """See that one configuration of a data set can be loaded; its columns, if it says them.

    Parameters
    ----------
    task : str
        Whose it is, for the message.
    path, name
        On the hub, or a folder; and its configuration.
    **options
        Of ``datasets.load_dataset``.

    Raises
    ------
    SetupError
        Naming task, data set, reason and what to do.
    """
    import datasets
    from lmms_eval.api.task import _resolve_hf_datasets_cache_dir

    cache = _resolve_hf_datasets_cache_dir()
    try:
        builder = datasets.load_dataset_builder(path, name, cache_dir=cache, **options)
    except Exception as error:  # of datasets, huggingface_hub, its HTTP library or the network
        shown = f"{path} ({name})" if name else path
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SetupError(
            f"task {task}: its data set {shown} cannot be loaded: {reason}. "
            f"{_advice(error, path, cache)}"
        ) from error
    found: Collection[str] | None = builder.info.features
    return found


def _advice(error: Exception, path: str, cache: str) -> str:
    from huggingface_hub.errors import LocalTokenNotFoundError

    if path in _FORMATS:
        return "Check data_files in its dataset_kwargs."
    if isinstance(error, LocalTokenNotFoundError):
        return "Log in once with `hf auth login`, or set HF_TOKEN."
    return (
        "Check network, HF_HUB_OFFLINE and HF_TOKEN; without network it must have been loaded "
        f"before, into {cache}."
    )
