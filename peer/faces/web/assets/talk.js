// What the pages of a talk have in common: small helpers, sounds, menus, keys, and what was typed and is not stored yet.
"use strict";

const find = (id) => document.getElementById(id);
const banner = find("banner");
const told = find("main").dataset;
const warn = (text) => { banner.textContent = text; banner.hidden = !text; };
// Takes a warning back that is not true any more, and no other one: it may not be read yet.
const unwarn = (...texts) => { if (texts.includes(banner.textContent)) warn(""); };
let sound = null;

function element(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

// Brings an element to what another one is. What is the same in both stays, with its focus: a button beside a bar that grows can be
// clicked. Returns the element that is in the page afterwards.
function renew(one, made) {
  if (one.isEqualNode(made)) return one;
  const isAlike = one.nodeType === Node.ELEMENT_NODE && one.nodeName === made.nodeName && one.childNodes.length === made.childNodes.length;
  if (!isAlike) { one.replaceWith(made); return made; }
  for (const { name } of [...one.attributes]) if (!made.hasAttribute(name)) one.removeAttribute(name);
  for (const { name, value } of made.attributes) if (one.getAttribute(name) !== value) one.setAttribute(name, value);
  const children = [...made.childNodes];
  [...one.childNodes].forEach((child, place) => renew(child, children[place]));
  return one;
}

function toEnd() {
  const scroll = find("scroll");
  if (scroll) scroll.scrollTop = scroll.scrollHeight;
}

// --- calling whoever sits before the page

function wakeSound() {
  if (!sound && window.AudioContext) sound = new AudioContext();
  if (sound && sound.state === "suspended") sound.resume();
}

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
  try {
    const shown = new Notification(text, { tag: "desk", icon: document.querySelector("link[rel=icon]").href });
    shown.onclick = () => { window.focus(); shown.close(); };
  } catch { /* some phones allow none */ }
}

// --- lines of the log

// Shows lines of the program, each under its id; calls `isNew` with those that were not there.
function addLines(log, lines, isNew) {
  const scroll = find("scroll");
  const isAtEnd = !scroll || scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
  for (const [id, html] of lines) {
    const line = element(html);
    const former = find(id);
    if (former) former.replaceWith(line);
    else { log.insertBefore(line, log.querySelector(".line.unsent")); isNew(line); }
  }
  if (isAtEnd) toEnd();
}

// What was typed and is not stored yet, oldest first. It stands at the end of the log as on its way, is sent again until the
// program has it, and is said once: each line has a key. It outlives a reload of the page.
class Outbox {
  // `post` sends a line, and resolves to whether it was taken; it throws a `Refused` for a line that never will be. Its second
  // argument: whether the line may have been taken before. `isKept`: one is taken before it is stored, and stays until the log shows
  // that it is. `isHere`: whether the log in view is that of the line.
  constructor(name, { log, post, canPost, refused, isKept, isHere = () => true }) {
    Object.assign(this, { name, log, post, canPost, refused, isKept, isHere });
    this.lines = JSON.parse(sessionStorage.getItem(name) || "[]");
    this.isBusy = false;
    this.retry = null;
    this.lastKey = Math.max(0, ...this.lines.map(({ key }) => Number(key)));
    // A key is the time at which a line was typed, by the clock of the program: over its restarts the line is known by it.
    this.ahead = told.now ? Number(told.now) - Date.now() : 0;
  }

  add(text, more) {
    this.lastKey = Math.max(this.lastKey + 1, (Date.now() + this.ahead) * 1000 + Math.floor(Math.random() * 1000));
    this.keep([...this.lines, { key: String(this.lastKey), text, more, at: Date.now() }]);
    this.show();
    this.flush();
  }

  keep(lines) {
    this.lines = lines;
    if (lines.length) sessionStorage.setItem(this.name, JSON.stringify(lines)); else sessionStorage.removeItem(this.name);
  }

  shownLine({ key }) {
    const log = this.log();
    return log && log.querySelector(`.line[data-key="${key}"]`);
  }

  // Forgets the lines that the program has stored, or refused.
  look() {
    const isOpen = (line) => !this.shownLine(line) || this.shownLine(line).querySelector(".mark.sending");
    if (this.isKept && this.log()) this.keep(this.lines.filter(isOpen));
  }

  // Shows the lines that the program does not show.
  show() {
    this.look();
    const log = this.log();
    if (!log || !find("composer")) return;
    for (const line of log.querySelectorAll(".line.unsent")) line.remove();
    const unsent = this.lines.filter((line) => this.isHere(line) && !this.shownLine(line));
    for (const line of unsent) log.append(unsentLine(line));
    if (unsent.length) toEnd();
  }

  // Sends what the program does not show, one after the other.
  async flush() {
    clearTimeout(this.retry);
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      for (;;) {
        const line = this.lines.find((other) => !other.isTaken && !(this.isKept && this.shownLine(other)));
        if (!line || !this.canPost(line)) break;
        const isTried = line.isTried;
        line.isTried = true;
        this.keep(this.lines);
        if (!await this.post(line, isTried)) { this.retry = setTimeout(() => this.flush(), 3000); break; }
        line.isTaken = true;
        if (!this.isKept) this.keep(this.lines.filter((other) => other !== line));
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.keep(this.lines.filter((line) => line !== error.line));
      this.show();
      this.refused(error.line, error.message);
    } finally {
      this.isBusy = false;
    }
  }

  // Another run of the program has what was stored alone.
  again() {
    for (const line of this.lines) delete line.isTaken;
    this.show();
    this.flush();
  }

  // Nothing is sent any more. Returns what was not.
  close() {
    this.look();
    const left = this.lines.map(({ text }) => text);
    this.keep([]);
    return left;
  }
}

