// Keeps the operator's page up to date: takes news from the stream, sends forms without loading the page, calls at a new visitor.
"use strict";

const AWAY = "The program on this machine does not answer. Is ChatApp web running?";
const NOT_DONE = "This was not done: the program on this machine does not answer.";
let visit = 0;
let drafts = null;
const areas = () => document.querySelectorAll("textarea");
let hasBegun = false;

function spans() {
  for (const time of document.querySelectorAll("time.since")) {
    const minutes = Math.max(0, Math.floor((Date.now() - Date.parse(time.dateTime)) / 60000));
    const hours = Math.floor(minutes / 60);
    time.textContent = hours ? `${hours} h ${minutes % 60} min` : minutes ? `${minutes} min` : "less than a minute";
  }
}

// Shows how many seconds are left in which something can be taken back.
function countDown() {
  for (const time of document.querySelectorAll("time.until")) {
    const left = Math.max(0, Math.ceil((Date.parse(time.dateTime) - Date.now()) / 1000));
    if (time.textContent !== String(left)) time.textContent = left;
  }
}

const heard = (line) => {
  if (line.classList.contains("theirs") && document.hidden) call(line.querySelector(".who").textContent);
};

function news(piece) {
  const isSame = piece.visit === visit;
  const isNew = piece.visit && !isSame && hasBegun;
  visit = piece.visit;
  hasBegun = true;
  for (const [id, html] of Object.entries(piece.parts)) put(id, html, isSame);
  if (piece.log !== undefined) { find("scroll").innerHTML = piece.log; toEnd(); }
  if (piece.lines) addLines(find("scroll"), piece.lines, heard);
  if (!isSame || !drafts) {
    drafts = new Drafts(`typed ${visit}`);
    drafts.fill(areas());
  }
  outbox.show();
  document.title = piece.title;
  document.body.classList.toggle("serving", Boolean(visit));
  spans();
  if (isNew) { call(piece.title); const text = find("text"); if (text) text.focus(); }
}

const feed = new Feed({
  path: "events",
  news,
  began: () => { for (const id of Object.keys(shown)) delete shown[id]; },
  opened: () => outbox.flush(),
  away: AWAY,
  over,
});

function over() {
  const left = outbox.close();
  warn([told.over, ...left.map((text) => told.lost.replace("{text}", () => text))].join(" "));
}

// --- what is said

const outbox = new Outbox(`unsent ${location.pathname}`, {
  isKept: false,
  log: () => (visit ? find("scroll") : null),
  canPost: () => feed.isLive,
  post: async (line) => {
    let answer;
    try { answer = await post("do/say", new URLSearchParams({ text: line.text, key: line.key, visit: line.more })); } catch { return false; }
    if (answer.status === 403) location.reload();
    if (answer.ok || answer.status === 403) return answer.ok;
    throw new Refused(line, await answer.text());
  },
  refused: (line, why) => {
    const text = find("text");
    if (text && !text.value) text.value = line.text;
    warn(why);
  },
});

function say(form) {
  const area = find("text");
  if (!area.value.trim()) return;
  outbox.add(area.value, form.elements.visit.value);
  area.value = "";
  drafts.note(areas());
  area.focus();
  toEnd();
}

// --- forms

async function send(form) {
  if (feed.isOver) { warn(told.over); return; }
  if (form.id === "composer") { say(form); return; }
  if (!feed.isLive) { warn(NOT_DONE); return; }
  const button = form.querySelector("button");
  const area = form.querySelector("textarea, input[type=text]");
  const text = area ? area.value : "";
  button.disabled = true;
  try {
    const answer = await post(form.action, new URLSearchParams(new FormData(form)));
    if (answer.status === 403) { location.reload(); return; }
    if (!answer.ok) { warn(await answer.text()); return; }
    warn("");
    if (area && area.id !== "note" && area.value === text) area.value = "";
    if (area && drafts && drafts.of(area.id) === text) drafts.keep(area.id, "");
    const popup = form.closest("details.popup");
    if (popup) popup.open = false;
  } catch {
    warn(NOT_DONE);
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  wakeSound();
  if (event.target.closest(".changing")) { change(event.target); return; }
  if ("Notification" in window && Notification.permission === "default") Notification.requestPermission();
  send(event.target);
});
document.addEventListener("input", (event) => { if (drafts && event.target.matches("textarea")) drafts.note(areas()); });
document.addEventListener("change", (event) => {
  if (event.target.id !== "ready" || !event.target.value) return;
  const text = find("text");
  text.value = text.value.trim() ? `${text.value.trimEnd()} ${event.target.value}` : event.target.value;
  event.target.value = "";
  drafts.note(areas());
  text.focus();
});
setInterval(spans, 20000);
setInterval(countDown, 500);
feed.connect();
