// All answers of a run: what is typed and chosen above the list is shown, all of it together.
for (const bar of document.querySelectorAll("[data-listing]")) {
  const fields = Object.fromEntries([...bar.querySelectorAll("[data-by]")].map((field) => [field.dataset.by, field]));
  const asked = (name) => (fields[name] ? fields[name].value.trim() : "");
  const count = bar.querySelector("output");
  bar.addEventListener("input", () => {
    const rows = [...document.getElementById(bar.dataset.listing).tBodies[0].rows];
    const text = asked("text").toLowerCase();
    const column = asked("signal") === "" ? null : 5 + Number(asked("signal"));
    const least = asked("least") === "" ? null : Number(asked("least"));
    for (const row of rows) {
      const value = column === null ? undefined : row.cells[column].dataset.sort;
      row.hidden = (text !== "" && !row.textContent.toLowerCase().includes(text))
        || (asked("right") !== "" && row.dataset.right !== asked("right"))
        || (asked("kind") !== "" && row.dataset.kind !== asked("kind"))
        || (column !== null && value === undefined)
        || (column !== null && least !== null && Number(value) < least);
    }
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  });
}
