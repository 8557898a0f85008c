// A clear picture: fetched by a request of its own, that the server logs, only while a key or a
// button is held, and gone again by itself.

export class Reveal {
  constructor(dialog, { fetch, limitMs, counted, ended }) {
    this.dialog = dialog;
    this.picture = dialog.querySelector("img");
    this.words = dialog.querySelector("[data-words]");
    this.fetch = fetch;
    this.limitMs = limitMs;
    this.counted = counted;
    this.ended = ended;
    this.asked = 0;
    addEventListener("blur", () => this.end());
    document.addEventListener("visibilitychange", () => this.end());
    dialog.addEventListener("close", () => this.end());
  }

  get open() {
    return this.asked !== 0;
  }

  async begin(item, name) {
    if (this.open) return;
    const mine = performance.now();
    this.asked = mine;
    this.words.textContent = name;
    this.dialog.show();
    try {
      const picture = await this.fetch(item);
      // It counts as seen from here on, also where the key was let go in the meantime.
      this.counted(item);
      if (this.asked !== mine) return;
      this.url = URL.createObjectURL(picture);
      this.picture.src = this.url;
      this.picture.hidden = false;
      this.timer = setTimeout(() => this.end(), this.limitMs);
    } catch (error) {
      if (this.asked === mine) this.words.textContent = error.message;
    }
  }

  end() {
    if (!this.open) return;
    this.asked = 0;
    clearTimeout(this.timer);
    this.picture.hidden = true;
    this.picture.removeAttribute("src");
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
    if (this.dialog.open) this.dialog.close();
    this.ended();
  }
}