class Refused extends Error {
  constructor(line, why) { super(why); this.line = line; }
}

function unsentLine({ key, text, at }) {
  const line = element('<div class="line mine unsent"><p class="who"></p><p class="text" dir="auto"></p><p class="when"><time></time><span class="mark sending"><span aria-hidden="true">…</span><span class="unseen"></span></span></p></div>');
  line.id = `unsent${key}`;
  line.querySelector(".who").textContent = told.you;
  line.querySelector(".text").textContent = text;
  const time = line.querySelector("time");
  time.dateTime = new Date(at).toISOString();
  time.textContent = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  line.querySelector(".mark").title = told.sending;
  line.querySelector(".unseen").textContent = told.sending;
  return line;
}

// --- changing a line of one's own

// Opens what changes a line, below it. Without the script, the link leads to a page of its own.
async function openChange(link) {
  closeChange();
  let answer;
  try { answer = await fetch(link.href, { headers: { accept: "application/json" } }); } catch { warn(told.offline || NOT_DONE); return; }
  if (!answer.ok) { warn(await answer.text()); return; }
  const box = element(await answer.text());
  link.closest(".entry, .line:not(.entry *)").after(box);
  const area = box.querySelector("textarea");
  area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
  box.scrollIntoView({ block: "nearest" });
}

function closeChange() {
  const box = document.querySelector(".changing");
  if (!box) return;
  box.remove();
  if (drafts) drafts.keep("changed", "");
  const text = find("text");
  if (text) text.focus();
}

async function change(form) {
  let answer;
  try { answer = await post(form.action, new URLSearchParams(new FormData(form))); } catch { warn(told.failed || NOT_DONE); return; }
  if (!answer.ok) { warn(await answer.text()); return; }
  warn("");
  closeChange();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.change, .changing a.cancel");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.matches(".cancel")) closeChange(); else openChange(link);
});

// --- files: chosen, dropped or pasted, one after the other

const giving = { files: [], isBusy: false };
const MOST_NAMED = 200;

function give(files) {
  const form = find("giving");
  if (!form) return;
  giving.files.push(...files);
  if (!giving.isBusy) giveNext();
}

async function giveNext() {
  const form = find("giving");
  const file = form && giving.files.shift();
  if (!file) { giving.files = []; giving.isBusy = false; if (form) form.querySelector("output").textContent = ""; return; }
  giving.isBusy = true;
  form.querySelector("output").textContent = (told.giving || "Sending {name} …").replace("{name}", () => file.name);
  const place = new URL(form.action);
  place.searchParams.set("name", file.name.slice(-MOST_NAMED));
  try {
    const answer = await fetch(place, { method: "POST", body: file, headers: { accept: "application/json", "content-type": "application/octet-stream" } });
    if (answer.ok) warn(""); else { warn(await answer.text()); giving.files = []; }
  } catch { warn(told.failed || NOT_DONE); giving.files = []; }
  giveNext();
}

// A picture from the clipboard has no name of its own.
function named(file) {
  return file.name === "image.png" ? new File([file], `picture ${new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-")}.png`, { type: file.type }) : file;
}

const carriesFiles = (event) => Boolean(find("giving")) && event.dataTransfer && event.dataTransfer.types.includes("Files");
document.addEventListener("dragover", (event) => { if (carriesFiles(event)) event.preventDefault(); });
document.addEventListener("drop", (event) => { if (carriesFiles(event)) { event.preventDefault(); give(event.dataTransfer.files); } });
document.addEventListener("paste", (event) => {
  const { files } = event.clipboardData || { files: [] };
  if (!find("giving") || !files.length) return;
  event.preventDefault();
  give([...files].map(named));
});
document.addEventListener("change", (event) => {
  if (event.target.id !== "file" || !event.target.files.length) return;
  give(event.target.files);
  event.target.value = "";
});

// What is typed in the fields of the page and not taken yet: a reload puts it back. `name`: a visit.
class Drafts {
  constructor(name) {
    this.name = name;
    this.texts = JSON.parse(sessionStorage.getItem(name) || "{}");
  }

  of(id) { return this.texts[id] || ""; }

  keep(id, text) {
    if (text) this.texts[id] = text; else delete this.texts[id];
    if (Object.keys(this.texts).length) sessionStorage.setItem(this.name, JSON.stringify(this.texts)); else sessionStorage.removeItem(this.name);
  }

  // Keeps what stands in these fields.
  note(areas) { for (const area of areas) this.keep(area.id, area.value !== area.defaultValue ? area.value : ""); }

  // Nothing can be typed any more. Returns what was.
  close() {
    const left = Object.values(this.texts);
    for (const id of Object.keys(this.texts)) this.keep(id, "");
    return left;
  }

  // Puts it back.
  fill(areas) { for (const area of areas) if (this.of(area.id)) area.value = this.of(area.id); }
}

// --- menus and keys

const popups = () => [...document.querySelectorAll("details.popup[open]")];

document.addEventListener("click", (event) => {
  for (const popup of popups()) if (!popup.contains(event.target)) popup.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && popups().length) {
    for (const popup of popups()) { popup.open = false; popup.querySelector("summary").focus(); }
    event.preventDefault();
    return;
  }
  if (event.key === "Escape" && event.target.closest(".changing")) { event.preventDefault(); closeChange(); return; }
  const isSent = event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.matches("#text, #changed");
  if (isSent) { event.preventDefault(); event.target.form.requestSubmit(); return; }
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || !event.code.startsWith("Key")) return;
  // A key belongs to the element that names it.
  const aimed = document.querySelector(`[aria-keyshortcuts="Alt+${event.code.slice(3)}"]`);
  if (!aimed) return;
  event.preventDefault();
  if (aimed.matches("textarea, select")) aimed.focus(); else aimed.click();
});
