"use strict";
// What a signal is stands in the file once for each benchmark; a row of another table says it once pointed at.
const said = new Map();

document.addEventListener("pointerover", (event) => {
  const head = event.target.closest("th[scope=row]:not([title])");
  if (!head) return;
  if (said.size === 0) for (const own of document.querySelectorAll("th[scope=row][title]")) said.set(named(own), own.title);
  if (said.has(named(head))) head.title = said.get(named(head));
});

function named(head) {
  return (head.querySelector("div") ?? head).textContent.trim();
}

// Sorting keeps each block apart: deployable, oracle and control rows are never ranked together.
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const original = new Map([...table.tBodies].map((body) => [body, [...body.rows]]));
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    // figures start with the highest, text with A
    const figures = [...table.tBodies].some((body) => [...body.rows].some((row) => typeof key(row, column) === "number"));
    const turns = figures ? [null, "descending", "ascending"] : [null, "ascending", "descending"];
    button.addEventListener("click", () => {
      const next = turns[(turns.indexOf(head.getAttribute("aria-sort")) + 1) % 3];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (next !== null) head.setAttribute("aria-sort", next);
      original.forEach((rows, body) => body.append(...ordered(rows, column, next)));
    });
  });
}

// a list of answers is, once it is filled
for (const table of document.querySelectorAll("table[data-sortable]")) if (!table.matches(".all table")) sortable(table);

function ordered(rows, column, direction) {
  if (direction === null) return rows;
  const sign = direction === "ascending" ? 1 : -1;
  const heading = rows.filter((row) => row.classList.contains("block"));
  const others = rows.filter((row) => !row.classList.contains("block"));
  const known = others.filter((row) => key(row, column) !== null);
  const unknown = others.filter((row) => key(row, column) === null);
  known.sort((a, b) => sign * compare(key(a, column), key(b, column)));
  return [...heading, ...known, ...unknown];
}

function key(row, column) {
  const cell = row.cells[column];
  if (cell === undefined || cell.classList.contains("undefined") || cell.classList.contains("invalid")) return null;
  return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b));
}

for (const input of document.querySelectorAll("input[data-filter]")) {
  const table = document.getElementById(input.dataset.filter);
  const count = document.querySelector(`output[data-count="${input.dataset.filter}"]`);
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    let shown = 0;
    let all = 0;
    for (const body of table.tBodies) {
      const rows = [...body.rows].filter((row) => !row.classList.contains("block"));
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
      const left = rows.filter((row) => !row.hidden).length;
      for (const head of body.querySelectorAll("tr.block")) head.hidden = left === 0;
      shown += left;
      all += rows.length;
    }
    count.textContent = wanted === "" ? "" : `${shown} of ${all}`;
  });
}
