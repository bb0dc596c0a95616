// Keeps the page of a visit up to date: takes news from the stream, sends forms without loading the page, calls at one's turn.
"use strict";

const main = document.getElementById("main");
const banner = document.getElementById("banner");
const told = main.dataset;
let since = told.live;
let stream = null;
let sound = null;
let unread = 0;
// What is typed in each field and not taken yet. A field may be absent for a while: the page of another stage has none.
const drafts = { about: "", text: "" };
// The line that was sent last without an answer, and its key.
let sent = { text: "", key: "" };

const find = (id) => document.getElementById(id);
const put = (id, html) => { const at = find(id); if (at && at.innerHTML !== html) at.innerHTML = html; };
const warn = (text) => { banner.textContent = text; banner.hidden = !text; };

function element(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

function localTimes() {
  for (const time of document.querySelectorAll("time:not([data-local])")) {
    time.dataset.local = "";
    time.textContent = new Date(time.dateTime).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  }
}

function toEnd() {
  const scroll = find("scroll");
  if (scroll) scroll.scrollTop = scroll.scrollHeight;
}

function exchange(html, actions, stage) {
  for (const area of main.querySelectorAll("textarea")) drafts[area.id] = area.value !== area.defaultValue ? area.value : "";
  main.innerHTML = html;
  put("actions", actions);
  if (find("text") && drafts.about) {
    drafts.text = [drafts.text, drafts.about].filter(Boolean).join("\n");
    drafts.about = "";
  }
  for (const area of main.querySelectorAll("textarea")) if (drafts[area.id]) area.value = drafts[area.id];
  const isCalled = stage === "talking" && document.body.className !== "talking";
  document.body.className = stage;
  const next = find("text") || main.querySelector("h1");
  if (next.tagName === "H1") next.tabIndex = -1;
  next.focus();
  toEnd();
  offerAlert();
  if (isCalled) call(told.turn);
}

function addLines(lines) {
  const log = find("log");
  const scroll = find("scroll");
  if (!log) return;
  const isAtEnd = !scroll || scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
  for (const [id, html] of lines) {
    const line = element(html);
    const former = find(id);
    if (former) { former.replaceWith(line); continue; }
    log.append(line);
    if (line.classList.contains("theirs") && document.hidden) {
      unread += 1;
      call(told.news.replace("{operator}", line.querySelector(".who").textContent));
    }
  }
  if (isAtEnd) toEnd();
}

function news(event) {
  const piece = JSON.parse(event.data);
  if (piece.gone) { stream.close(); location.reload(); return; }
  if (piece.elsewhere) { stream.close(); warn(told.elsewhere); return; }
  since = event.lastEventId;
  warn("");
  if (piece.main !== undefined) exchange(piece.main, piece.actions, piece.stage);
  else { put("status", piece.status); put("notes", piece.notes); addLines(piece.lines); }
  document.title = (unread ? `(${unread}) ` : "") + piece.title;
  localTimes();
  if (piece.stage === "over") stream.close();
}

function connect() {
  stream = new EventSource(`events?since=${since}`);
  stream.onmessage = news;
  stream.onopen = () => warn("");
  stream.onerror = () => {
    warn(told.offline);
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  };
}

// --- calling the visitor

function beep() {
  if (!sound) return;
  for (const [at, pitch] of [[0, 660], [0.18, 880]]) {
    const tone = sound.createOscillator();
    const volume = sound.createGain();
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.12, sound.currentTime + at);
    volume.gain.exponentialRampToValueAtTime(0.001, sound.currentTime + at + 0.35);
    tone.connect(volume).connect(sound.destination);
    tone.start(sound.currentTime + at);
    tone.stop(sound.currentTime + at + 0.36);
  }
}

function call(text) {
  beep();
  if (!document.hidden || !("Notification" in window) || Notification.permission !== "granted") return;
  try { new Notification(text, { tag: "desk", icon: document.querySelector("link[rel=icon]").href }); } catch { /* some phones allow none */ }
}

function wakeSound() {
  if (!sound && window.AudioContext) sound = new AudioContext();
  if (sound && sound.state === "suspended") sound.resume();
}

function offerAlert() {
  const button = find("alert");
  if (!button) return;
  const isOn = !("Notification" in window) || Notification.permission === "granted";
  button.parentElement.hidden = Boolean(sound && isOn);
  find("alert-on").hidden = !button.parentElement.hidden;
}

async function alertWanted() {
  wakeSound();
  beep();
  if ("Notification" in window && Notification.permission === "default") await Notification.requestPermission();
  const button = find("alert");
  if (button) { button.parentElement.hidden = true; find("alert-on").hidden = false; }
}

// --- forms

// Forget a draft that the desk has taken. The page may have changed its stage since it was sent.
function taken(id, text) {
  if (drafts[id] === text) drafts[id] = "";
  const area = find(id) || find("text");
  if (!area) return;
  if (area.id === "about") area.defaultValue = text;
  else if (area.value === text) area.value = "";
}

async function send(form) {
  const area = form.querySelector("textarea");
  const text = area ? area.value : "";
  const body = new URLSearchParams(new FormData(form));
  if (form.id === "composer") {
    if (!text.trim()) return;
    // The same line under the same key is said once, however often it is sent.
    if (sent.text !== text) sent = { text, key: `${Date.now()}-${Math.random()}` };
    body.set("key", sent.key);
  }
  const button = form.querySelector("button");
  button.disabled = true;
  if (form.id === "describe") find("about-saved").hidden = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { accept: "application/json" } });
    if (answer.status === 410) { location.reload(); return; }
    if (!answer.ok) { warn(await answer.text()); return; }
    warn("");
    if (form.id === "composer") { sent = { text: "", key: "" }; taken("text", text); toEnd(); }
    if (form.id === "describe") {
      taken("about", text);
      if (find("about-saved")) find("about-saved").hidden = false;
    }
  } catch {
    warn(told.failed);
  } finally {
    button.disabled = false;
    if (form.id === "composer" && find("text")) find("text").focus();
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.id === "composer" || form.id === "describe" || form.getAttribute("action") === "pause") {
    event.preventDefault();
    send(form);
  }
});
document.addEventListener("keydown", (event) => {
  const isSent = event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.id === "text";
  if (isSent) { event.preventDefault(); event.target.form.requestSubmit(); }
});
document.addEventListener("click", (event) => { if (event.target.id === "alert") alertWanted(); else wakeSound(); });
window.addEventListener("resize", toEnd);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) { unread = 0; document.title = document.title.replace(/^\(\d+\) /, ""); }
});

offerAlert();
localTimes();
toEnd();
if (since) connect();
