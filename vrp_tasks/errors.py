"""What goes wrong in this package.

::

    SetupError (ValueError)      the user can fix it: shown as one line, without a traceback
    CaptureError (RuntimeError)  what was captured is not what the model computed; the run stops
    SampleError (ValueError)     one sample lacks something: its message is the reason kept with it
    ├── UnmappedError            a region that the image's grid cannot be compared with
    │   └── FailedRegionsError   the task's function failed on the document
    └── UnalignedError           words of the question that are not found among its tokens
    ScorerError (UndefinedMetricError)  whoever scores answers failed on one: it has no label
    FailuresError (RuntimeError) too many documents failed; what was answered is kept
    ReplyError (RuntimeError)    a server's reply is no chat completion; the request is tried again
    └── NoTextError              a sample without a text: asking again would bring the same
"""

from __future__ import annotations

from metrics.errors import UndefinedMetricError


class SetupError(ValueError):
    """A wrong path, model, task or setting; the message says what was wrong, where, what to do."""


class CaptureError(RuntimeError):
    """An internal check of the capture failed; nothing is recorded rather than something wrong."""


class SampleError(ValueError):
    """One sample lacks something; the message is the reason. It never ends a run."""


class ScorerError(UndefinedMetricError):
    """Whoever scores answers failed on this one, a judge or a function of the user's."""


class UnmappedError(SampleError):
    """A region that cannot be used; the message is the reason."""


class FailedRegionsError(UnmappedError):
    """The function that annotates regions failed on a document."""


class UnalignedError(SampleError):
    """The words to look from cannot be found; the message is the reason."""


class FailuresError(RuntimeError):
    """Too many documents failed; the message names them. What was answered is kept."""


class ReplyError(RuntimeError):
    """A reply that is no chat completion; the request is tried again like any that failed."""


class NoTextError(ReplyError):
    """A sample without a text; asking again would bring the same."""


# what reading a file of made-up content may raise
MADE_UP = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def in_short(error: BaseException) -> str:
    """What an error says, on one line that a terminal holds."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= 200 else f"{said[:200]}…"


def without_extra(error: ImportError) -> str:
    """What could not be imported, and the extra of ours that brings it."""
    absent = isinstance(error, ModuleNotFoundError) and error.name
    what = f"{error.name} is not installed" if absent else " ".join(str(error).split())
    return f"{what.removesuffix('.')}. Install what runs models: pip install 'vrp-tasks[probe]'."


class NeverError(CaptureError):
    """Something that no prompt of a model can have: not offered, rather than missing."""
