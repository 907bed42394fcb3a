"""What goes wrong in this package.

::

    SetupError(ValueError)   the user can fix it: shown as one line, without a traceback
    CaptureError(RuntimeError)   what was captured is not what the model computed; the run stops
"""


class SetupError(ValueError):
    """A wrong path, model, task or setting; the message says what was wrong, where, what to do."""


class CaptureError(RuntimeError):
    """An internal check of the capture failed; nothing is recorded rather than something wrong."""
