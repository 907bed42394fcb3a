"""``python -m leaderboard``."""

import sys

try:
    from leaderboard.cli import main
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] != "metrics":
        raise
    found = getattr(sys.modules.get("metrics"), "__file__", None)
    sys.exit(
        f"leaderboard: `import metrics` finds {found} instead of our package. Rename that file, or "
        "start from another folder."
    )

if __name__ == "__main__":
    sys.exit(main())
