// What is out of view has an estimated height until a frame shows it, so a jump is repeated until it has landed.
const STEADY = 10;

function settle(target, frames, steady) {
  const before = scrollY;
  target.scrollIntoView();
  const now = Math.abs(scrollY - before) < 1 ? steady + 1 : 0;
  if (frames > 0 && now < STEADY) requestAnimationFrame(() => settle(target, frames - 1, now));
}

function land() {
  const target = document.getElementById(location.hash.slice(1));
  if (!target) return;
  for (let around = target.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
  settle(target, 60, 0);
}

// On a phone what to do comes first, of every model; why is a tap away.
if (matchMedia("(max-width: 34rem)").matches) for (const one of document.querySelectorAll(".why")) one.open = false;

addEventListener("hashchange", land);
addEventListener("load", land);

// Paper shows what stands open, and every signal: runs and their answers would be hundreds of pages.
let opened = [];

addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details.more:not([open])")];
  for (const one of opened) one.open = true;
});
addEventListener("afterprint", () => {
  for (const one of opened) one.open = false;
});
