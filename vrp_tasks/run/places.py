"""Which document a request of lmms-eval is about."""

from __future__ import annotations

from typing import Any

from vrp_tasks.attach.judgement import Place


def place_of(request: Any) -> Place:
    """Task, split and document of a request, simple or chat."""
    return Place(request.args[4], request.args[5], str(request.doc_id))
