// One tip for the whole page: pointing at a chart or a footnote mark, or focusing it, fills it.
const tip = document.getElementById("tip");
let anchor = null;  // where the tip points to, asked again when something scrolls

function say(text, where) {
  tip.textContent = text;
  tip.hidden = false;
  anchor = where;
  place();
}

function place() {
  if (tip.hidden) return;
  const { x, y } = anchor();
  const box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(4, x - box.width / 2), document.documentElement.clientWidth - box.width - 4);
  const above = y - box.height - 12;
  tip.style.left = `${left}px`;
  tip.style.top = `${above < 4 ? y + 14 : above}px`;
}

for (const svg of document.querySelectorAll("svg.chart")) {
  let series = null;  // made when first needed: a report has hundreds of charts
  let at = null;

  function points() {
    if (series === null) {
      series = [...svg.querySelectorAll("[data-tips]")].map((group) => {
        const numbers = group.querySelector(".curve").getAttribute("d").match(/-?[\d.]+/g).map(Number);
        return group.dataset.tips.split("\n").map((hint, i) => (
          { text: (group.dataset.name ?? "") + hint, group, x: numbers[2 * i], y: numbers[2 * i + 1] }));
      });
    }
    return series;
  }

  function show(line, index) {
    at = [line, index];
    const point = points()[line][index];
    const ring = svg.querySelector(".here") ??
      svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "circle"));
    ring.setAttribute("class", `here ${point.group.getAttribute("class")}`);
    ring.setAttribute("cx", point.x);
    ring.setAttribute("cy", point.y);
    ring.setAttribute("r", 6);
    say(point.text, () => new DOMPoint(point.x, point.y).matrixTransform(svg.getScreenCTM()));
  }

  function hide() {
    tip.hidden = true;
    svg.querySelector(".here")?.remove();
  }

  function nearest(line, x, y) {
    const weight = svg.dataset.nearest === "y" ? 0.01 : 1;
    const away = (p) => weight * (p.x - x) ** 2 + (p.y - y) ** 2;
    let best = [0, 0, Infinity];
    points().forEach((own, i) => own.forEach((p, j) => {
      if ((line === null || i === line) && away(p) < best[2]) best = [i, j, away(p)];
    }));
    return best;
  }

  function point(event) {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const [line, index] = nearest(null, x, y);
    show(line, index);
  }

  function step(key) {
    const [line, index] = at ?? [0, 0];
    const all = points();
    if (key === "Home") return [line, 0];
    if (key === "End") return [line, all[line].length - 1];
    if (key === "ArrowUp" || key === "ArrowDown") {
      const other = (line + (key === "ArrowDown" ? 1 : -1) + all.length) % all.length;
      return nearest(other, all[line][index].x, all[line][index].y);
    }
    const flat = all.flatMap((own, i) => own.map((_, j) => [i, j]));
    const now = flat.findIndex(([i, j]) => i === line && j === index);
    return flat[(now + (key === "ArrowRight" ? 1 : -1) + flat.length) % flat.length];
  }

  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("focus", () => {
    if (svg.matches(":focus-visible")) show(...(at ?? [0, 0]));
  });
  svg.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const [line, index] = step(event.key);
    show(line, index);
  });
}

function note(event) {
  const mark = event.target.closest?.("sup > a");
  if (!mark) return;
  const text = document.querySelector(mark.getAttribute("href")).querySelector("span").textContent;
  say(text, () => mark.getBoundingClientRect());
}

function noteEnds(event) {
  if (event.target.closest?.("sup > a")) tip.hidden = true;
}

document.addEventListener("pointerover", note);
document.addEventListener("focusin", note);
document.addEventListener("pointerout", noteEnds);
document.addEventListener("focusout", noteEnds);
document.addEventListener("scroll", place, { passive: true, capture: true });
