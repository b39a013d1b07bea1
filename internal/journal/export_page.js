"use strict";
// Plays a log as it came: lines that come later are hidden until then.
const lines = [...document.querySelectorAll("main [data-t]")];
const nav = document.querySelector("nav"), [play, speed, seek, clock] = ["play", "speed", "seek", "clock"].map((id) => document.getElementById(id));
const end = lines.length ? Number(lines[lines.length - 1].dataset.t) : 0;
let at = end, shown = lines.length, last = 0, running = false;
function show(t) {
  at = Math.min(Math.max(t, 0), end);
  while (shown > 0 && Number(lines[shown - 1].dataset.t) > at) lines[--shown].classList.add("later");
  while (shown < lines.length && Number(lines[shown].dataset.t) <= at) lines[shown++].classList.remove("later");
  seek.value = String(end ? (at / end) * 1000 : 1000);
  clock.textContent = `${at.toFixed(1)} / ${end.toFixed(1)} s`;
}
function step(now) {
  if (!running) return;
  show(at + ((now - last) / 1000) * Number(speed.value));
  last = now;
  if (at >= end) running = false;
  else requestAnimationFrame(step);
  if (shown > 0) lines[shown - 1].scrollIntoView({ block: "nearest" });
  play.textContent = running ? "Pause" : "Play";
}
play.addEventListener("click", () => {
  running = !running;
  if (running && at >= end) show(0);
  play.textContent = running ? "Pause" : "Play";
  last = performance.now();
  requestAnimationFrame(step);
});
seek.addEventListener("input", () => show((Number(seek.value) / 1000) * end));
if (end > 0) {
  nav.hidden = false;
  show(end);
}
