"""Write `docs/families.md` anew."""

from tests.vrp_tasks.helpers.zoo import table

if __name__ == "__main__":
    table.FILE.write_text(table.document(), "utf-8")
