// The help desk on an operator's page: what is typed there, how long people wait, who comes. `member.js` takes the news.
"use strict";

let visit = Number(find("composer").elements.visit.value);
// What is typed about a visitor and not taken yet: a reload, and another run of the program, put it back.
let drafts = null;
const atDesk = () => document.body.classList.contains("desk");
const isOfDesk = (id) => Boolean(find(id).closest("#desk, #at-desk"));
const areas = () => [...document.querySelectorAll("#desk textarea, #changed"), ...(atDesk() ? [find("text")] : [])];

function spans() {
  for (const time of document.querySelectorAll("time.since")) {
    const minutes = Math.max(0, Math.floor((Date.now() - Date.parse(time.dateTime)) / 60000));
    const hours = Math.floor(minutes / 60);
    const span = hours ? `${hours} h ${minutes % 60} min` : minutes ? `${minutes} min` : "less than a minute";
    time.textContent = `for ${span}`;
  }
}

// Shows how many seconds are left in which something can be taken back.
function countDown() {
  for (const time of document.querySelectorAll("time.until")) {
    const left = Math.max(0, Math.ceil((Date.parse(time.dateTime) - Date.now()) / 1000));
    if (time.textContent !== String(left)) time.textContent = left;
  }
}

// Takes what news say of the desk, once its parts are in the page.
function deskNews(piece) {
  const isNew = piece.visit !== visit;
  document.body.classList.toggle("desk", piece.desk);
  document.body.classList.toggle("serving", Boolean(piece.visit));
  find("composer").elements.visit.value = piece.visit;
  if (isNew || !drafts) {
    if (isNew) closeChange();
    visit = piece.visit;
    drafts = new Drafts(`typed ${visit}`);
    drafts.fill(areas());
  }
  spans();
  if (isNew && visit) { call(piece.title); find("text").focus(); }
}

// A form of the desk is carried out: what was typed in it is done with, but for the note, which is shown.
function deskDone(form) {
  for (const area of form.querySelectorAll("textarea:not(#note), input[type=text]")) area.value = "";
  drafts.note(areas());
  if (form.querySelector("#note")) drafts.keep("note", "");
  const popup = form.closest("details.popup");
  if (popup) popup.open = false;
}

document.addEventListener("input", (event) => { if (drafts && areas().includes(event.target)) drafts.note(areas()); });
document.addEventListener("change", (event) => {
  if (event.target.id !== "answers" || !event.target.value) return;
  const text = find("text");
  text.value = text.value.trim() ? `${text.value.trimEnd()} ${event.target.value}` : event.target.value;
  event.target.value = "";
  text.dispatchEvent(new Event("input", { bubbles: true }));
  text.focus();
});
setInterval(spans, 20000);
setInterval(countDown, 500);
