// All answers of a run stand in the file as lines, a tenth of a table's elements; they become one once it is opened.
function fill(table) {
  const lines = document.getElementById(table.id.replace(/list$/, "rows"));
  if (!lines) return;
  lines.remove();
  const [kinds, ...rows] = lines.textContent.split("\n").map((line) => line.split("\t"));
  table.tBodies[0].append(...rows.map((row) => listed(table.id.replace(/list$/, "s"), kinds, row)));
  sortable(table);
}

function listed(stem, kinds, [number, name, prompt, answer, target, right, kind, ...values]) {
  const row = document.createElement("tr");
  row.id = stem + number;
  Object.assign(row.dataset, { right, kind });
  const head = row.appendChild(document.createElement("th"));
  head.scope = "row";
  const link = head.appendChild(document.createElement("a"));
  link.href = `#${row.id}`;
  link.textContent = name;
  head.append(" ", isolated(prompt));
  for (const text of [answer, target]) row.insertCell().append(isolated(text));
  row.insertCell().textContent = { 1: "right", 0: "wrong" }[right] ?? "–";
  row.insertCell().textContent = kinds[kind];
  for (const value of values) {
    const cell = row.insertCell();
    if (value === "") cell.className = "undefined";
    else cell.dataset.sort = value;
    cell.textContent = value === "" ? "–" : Number(value).toPrecision(3).replace("-", "−");
  }
  return row;
}

function isolated(text) {
  const own = document.createElement("bdi");
  own.textContent = text;
  return own;
}

document.addEventListener("toggle", ({ target }) => {
  if (target.matches("details.all") && target.open) fill(target.querySelector("table"));
}, true);

// an answer's own link is of a row that may not be there yet; this comes before the jump to it
for (const event of ["hashchange", "load"]) addEventListener(event, () => {
  const table = document.getElementById(location.hash.slice(1).replace(/-s\d+$/, "-list"));
  if (table?.matches(".all table")) fill(table);
});

// All answers of a run: what is typed and chosen above the list is shown, all of it together.
for (const bar of document.querySelectorAll("[data-listing]")) {
  const fields = Object.fromEntries([...bar.querySelectorAll("[data-by]")].map((field) => [field.dataset.by, field]));
  const asked = (name) => (fields[name] ? fields[name].value.trim() : "");
  const count = bar.querySelector("output");
  bar.addEventListener("input", () => {
    const table = document.getElementById(bar.dataset.listing);
    fill(table);
    const rows = [...table.tBodies[0].rows];
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
