// The review page: grid, keys, saving, clear pictures, and what is said to the person.

import { Grid } from "./grid.js";
import { keymap } from "./keys.js";
import { Reveal } from "./reveal.js";
import { Saver } from "./save.js";
import { getJSON, postForPicture, postJSON } from "./talk.js";

const root = document.querySelector("#grid");
const settings = JSON.parse(root.dataset.settings);
const texts = JSON.parse(root.dataset.texts);
const say = (name, values = {}) =>
  (texts[name] ?? name).replace(/%\((\w+)\)s/g, (_, key) => values[key] ?? "");
const status = document.querySelector("#status");
const saving = document.querySelector("#saving");
const about = document.querySelector("#about");
const dialogs = {
  keys: document.querySelector("#keys"),
  stack: document.querySelector("#stack"),
  compare: document.querySelector("#compare"),
  pause: document.querySelector("#pause"),
};
const shorts = new Map(settings.codes.map((code) => [code.code, code.short]));
const labels = new Map(settings.codes.map((code) => [code.code, code.label]));
const base = `/cases/${settings.case}`;
const query = new URLSearchParams(location.search);
let marked = null;

// -- drawing ---------------------------------------------------------------------------------

const MARKS = { open: "", known: "✓", graded: "✓", inferred: "≈", set_aside: "–" };

function name(item) {
  return say("item", { n: item.n });
}

function spoken(item) {
  const parts = [name(item), say(`state-${item.state}`)];
  if (item.code) parts.push(labels.get(item.code) ?? item.code);
  if (item.stack_size > 1) parts.push(say("stack-of", { n: item.stack_size }));
  if (item.taken) parts.push(say("taken"));
  if (item.unsaved) parts.push(say("unsaved"));
  return parts.join(", ");
}

function thumbnail(item) {
  const picture = document.createElement("img");
  picture.alt = "";
  picture.width = 144;
  picture.height = 108;
  picture.decoding = "async";
  picture.src = `${base}/media/${item.media}/thumbnail`;
  return picture;
}

function drawCell(cell, item, index) {
  if (!item) {
    cell.replaceChildren();
    cell.classList.add("waiting");
    cell.setAttribute("aria-label", say("loading", { n: index + 1 }));
    return;
  }
  cell.classList.remove("waiting");
  cell.dataset.state = item.unsaved ? "unsaved" : item.state;
  cell.classList.toggle("marked", marked === item.media);
  cell.setAttribute("aria-label", spoken(item));
  cell.setAttribute("aria-selected", index === grid?.current);
  if (cell.dataset.media !== String(item.media)) {
    cell.dataset.media = item.media;
    const frame = document.createElement("div");
    frame.className = "frame";
    if (item.thumbnail) frame.append(thumbnail(item));
    else frame.textContent = say("no-picture");
    const line = document.createElement("div");
    line.className = "line";
    line.append(document.createElement("span"), document.createElement("span"));
    cell.replaceChildren(frame, line);
  }
  const [left, right] = cell.lastElementChild.children;
  left.textContent = item.stack_size > 1 ? `${item.n} ×${item.stack_size}` : `${item.n}`;
  const mark = item.unsaved ? "…" : item.taken ? "⧗" : MARKS[item.state];
  right.textContent = [mark, shorts.get(item.code) ?? item.code].filter(Boolean).join(" ");
}

function describe(index) {
  const item = grid.item(index);
  if (!item) {
    about.textContent = "";
    return;
  }
  const parts = [spoken(item), say("places", { n: item.sightings })];
  about.replaceChildren(document.createTextNode(parts.join(" · ")));
  for (const why of item.reasons) {
    const word = document.createElement("span");
    word.className = "why";
    word.textContent = why;
    about.append(" ", word);
  }
  const more = document.createElement("a");
  more.href = `${base}/media/${item.media}`;
  more.textContent = say("details");
  about.append(" ", more);
}

// -- loading ---------------------------------------------------------------------------------

async function load(first, count) {
  const asked = new URLSearchParams(query);
  asked.set("from_item", first);
  asked.set("count", count);
  asked.set("view", settings.view);
  const answer = await getJSON(`${base}/review/items?${asked}`, say("offline"));
  grid.put(first, answer.items);
}

