// A person's page: takes news from the stream, sends forms without loading the page, says what is seen and typed.
"use strict";

const NOT_DONE = "This was not done: your program does not answer.";
const scroll = find("scroll");
const log = find("choose");
const text = find("text");
const composer = find("composer");
const fields = composer.elements;
let since = Number(told.version);
// What the user has just begun about a line, until the program says so too: `r12`, `e12`. Who types fast is quicker than its news.
let begun = "";
let isBack = false;
let seen = "";

const isAtEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
const entries = () => [...log.querySelectorAll(".entry")];

// --- news

// Brings a list to these elements, in this order; `changed` has the HTML of those that have changed. `prefix`: of their ids.
function place(list, prefix, keys, changed) {
  const wanted = new Set(keys.map((key) => prefix + key));
  for (const one of [...list.children]) if (one.id.startsWith(prefix) && !wanted.has(one.id)) one.remove();
  let before = null;
  for (const key of keys) {
    let one = find(prefix + key);
    if (changed[key]) {
      const made = element(changed[key]);
      const hadFocus = one && one.contains(document.activeElement);
      for (const button of made.querySelectorAll(".choose")) button.tabIndex = -1;
      one = one ? renew(one, made) : made;
      if (hadFocus && one.querySelector(".choose, a")) one.querySelector(".choose, a").focus();
    }
    if (!one) continue;
    let next = before ? before.nextElementSibling : list.firstElementChild;
    if (next && next.matches(".changing")) next = next.nextElementSibling;
    if (next !== one) list.insertBefore(one, next);
    before = one;
  }
}

function news(piece) {
  if (piece.gone) { feed.stream.close(); location.replace(`../?with=${encodeURIComponent(fields.with.value)}`); return; }
  if (piece.closed) { feed.end(told.closed); return; }
  const isOther = piece.with !== fields.with.value;
  const wasAtEnd = isOther || isAtEnd();
  const hadPanel = Boolean(find("panel").firstElementChild);
  since = piece.version;
  for (const [id, html] of Object.entries(piece.parts)) put(id, html, !isOfDesk(id) || piece.visit === visit);
  place(log, "l", piece.keys, piece.lines);
  place(find("rows"), "c-", piece.rows, piece.row);
  document.title = piece.title;
  if (isOther || piece.about === begun) begun = "";
  if (!begun) fields.about.value = piece.about;
  text.placeholder = piece.placeholder;
  if (piece.fill !== undefined) { text.value = piece.fill; text.setSelectionRange(text.value.length, text.value.length); }
  if (piece.draft && piece.draft[0] === text.value) text.value = piece.draft[1];
  if (isOther) moved(piece.with);
  deskNews(piece);
  outbox.show();
  if (piece.reveal && find(`l${piece.reveal}`)) find(`l${piece.reveal}`).scrollIntoView({ block: "center" });
  else if (wasAtEnd) toEnd();
  for (const [by, said] of piece.calls || []) if (document.hidden || !document.hasFocus()) call(`${by}: ${said}`);
  const panel = find("panel");
  document.body.classList.toggle("beside", Boolean(panel.firstElementChild));
  if (panel.firstElementChild && !hadPanel) (panel.querySelector("input[type=text]") || find("panel-title")).focus();
  lookSoon();
}

// Another conversation is open: the address says so, so that the back button leads to the one before.
function moved(to) {
  fields.with.value = to;
  document.body.classList.toggle("start", to === "start");
  document.body.classList.remove("listing");
  showChosen();
  if (!isBack) history.pushState(null, "", `?with=${encodeURIComponent(to)}`);
  isBack = false;
  if (matchMedia("(min-width: 700px)").matches && !find("panel").contains(document.activeElement)) text.focus();
}

const feed = new Feed({
  path: () => `events?since=${since}`,
  news,
  opened: () => outbox.flush(),
  away: told.away,
  over: (why) => {
    const left = outbox.close();
    warn([why || told.over, ...left.map((lost) => told.lost.replace("{text}", () => lost))].join(" "));
  },
});

// --- what is seen

// Says up to which message the log is in view, and whether somebody looks at it.
function look() {
  const end = scroll.scrollTop + scroll.clientHeight + 8;
  const last = isAtEnd() ? entries().at(-1) : entries().findLast((one) => one.offsetTop - scroll.offsetTop + one.offsetHeight <= end);
  const looking = document.visibilityState === "visible" && document.hasFocus() && !document.body.classList.contains("listing");
  const now = `${last ? last.id.slice(1) : 0} ${Number(looking)} ${fields.with.value} ${since}`;
  if (now === seen || !feed.isLive) return;
  const isSame = now.split(" ").slice(0, 3).join(" ") === seen.split(" ").slice(0, 3).join(" ");
  seen = now;
  if (isSame && !log.querySelector("#new") && !find("rows").querySelector("[aria-current].hot")) return;
  send("do/seen", { upto: last ? last.id.slice(1) : 0, looking: Number(looking) });
}

