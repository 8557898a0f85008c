// Decisions on their way to the server: in order, retried until they are acknowledged, and visible
// as long as they are not. The same `request` key is sent again, so nothing is counted twice.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const TOGETHER = 50;

export class Saver {
  constructor({ send, saved, refused, changed }) {
    this.send = send;
    this.saved = saved;
    this.refused = refused;
    this.changed = changed;
    this.waiting = [];
    this.batch = null;
    this.failing = false;
    addEventListener("beforeunload", (event) => {
      if (this.pending) event.preventDefault();
    });
  }

  get pending() {
    return this.waiting.length + (this.batch?.entries.length ?? 0);
  }

  push(entry) {
    this.waiting.push(entry);
    this.changed(this);
    this.#next();
  }

  idle() {
    return this.pending === 0 ? Promise.resolve() : new Promise((done) => (this.done = done));
  }

  async #next() {
    if (this.batch) return;
    const first = this.waiting[0];
    if (!first) return;
    const alike = this.waiting.findIndex((entry) => entry.kind !== first.kind);
    const many = first.kind === "undo" ? 1 : Math.min(alike < 0 ? TOGETHER : alike, TOGETHER);
    const entries = this.waiting.splice(0, many);
    this.batch = { request: crypto.randomUUID(), kind: first.kind, entries };
    await this.#attempt(FIRST_WAIT_MS);
  }

  async #attempt(wait) {
    try {
      const answer = await this.send(this.batch);
      const { entries, kind } = this.batch;
      this.batch = null;
      this.failing = false;
      this.saved(entries, answer, kind);
    } catch (error) {
      if (error.final) {
        const { entries } = this.batch;
        this.batch = null;
        this.failing = false;
        this.refused(entries, error.message);
      } else {
        this.failing = true;
        this.changed(this);
        setTimeout(() => this.#attempt(Math.min(wait * 2, LONGEST_WAIT_MS)), wait);
        return;
      }
    }
    this.changed(this);
    if (this.pending === 0) this.done?.();
    this.#next();
  }
}