const grid = new Grid(root, {
  total: settings.total,
  columnWidth: 160,
  rowHeight: 152,
  load: (first, count) => load(first, count),
  draw: drawCell,
  moved(to, from) {
    describe(to);
    if (to !== from) {
      reveal?.end();
      stayed = -1;
    }
    lease(to);
  },
});

let leased = -1;
function lease(index) {
  const block = Math.floor(index / 20);
  if (!settings.may.grade || block === leased || !grid.item(index)) return;
  leased = block;
  const stacks = [];
  for (let at = block * 20; at < Math.min((block + 1) * 20, grid.total); at += 1) {
    const item = grid.item(at);
    if (item && item.state === "open") stacks.push(item.stack);
  }
  if (stacks.length === 0) return;
  postJSON(`${base}/review/lease`, { stacks }, say("offline")).catch(() => {
    leased = -1;
  });
}

// -- grading ---------------------------------------------------------------------------------

const saver = new Saver({
  send: (batch) =>
    batch.kind === "undo"
      ? postJSON(`${base}/undo`, { request: batch.request }, say("offline"))
      : postJSON(
          `${base}/grades`,
          {
            request: batch.request,
            decisions: batch.entries.map((entry) => ({
              media: entry.media,
              code: entry.code,
              stack: entry.stack,
              facets: entry.facets,
            })),
          },
          say("offline"),
        ),
  saved(entries, answer) {
    for (const entry of entries) if (entry.index !== undefined) settle(entry.index, entry.media);
    for (const [media, now] of Object.entries(answer.items)) update(Number(media), now);
    if (status.classList.contains("failed")) status.textContent = "";
    status.classList.remove("failed");
    count();
  },
  refused(entries, message) {
    clearTimeout(counting);
    counting = 0;
    for (const entry of entries) {
      if (entry.index === undefined) continue;
      const item = grid.item(entry.index);
      if (item?.media === entry.media) {
        Object.assign(item, entry.before, { unsaved: false });
        grid.refresh(entry.index);
      }
    }
    status.textContent = message;
    status.classList.add("failed");
  },
  changed(now) {
    saving.hidden = now.pending === 0;
    saving.classList.toggle("failed", now.failing);
    saving.textContent = say(now.failing ? "retrying" : "saving", { n: now.pending });
  },
});

function settle(index, media) {
  const item = grid.item(index);
  if (item?.media === media) {
    item.unsaved = false;
    grid.refresh(index);
  }
}

function update(media, now) {
  for (const [index, item] of grid.items) {
    if (item.media === media) {
      Object.assign(item, now);
      grid.refresh(index);
      if (index === grid.current) describe(index);
      return;
    }
  }
}

// How far the case is: asked for a while after a save, for counting a large case costs more than a
// save. The server shares a count for half a second; this waits for longer, so that it counts ours.
const COUNT_AFTER_MS = 800;
let savedAt = 0;
let counting = 0;

function count() {
  savedAt = performance.now();
  countSoon();
}

function countSoon() {
  counting ||= setTimeout(counted, COUNT_AFTER_MS);
}

async function counted() {
  const timer = counting;
  const asked = performance.now();
  const answer = await getJSON(`${base}/review/progress`, say("offline")).catch(() => null);
  if (counting !== timer) return; // something else is said there now
  if (answer) progress(answer);
  counting = 0;
  if (savedAt > asked - COUNT_AFTER_MS) countSoon();
}

function progress(answer) {
  status.classList.remove("failed");
  status.textContent = say("progress", { done: answer.done, all: answer.all });
  const meter = document.querySelector("#meter");
  if (answer.meter && meter) {
    meter.textContent = say("meter", answer.meter);
    if (answer.meter.break_due && !dialogs.pause.open) dialogs.pause.showModal();
  }
}

function facets() {
  const chosen = {};
  for (const select of document.querySelectorAll("[data-facet]")) {
    if (select.value) chosen[select.dataset.facet] = select.value;
  }
  return chosen;
}

// The next that is open, from the beginning again after the last; where all is decided, here.
function next(from) {
  for (let step = 1; step < grid.total; step += 1) {
    const index = (from + step) % grid.total;
    const item = grid.item(index);
    if (!item || item.state === "open") return index;
  }
  return from;
}

// Where the decisions of this page were made, for undo; and where the focus stayed after one, so
// that the same key pressed once too often takes nothing back.
const decisions = [];
let stayed = -1;

