// Keeps the operator's page up to date: takes news from the stream, sends forms without loading the page, calls at a new visitor.
"use strict";

const shown = {};
// Whether the stream is open: then the program that this page came from has the port.
let isLive = false;
let isOver = false;
const AWAY = "The program on this machine does not answer. Is ChatApp web running?";
const NOT_DONE = "This was not done: the program on this machine does not answer.";
let visit = 0;
let drafts = null;
const areas = () => document.querySelectorAll("textarea");
let hasBegun = false;
let stream = null;

// A part is replaced as a whole; what is open, typed or focused in it stays so.
function put(id, html, isSameVisitor) {
  const at = find(id);
  if (shown[id] === html) return;
  shown[id] = html;
  const open = new Set([...at.querySelectorAll("details[open]")].map((one) => one.dataset.key));
  const typed = isSameVisitor ? [...at.querySelectorAll("textarea, input[type=text], select")].map((one) => [one.id, one.value, one.defaultValue || ""]) : [];
  const focused = at.contains(document.activeElement) ? document.activeElement.id : "";
  at.innerHTML = html;
  for (const one of at.querySelectorAll("details")) if (open.has(one.dataset.key)) one.open = true;
  for (const [name, value, before] of typed) { const one = find(name); if (one && value !== before) one.value = value; }
  if (focused && find(focused)) find(focused).focus();
}

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

function news(event) {
  const piece = JSON.parse(event.data);
  if (piece.locked) { stream.close(); location.reload(); return; }
  if (piece.bye) { over(); return; }
  warn("");
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

// Closed at the first error: a browser that opens the stream again by itself hands the cookie and the secret address to
// whoever has the port by then.
function connect() {
  for (const id of Object.keys(shown)) delete shown[id];
  stream = new EventSource("events");
  stream.onmessage = news;
  stream.onopen = () => { isLive = true; warn(""); outbox.flush(); };
  stream.onerror = () => {
    stream.close();
    isLive = false;
    warn(AWAY);
    setTimeout(look, 1000);
  };
}

function over() {
  stream.close();
  isLive = false;
  isOver = true;
  const left = outbox.close();
  warn([told.over, ...left.map((text) => told.lost.replace("{text}", () => text))].join(" "));
}

const bytes = (hex) => Uint8Array.from(hex.match(/../g) || [], (digits) => parseInt(digits, 16));

// Asks whoever has the port to prove that it is the program of this page. Neither the cookie nor the address is sent.
async function isProved() {
  const nonce = crypto.randomUUID();
  const asked = { credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store", redirect: "error" };
  const answer = await fetch(`/proof?nonce=${nonce}`, { ...asked, signal: AbortSignal.timeout(5000) });
  const proof = bytes((await answer.text()).slice(0, 64));
  const key = await crypto.subtle.importKey("raw", bytes(told.key), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  return crypto.subtle.verify("HMAC", key, proof, new TextEncoder().encode(nonce));
}

async function look() {
  try {
    if (await isProved()) connect(); else over();
  } catch {
    setTimeout(look, 3000);
  }
}

// --- what is said

const post = (action, body) => fetch(action, { method: "POST", body, headers: { accept: "application/json" } });

const outbox = new Outbox(`unsent ${location.pathname}`, {
  isKept: false,
  log: () => (visit ? find("scroll") : null),
  canPost: () => isLive,
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
  if (isOver) { warn(told.over); return; }
  if (form.id === "composer") { say(form); return; }
  if (!isLive) { warn(NOT_DONE); return; }
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
connect();
