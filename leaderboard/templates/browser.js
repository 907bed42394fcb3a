// Samples: maps are shown or hidden for all at once; arrow keys and buttons go from one to the next.
document.addEventListener("change", (event) => {
  if (!event.target.matches("input[data-map]")) return;
  for (const box of document.querySelectorAll("input[data-map]")) box.checked = event.target.checked;
});

function neighbour(example, step) {
  const all = [...example.closest(".shelf").querySelectorAll(".example")].filter((other) => !other.hidden);
  return all[all.indexOf(example) + step];
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-step]");
  if (!button) return;
  const here = button.closest(".example");
  const next = neighbour(here, Number(button.dataset.step));
  if (next === undefined) return;
  here.open = false;
  next.open = true;
  next.querySelector("summary").focus();
  next.scrollIntoView({ block: "nearest" });
});

document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined || !event.target.matches(".example > summary")) return;
  const next = neighbour(event.target.parentElement, step);
  if (next === undefined) return;
  event.preventDefault();
  next.querySelector("summary").focus();
});

for (const input of document.querySelectorAll("input[data-samples]")) {
  const examples = [...document.getElementById(input.dataset.samples).querySelectorAll(".example")];
  const count = input.closest(".filter").querySelector("output");
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    for (const example of examples) example.hidden = !example.textContent.toLowerCase().includes(wanted);
    const shown = examples.filter((example) => !example.hidden).length;
    count.textContent = wanted === "" ? "" : `${shown} of ${examples.length}`;
  });
}

// What a signal is called stands in the file once for each run; a sample's list has the names once it is opened.
document.addEventListener("toggle", ({ target }) => {
  const list = target.open ? target.querySelector(":scope > pre[data-names]") : null;
  if (!list) return;
  const names = document.getElementById(list.dataset.names).textContent.split("\n");
  delete list.dataset.names;
  const lines = list.textContent.split("\n").map((line) => line.split("\t"));
  list.textContent = lines.map(([name, value, below]) =>
    below === undefined ? `${names[name]}: ${value}` : `${value.padEnd(10)} above ${below.padStart(3)} %  ${names[name]}`).join("\n");
}, true);
