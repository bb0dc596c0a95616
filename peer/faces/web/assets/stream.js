// What pages for one person alone have in common: the stream of news, the parts of a page, and the proof that it is still the
// same program that has the port.
"use strict";

// Milliseconds without a tick after which the machine has slept: a page in the background gets one a minute.
const SLEPT = 150000;
const shown = {};
const post = (action, body) => fetch(action, { method: "POST", body, headers: { accept: "application/json" } });
const bytes = (hex) => Uint8Array.from(hex.match(/../g) || [], (digits) => parseInt(digits, 16));

// A part is renewed, or replaced as a whole; what is open, typed or focused in it stays so.
function put(id, html, isSameVisitor) {
  const at = find(id);
  if (shown[id] === html) return;
  shown[id] = html;
  const open = new Set([...at.querySelectorAll("details[open]")].map((one) => one.dataset.key));
  const typed = isSameVisitor ? [...at.querySelectorAll("textarea, input[type=text], select")].map((one) => [one.id, one.value, one.defaultValue || ""]) : [];
  const focused = at.contains(document.activeElement) ? document.activeElement.id : "";
  const made = at.cloneNode(false);
  made.innerHTML = html;
  if (isSameVisitor && made.childNodes.length === at.childNodes.length) renew(at, made);
  else at.replaceChildren(...made.childNodes);
  for (const one of at.querySelectorAll("details")) if (open.has(one.dataset.key)) one.open = true;
  for (const [name, value, before] of typed) { const one = find(name); if (one && value !== before) one.value = value; }
  if (focused && find(focused)) find(focused).focus();
}

// News waits while a button is pressed, but not for long: a click on what is replaced meanwhile is lost.
const PRESSED_MAX = 2000;
const press = { isDown: false, heard: [], timer: null };

function letGo() {
  clearTimeout(press.timer);
  press.isDown = false;
  for (const hear of press.heard.splice(0)) hear();
}

document.addEventListener("pointerdown", () => {
  press.isDown = true;
  clearTimeout(press.timer);  // of another finger
  press.timer = setTimeout(letGo, PRESSED_MAX);
}, true);
for (const kind of ["pointerup", "pointercancel"]) document.addEventListener(kind, () => setTimeout(letGo, 0), true);  // after the click

// The stream. It is closed at the first error: a browser that opens a stream again by itself hands the cookie and the secret
// address to whoever has the port by then.
class Feed {
  // `path` may be a function. `news` gets each piece; `began` is called before the stream opens, `opened` when it is open, `over`
  // when the program has ended. `away`: what to say while nothing answers.
  constructor({ path, news, began = () => {}, opened = () => {}, away, over }) {
    Object.assign(this, { path, news, began, opened, away, over });
    this.isLive = false;
    this.isOver = false;
    this.stream = null;
    // A machine that has slept may have lost its connection without a word.
    let woken = Date.now();
    setInterval(() => {
      const slept = Date.now() - woken > SLEPT;
      woken = Date.now();
      if (slept && this.isLive) this.lost();
    }, 10000);
  }

  connect() {
    this.began();
    this.stream = new EventSource(typeof this.path === "function" ? this.path() : this.path);
    this.stream.onopen = () => { this.isLive = true; unwarn(this.away); this.opened(); };
    this.stream.onmessage = (event) => this.hear(JSON.parse(event.data));
    this.stream.onerror = () => this.lost();
  }

  lost() {
    this.stream.close();
    this.isLive = false;
    warn(this.away);
    setTimeout(() => this.look(), 1000);
  }

  hear(piece) {
    if (press.isDown) { press.heard.push(() => this.hear(piece)); return; }
    if (piece.locked) { this.stream.close(); location.reload(); return; }
    if (piece.bye) { this.end(); return; }
    unwarn(this.away, NOT_DONE);
    this.news(piece);
  }

  // `why`: what there is to say about it, if it is not the usual.
  end(why) {
    this.stream.close();
    this.isLive = false;
    this.isOver = true;
    this.over(why);
  }

  // Asks whoever has the port to prove that it is the program of this page. Neither the cookie nor the address is sent.
  async isProved() {
    const nonce = crypto.randomUUID();
    const asked = { credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store", redirect: "error" };
    const answer = await fetch(`/proof?nonce=${nonce}`, { ...asked, signal: AbortSignal.timeout(5000) });
    const proof = bytes((await answer.text()).slice(0, 64));
    const key = await crypto.subtle.importKey("raw", bytes(told.key), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    return crypto.subtle.verify("HMAC", key, proof, new TextEncoder().encode(nonce));
  }

  // A form was refused: this browser is locked out, or another program has the port, which is told without leaving the page.
  async refused() {
    if (this.isOver) return;
    try {
      if (!told.key || await this.isProved()) location.reload(); else this.end();
    } catch { /* nobody has it: the stream looks again */ }
  }

  // A page of a web desk has no key: it has proved itself to the browser by its certificate.
  async look() {
    try {
      if (!told.key || await this.isProved()) this.connect(); else this.end();
    } catch {
      setTimeout(() => this.look(), 3000);
    }
  }
}
