"""What goes wrong in this package.

::

    ValueError                  a bad argument: the caller is at fault
    └── UndefinedMetricError    legal input for which no such number exists
    RecordError (ValueError)    a run folder or record that does not follow the format

Undefined is undefined: callers store ``None`` and the message, never a default.
"""


class UndefinedMetricError(ValueError):
    """The input is legal, but the quantity does not exist for it (one class only, a constant …).

    The message is a short clause without the function's name, fit to be stored as the reason
    beside a missing value.
    """


class RecordError(ValueError):
    """A record or manifest breaks the format; the message names the field and what it holds."""
