"""Reliability probing for vision-language models, inside lmms-eval.

Importing this package registers our tasks with any `TaskManager` made afterwards. It stays light:
no torch, no transformers, no lmms-eval.
"""

from vrp_tasks.registration import install_hooks

install_hooks()

__all__: list[str] = []