function grade(code) {
  const index = grid.current;
  const item = grid.item(index);
  if (!item || !settings.may.grade) return;
  if (item.taken) {
    status.textContent = say("taken-now", { n: item.n });
    return;
  }
  const again = item.code === code && item.state === "graded";
  if (again && index === stayed) return;
  const before = { state: item.state, code: item.code };
  Object.assign(item, again ? { state: "open", code: null } : { state: "graded", code });
  item.unsaved = true;
  grid.refresh(index);
  saver.push({
    // Kinds are not mixed in a batch, so that the order of decisions is kept.
    kind: again ? "clear" : "grade",
    index,
    media: item.media,
    code: again ? null : code,
    stack: item.stack_size > 1,
    facets: again ? {} : facets(),
    before,
  });
  decisions.push(index);
  if (again) return;
  const to = next(index);
  stayed = to === index ? index : -1;
  if (to !== index) grid.focus(to);
}

// -- acts ------------------------------------------------------------------------------------

const reveal = new Reveal(document.querySelector("#clear"), {
  limitMs: settings.reveal_seconds * 1000,
  async fetch(item) {
    await saver.idle();
    return postForPicture(`${base}/media/${item.media}/clear`, say("offline"));
  },
  ended: () => grid.focus(grid.current, { scroll: false }),
  async counted() {
    progress(await getJSON(`${base}/review/progress`, say("offline")));
  },
});

async function openStack() {
  const item = grid.item();
  if (!item || item.stack_size < 2) return;
  await saver.idle();
  location.href = `${base}/stacks/${item.stack}?${new URLSearchParams({ back: location.search })}`;
}

function mark() {
  const item = grid.item();
  if (!item) return;
  if (marked !== null && marked !== item.media) {
    location.href = `${base}/compare?left=${marked}&right=${item.media}`;
    return;
  }
  marked = marked === item.media ? null : item.media;
  grid.refresh(grid.current);
  status.textContent = marked === null ? "" : say("marked", { n: item.n });
}

const acts = {
  undo: () => {
    // At once, before the answer: the next key must find what was undone.
    const index = decisions.pop();
    if (index !== undefined) grid.focus(index);
    stayed = -1;
    saver.push({ kind: "undo" });
  },
  skip: () => grid.focus(grid.current + 1),
  stack: openStack,
  compare: mark,
  similar: () => {
    const item = grid.item();
    if (item) location.href = `${base}/media/${item.media}/similar`;
  },
  help: () => dialogs.keys.showModal(),
  clear: () => {
    const item = grid.item();
    if (item && settings.may.view) reveal.begin(item, name(item));
  },
};

function act(action) {
  if (action.code) grade(action.code);
  else acts[action.act]?.();
}

const pressed = keymap(settings.keys, { off: settings.keys_off });

root.addEventListener("keydown", (event) => {
  if (grid.move(event.key, event.ctrlKey)) {
    event.preventDefault();
    return;
  }
  const action = pressed(event);
  if (action) act(action);
});

// The picture takes the focus while it is shown, so the key is let go anywhere.
document.addEventListener("keyup", () => reveal.end());

for (const button of document.querySelectorAll("[data-act], [data-code]")) {
  if (button.dataset.act === "clear") {
    button.addEventListener("pointerdown", () => acts.clear());
    for (const end of ["pointerup", "pointerleave", "pointercancel"])
      button.addEventListener(end, () => reveal.end());
    button.addEventListener("keydown", (event) => {
      if ([" ", "Enter"].includes(event.key) && !event.repeat) acts.clear();
    });
    button.addEventListener("keyup", () => reveal.end());
    continue;
  }
  button.addEventListener("click", () => {
    act(button.dataset.code ? { code: button.dataset.code } : { act: button.dataset.act });
    if (!document.querySelector("dialog[open]")) grid.focus(grid.current);
  });
}

for (const button of document.querySelectorAll("[data-close]"))
  button.addEventListener("click", () => {
    button.closest("dialog").close();
    grid.focus(grid.current);
  });

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, textarea, select")) {
    event.preventDefault();
    document.querySelector("#filter summary").focus();
  }
});

if (grid.total > 0) {
  const start = Number(location.hash.slice(1)) || 0;
  grid.focus(start);
}
addEventListener("pagehide", () => history.replaceState(null, "", `#${grid.current}`));
root.dataset.ready = "true";