let due = null;
const soon = (does, after) => { clearTimeout(due); due = setTimeout(does, after); };
// After news, each page at another moment: a line in a room with many people is to be in all pages before each says what it saw.
let saying = null;
const lookSoon = () => { saying = saying || setTimeout(() => { saying = null; look(); }, 200 + 600 * Math.random()); };
scroll.addEventListener("scroll", () => soon(look, 150));
for (const kind of ["focus", "blur"]) window.addEventListener(kind, () => soon(look, 50));
document.addEventListener("visibilitychange", () => soon(look, 50));

// --- what is said and typed

// Kept for the page, not for its window: a line that waits is sent by the next one.
const outbox = new Outbox(`unsent ${location.pathname.split("/")[1]}`, {
  isKept: false,
  log: () => log,
  canPost: () => feed.isLive,
  isHere: ({ more }) => more.with === fields.with.value && more.visit === fields.visit.value,
  // Answered when all that the line sends is stored.
  post: async (line, isTried) => {
    const again = isTried ? { again: 1 } : {};
    let answer;
    try { answer = await post("do/say", new URLSearchParams({ text: line.text, key: line.key, ...again, ...line.more })); } catch { return false; }
    if (answer.status === 403) feed.refused();
    if (answer.ok || [403, 410, 429].includes(answer.status) || answer.status >= 500) return answer.ok;
    throw new Refused(line, await answer.text());
  },
  refused: (line, why) => {
    if (!text.value) text.value = line.text;
    warn(why);
  },
});

function say() {
  const isAsked = Boolean(document.querySelector("#asked [role=alert]"));
  if (!text.value.trim()) { if (fields.with.value.startsWith("room:") || isAsked) send("do/say", { text: "", with: fields.with.value }); return; }
  outbox.add(text.value, { with: fields.with.value, about: fields.about.value, visit: fields.visit.value });
  fields.about.value = begun = "";
  text.value = "";
  if (drafts) drafts.note(areas());
  clearTimeout(typed);  // the program knows that nothing is typed any more
  text.focus();
}

let typed = null;
text.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => send("do/typing", { text: text.value }), 250);
});

// --- forms, links and keys

async function send(action, values) {
  if (feed.isOver) { warn(told.over); return false; }
  try {
    const answer = await post(action, new URLSearchParams(values));
    if (answer.status === 403) { feed.refused(); return false; }
    if (!answer.ok) warn(await answer.text());
    return answer.ok;
  } catch {
    warn(NOT_DONE);
    return false;
  }
}

// A reply keeps what is typed; another text begins with the text that stands.
function begin({ about, said }) {
  fields.about.value = begun = about;
  if (said !== undefined) text.value = said;
  text.focus();
}

