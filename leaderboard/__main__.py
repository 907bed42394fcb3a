"""``python -m leaderboard``."""

import sys

try:
    from leaderboard.cli import main
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] != "metrics":
        raise
    found = getattr(sys.modules.get("metrics"), "__file__", None)
    sys.stderr.write(
        f"leaderboard: `import metrics` finds {found} instead of our package. Start it as "
        "vrp-leaderboard, which runs in any folder.\n"
    )
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(main())
