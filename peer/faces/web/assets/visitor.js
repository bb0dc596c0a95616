// Keeps the page of a visit up to date: takes news from the stream, sends forms without loading the page, calls at one's turn.
"use strict";

const main = find("main");
let since = told.live;
let stream = null;
let unread = 0;
// Whether it is told what was not sent before the end.
let isNamed = false;
// What is typed in each field and not taken yet. A field may be absent for a while: the page of another stage has none.
const drafts = new Drafts(`typed ${told.visit}`);
const areas = () => main.querySelectorAll("textarea");

const put = (id, html) => { const at = find(id); if (at && at.innerHTML !== html) at.innerHTML = html; };

function localTimes() {
  for (const time of document.querySelectorAll("time:not([data-local])")) {
    time.dataset.local = "";
    time.textContent = new Date(time.dateTime).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  }
}

// What was described and not sent is said, once that is possible.
function putBack() {
  if (find("text") && drafts.of("about")) {
    drafts.keep("text", [drafts.of("text"), drafts.of("about")].filter(Boolean).join("\n"));
    drafts.keep("about", "");
  }
  drafts.fill(areas());
}

function exchange(html, actions, stage) {
  drafts.note(areas());
  main.innerHTML = html;
  put("actions", actions);
  putBack();
  const isCalled = stage === "talking" && document.body.className !== "talking";
  document.body.className = stage;
  const next = find("text") || main.querySelector("h1");
  if (next.tagName === "H1") next.tabIndex = -1;
  next.focus();
  toEnd();
  offerAlert();
  if (isCalled) call(told.turn);
}

function heard(line) {
  if (!line.classList.contains("theirs") || !document.hidden) return;
  unread += 1;
  call(told.news.replace("{operator}", () => line.querySelector(".who").textContent));
}

// Nothing can be said any more: names what was not, and shows that until the page is left.
function over() {
  stream.close();
  const left = [...outbox.close(), ...drafts.close()];
  if (left.length) warn(told.lost.replace("{text}", () => left.join(" / ")));
  isNamed = isNamed || left.length > 0;
}

// The visit is not there any more.
function gone() {
  over();
  if (!isNamed) location.reload();
}

// The visit is over, or not there any more. The stream tells which of the two, and brings the last lines.
function ended() {
  if (stream.readyState === EventSource.CLOSED) gone();
}

function news(event) {
  const piece = JSON.parse(event.data);
  if (piece.gone) { gone(); return; }
  if (piece.elsewhere) { stream.close(); warn(told.elsewhere); return; }
  const isOther = event.lastEventId.split("-")[0] !== since.split("-")[0];
  since = event.lastEventId;
  unwarn(told.offline, told.failed);
  if (piece.main !== undefined) exchange(piece.main, piece.actions, piece.stage);
  else {
    put("status", piece.status);
    put("notes", piece.notes);
    if (find("log")) addLines(find("log"), piece.lines, heard);
  }
  if (isOther) outbox.again(); else outbox.show();
  outbox.flush();
  document.title = (unread ? `(${unread}) ` : "") + piece.title;
  localTimes();
  if (piece.stage === "over") over();
}

function connect() {
  stream = new EventSource(`events?since=${since}`);
  stream.onmessage = news;
  stream.onopen = () => { unwarn(told.offline); outbox.flush(); };
  stream.onerror = () => {
    warn(told.offline);
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  };
}

// --- calling the visitor

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

// --- what is said

const post = (action, body) => fetch(action, { method: "POST", body, headers: { accept: "application/json" } });

const outbox = new Outbox(`unsent ${told.visit}`, {
  isKept: true,
  log: () => find("log"),
  canPost: () => Boolean(find("composer")),
  post: async (line) => {
    let answer;
    try { answer = await post("say", new URLSearchParams({ text: line.text, key: line.key })); } catch { return false; }
    if (answer.ok) return true;
    if (answer.status === 410) { ended(); return false; }
    if (answer.status === 429 || answer.status >= 500) return false;
    throw new Refused(line, await answer.text());
  },
  refused: (line, why) => {
    warn(why);
    const area = find("text");
    if (area && !area.value) area.value = line.text;
  },
});

// --- forms

// Forget a draft that the desk has taken. The page may have changed its stage since it was sent.
function taken(id, text) {
  if (drafts.of(id) === text) drafts.keep(id, "");
  const area = find(id) || find("text");
  if (!area) return;
  if (area.id === "about") area.defaultValue = text;
  else if (area.value === text) area.value = "";
  drafts.note(areas());
}

function say(form) {
  const area = form.querySelector("textarea");
  if (!area.value.trim()) return;
  if (stream && stream.readyState === EventSource.OPEN) warn("");
  outbox.add(area.value);
  area.value = "";
  drafts.note(areas());
  area.focus();
  toEnd();
}

async function send(form) {
  const area = form.querySelector("textarea");
  const text = area ? area.value : "";
  const button = form.querySelector("button");
  const body = new URLSearchParams(new FormData(form));
  button.disabled = true;
  if (form.id === "describe") find("about-saved").hidden = true;
  try {
    const answer = await post(form.action, body);
    if (answer.status === 410) { ended(); return; }
    if (!answer.ok) { warn(await answer.text()); return; }
    warn("");
    if (form.id === "describe") {
      taken("about", text);
      if (find("about-saved")) find("about-saved").hidden = false;
    }
  } catch {
    warn(told.failed);
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.closest(".changing")) { event.preventDefault(); change(form); return; }
  const isSaid = form.id === "composer";
  if (!isSaid && form.id !== "describe" && form.getAttribute("action") !== "pause") return;
  event.preventDefault();
  if (isSaid) say(form); else send(form);
});
document.addEventListener("click", (event) => { if (event.target.id === "alert") alertWanted(); else wakeSound(); });
window.addEventListener("resize", toEnd);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) { unread = 0; document.title = document.title.replace(/^\(\d+\) /, ""); }
});

document.addEventListener("input", (event) => { if (event.target.matches("textarea")) drafts.note(areas()); });

putBack();
offerAlert();
localTimes();
outbox.again();
toEnd();
if (since) connect();
