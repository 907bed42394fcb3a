"""What goes wrong in this package: each is one line on the command line, exit code 2.

::

    metrics.errors.RecordError      a run folder or record that does not follow the format
    LeaderboardError (ValueError)
    ├── IncomparableError           two runs that did not do the same thing
    ├── ToleranceError              a tolerance file that cannot be used
    ├── PolicyError                 a policy that cannot be used, or cannot be made of a run
    ├── OutsideError                another model that cannot be asked
    ├── TargetError                 a folder that may not be written to
    └── CodecError                  what the cache cannot store, or holds of another type
"""


class LeaderboardError(ValueError):
    """What the user gave cannot be used; the message says what, where, and what to do."""


class IncomparableError(LeaderboardError):
    """The two runs did not do the same thing; the message says in what they differ."""


class ToleranceError(LeaderboardError):
    """A tolerance file that cannot be used; the message names the key."""


class PolicyError(LeaderboardError):
    """A policy that cannot be used, or made of this run; the message says what is in the way."""


class OutsideError(LeaderboardError):
    """Another model cannot compare answers; the message is what it said, or what is needed."""


class TargetError(LeaderboardError):
    """A folder that may not be written to; the message says why."""


class CodecError(LeaderboardError):
    """A type that cannot be stored, or stored data that is not of the type."""
