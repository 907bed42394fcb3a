"""What goes wrong in this package.

::

    SetupError (ValueError)      the user can fix it: shown as one line, without a traceback
    CaptureError (RuntimeError)  what was captured is not what the model computed; the run stops
    SampleError (ValueError)     one sample lacks something: its message is the reason kept with it
    ├── UnmappedError            a region that the image's grid cannot be compared with
    └── UnalignedError           words of the question that are not found among its tokens
    ReplyError (RuntimeError)    a server's reply is no chat completion; the request is tried again
    └── NoTextError              a sample without a text: asking again would bring the same
"""


class SetupError(ValueError):
    """A wrong path, model, task or setting; the message says what was wrong, where, what to do."""


class CaptureError(RuntimeError):
    """An internal check of the capture failed; nothing is recorded rather than something wrong."""


class SampleError(ValueError):
    """One sample lacks something; the message is the reason. It never ends a run."""


class UnmappedError(SampleError):
    """A region that cannot be used; the message is the reason."""


class UnalignedError(SampleError):
    """The words to look from cannot be found; the message is the reason."""


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