async function submitted(form, button) {
  const action = (button && button.getAttribute("formaction")) || form.getAttribute("action");
  const opens = action === "do/choose" && button && button.value !== "0";
  const ends = button && button.dataset.escape !== undefined;
  const values = new URLSearchParams(new FormData(form, button));
  if (action === "do/choose") {
    if (fields.about.value.startsWith("e")) text.value = "";
    fields.about.value = begun = "";
  }
  if (button && button.dataset.about) {
    values.set("text", text.value);
    begin(button.dataset);
  }
  const isDesk = action.startsWith("desk/");
  if (isDesk && button) button.disabled = true;  // a double click on the end of a talk is one click
  const isDone = await send(action, values);
  if (isDesk && button) button.disabled = false;
  if (!isDone) { begun = ""; return; }
  if (isDesk) deskDone(form);
  const box = form.querySelector("input[type=text]");
  if (action === "do/join" && box) box.value = "";
  if (ends || action === "do/about" || action === "do/answer") text.focus();
  if (opens) soon(() => { const first = document.querySelector("#asked button"); if (first) first.focus(); }, 120);
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  if (feed.isLive) warn("");
  wakeSound();
  if (event.target.closest(".changing")) { change(event.target); return; }
  if (event.target === composer) say(); else submitted(event.target, event.submitter);
});
document.addEventListener("click", (event) => {
  const offer = event.target.closest("[data-put]");
  if (offer) {
    text.value = `${text.value.slice(0, text.value.length - Number(offer.dataset.replaces))}${offer.dataset.put} `;
    text.focus();
    text.dispatchEvent(new Event("input"));
    return;
  }
  const link = event.target.closest("a[data-with], a[data-list], a[data-below]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.dataset.list !== undefined) { document.body.classList.add("listing"); const open = document.querySelector("#list a"); if (open) open.focus(); return; }
  if (link.dataset.below !== undefined) { find("desk").focus(); find("desk").scrollIntoView(); return; }
  if (link.dataset.with === fields.with.value) { document.body.classList.remove("listing"); text.focus(); look(); return; }
  send("do/open", { with: link.dataset.with, text: text.value });
});
window.addEventListener("popstate", () => {
  isBack = true;
  send("do/open", { with: new URLSearchParams(location.search).get("with") || "start", text: text.value });
});

// --- files: chosen, dropped or pasted, named once more, and then given to the program, which offers them

const attached = find("attached");
const talk = find("talk");
const picked = find("picked");
const [offerThem, leaveThem] = attached.querySelectorAll("button");
let chosen = { to: "", files: [] };

// The conversation, and at the help desk the visitor.
const whither = () => `${fields.with.value} ${fields.visit.value}`;

function attach(files) {
  const to = whither();
  chosen = { to, files: [...(chosen.to === to ? chosen.files : []), ...files] };
  showChosen();
  if (chosen.files.length) offerThem.focus();
}

function showChosen() {
  attached.hidden = !chosen.files.length || chosen.to !== whither();
  find("attached-to").textContent = told.offer.replace("{who}", () => (atDesk() && find("client").querySelector("h2 bdi") || find("head").querySelector("h2")).textContent);
  attached.querySelector("ul").replaceChildren(...chosen.files.map((file) => {
    const row = document.createElement("li");
    row.textContent = file.name;
    return row;
  }));
}

async function give(to, file) {
  const [kept, toVisit] = to.split(" ");
  const isDesk = kept === "desk";
  if (!isDesk && file.size > Number(told.most)) { warn(told.large); return; }
  try {
    const headers = { accept: "application/json", "content-type": "application/octet-stream" };
    const answer = await fetch(`${isDesk ? "desk/" : ""}upload?${new URLSearchParams({ with: kept, visit: toVisit, name: file.name })}`, { method: "POST", body: file, headers });
    if (answer.status === 403) feed.refused();
    else if (!answer.ok) warn(await answer.text());
  } catch {
    warn(NOT_DONE);
  }
}

offerThem.addEventListener("click", async () => {
  const { to, files } = chosen;
  offerThem.disabled = true;
  if (feed.isLive) warn("");
  text.focus();
  for (const file of files) if (feed.isOver) warn(told.over); else await give(to, file);
  offerThem.disabled = false;
  chosen = { to, files: chosen.files.filter((file) => !files.includes(file)) };
  showChosen();
});
leaveThem.addEventListener("click", () => { chosen = { to: "", files: [] }; showChosen(); text.focus(); });
find("attach").addEventListener("click", () => picked.click());
picked.addEventListener("change", () => { attach(picked.files); picked.value = ""; });

document.addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  talk.classList.add("drop");
});
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) talk.classList.remove("drop"); });
document.addEventListener("drop", (event) => {
  talk.classList.remove("drop");
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  attach(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => {
  const { files } = event.clipboardData;
  if (!files.length || event.clipboardData.types.includes("text/plain")) return;
  event.preventDefault();
  const now = new Date().toISOString().slice(0, 19).replace("T", " ").replaceAll(":", ".");
  attach([...files].map((file) => (file.name === "image.png" ? new File([file], `picture ${now}.png`, { type: file.type }) : file)));
});

function step(by) {
  const buttons = [...log.querySelectorAll(".choose")];
  const at = buttons.indexOf(document.activeElement);
  const next = at < 0 ? buttons.at(-1) : buttons[at + by];
  if (next) next.focus(); else if (at >= 0 && by > 0) text.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
  const isInLog = scroll.contains(document.activeElement);
  if (event.key === "Escape") {
    const close = document.querySelector("#panel [data-escape], #attached:not([hidden]) [data-escape], #asked [data-escape]");
    if (close) close.click(); else { toEnd(); text.focus(); }
  } else if ((event.key === "ArrowUp" || event.key === "ArrowDown") && (isInLog || (event.target === text && !text.value && event.key === "ArrowUp"))) {
    event.preventDefault();
    step(event.key === "ArrowUp" ? -1 : 1);
  }
});

// --- calls: a sound, and a notice of the system where the user allows them

const alerts = find("alerts");
const mayAsk = () => "Notification" in window && Notification.permission === "default";
alerts.hidden = !mayAsk();
alerts.addEventListener("click", async () => {
  wakeSound();
  await Notification.requestPermission();
  alerts.hidden = !mayAsk();
  text.focus();
});

for (const button of log.querySelectorAll(".choose")) button.tabIndex = -1;
document.body.classList.toggle("beside", Boolean(find("panel").firstElementChild));
history.replaceState(null, "", `?with=${encodeURIComponent(fields.with.value)}`);
toEnd();
feed.connect();
