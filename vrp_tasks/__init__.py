"""Reliability probing for vision-language models, inside lmms-eval.

Importing this package registers our tasks with any `TaskManager` made afterwards. It stays light:
no torch, no transformers, no lmms-eval.
"""

from vrp_tasks.own_packages import make_importable

make_importable()  # before any module that imports our other packages

from vrp_tasks.registration import install_hooks  # noqa: E402

install_hooks()

__all__: list[str] = []
