"""Which evaluation is running: the one piece of process-wide state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vrp_tasks.errors import CaptureError

if TYPE_CHECKING:
    from vrp_tasks.run.session import Session

sessions: list[Session] = []


def active_session() -> Session:
    """The session of the evaluation that is running; CaptureError outside one."""
    if not sessions:
        raise CaptureError("vrp_* tasks only run through lmms_eval's evaluator.")
    return sessions[-1]


def session_or_none() -> Session | None:
    """The running session, or None for an evaluation without our tasks."""
    return sessions[-1] if sessions else None
