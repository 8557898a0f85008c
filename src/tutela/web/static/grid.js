// A windowed grid: only the rows near the viewport exist. Geometry is computed from fixed cell
// sizes, so the end of 100,000 items is as near as the beginning.

const MAX_HEIGHT_PX = 8_000_000; // beyond about 16 million, browsers cut a page off
const SPARE_ROWS = 3;
const MAX_CELLS = 400; // a broken style sheet must not make everything visible at once

export class Grid {
  // `draw(cell, item, index)` fills a cell; item is undefined while it is loading.
  constructor(root, { total, columnWidth, rowHeight, load, draw, moved }) {
    this.root = root;
    this.total = total;
    this.columnWidth = columnWidth;
    this.rowHeight = rowHeight;
    this.load = load;
    this.draw = draw;
    this.moved = moved;
    this.items = new Map();
    this.wanted = new Set();
    this.current = 0;
    this.rows = new Map();
    this.space = document.createElement("div");
    this.space.className = "grid-space";
    this.space.setAttribute("role", "presentation");
    root.append(this.space);
    root.addEventListener("scroll", () => this.#schedule());
    root.addEventListener("click", (event) => {
      const cell = event.target.closest(".cell");
      if (cell) this.focus(Number(cell.dataset.index));
    });
    new ResizeObserver(() => this.#measure()).observe(root);
    this.#measure();
  }

  get columns() {
    return Math.max(1, Math.floor(this.root.clientWidth / this.columnWidth));
  }

  item(index = this.current) {
    return this.items.get(index);
  }

  cell(index = this.current) {
    return this.rows.get(Math.floor(index / this.columnCount))?.children[index % this.columnCount];
  }

  focus(index, { scroll = true } = {}) {
    const to = Math.min(Math.max(index, 0), this.total - 1);
    const from = this.current;
    this.current = to;
    if (scroll) this.#reveal(to);
    this.refresh(from);
    this.refresh(to);
    this.cell(to)?.focus({ preventScroll: true });
    this.moved(to, from);
  }

  refresh(index) {
    const cell = this.cell(index);
    if (cell) this.#fill(cell, index);
  }

  forget() {
    this.items.clear();
    this.wanted.clear();
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
    this.#measure();
  }

  // Items arrive here, in order from `first`.
  put(first, items) {
    items.forEach((item, offset) => this.items.set(first + offset, item));
    items.forEach((_, offset) => this.refresh(first + offset));
    const current = this.current;
    if (current >= first && current < first + items.length) this.moved(current, current);
  }

  move(key, ctrl) {
    const page = this.columnCount * Math.max(1, Math.floor(this.root.clientHeight / this.rowHeight));
    const start = Math.floor(this.current / this.columnCount) * this.columnCount;
    const to = {
      ArrowRight: this.current + 1,
      ArrowLeft: this.current - 1,
      ArrowDown: this.current + this.columnCount,
      ArrowUp: this.current - this.columnCount,
      PageDown: this.current + page,
      PageUp: this.current - page,
      Home: ctrl ? 0 : start,
      End: ctrl ? this.total - 1 : start + this.columnCount - 1,
    }[key];
    if (to === undefined) return false;
    if ((key === "ArrowDown" && to >= this.total) || (key === "ArrowUp" && to < 0)) return true;
    this.focus(to);
    return true;
  }

  #measure() {
    const columns = this.columns;
    if (columns !== this.columnCount) {
      this.columnCount = columns;
      for (const row of this.rows.values()) row.remove();
      this.rows.clear();
    }
    this.rowCount = Math.ceil(this.total / columns);
    this.root.setAttribute("aria-rowcount", this.rowCount);
    this.root.setAttribute("aria-colcount", columns);
    this.virtual = this.rowCount * this.rowHeight;
    this.height = Math.min(this.virtual, MAX_HEIGHT_PX);
    this.space.style.height = `${this.height}px`;
    this.#draw();
  }

  #schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.#draw();
    });
  }

  // Where the visible part starts, in the pixels of a page as high as all rows.
  #top() {
    const room = this.height - this.root.clientHeight;
    if (this.virtual === this.height || room <= 0) return this.root.scrollTop;
    return (this.root.scrollTop / room) * (this.virtual - this.root.clientHeight);
  }

  #reveal(index) {
    const top = Math.floor(index / this.columnCount) * this.rowHeight;
    const from = this.#top();
    const seen = this.root.clientHeight;
    let want = from;
    if (top < from) want = top;
    else if (top + this.rowHeight > from + seen) want = top + this.rowHeight - seen;
    if (want !== from) {
      const room = this.height - seen;
      const scaled = this.virtual === this.height ? want : (want / (this.virtual - seen)) * room;
      this.root.scrollTop = scaled;
    }
    this.#draw();
  }

  #draw() {
    const top = this.#top();
    const first = Math.max(0, Math.floor(top / this.rowHeight) - SPARE_ROWS);
    const many = Math.ceil(this.root.clientHeight / this.rowHeight) + 2 * SPARE_ROWS;
    const shown = Math.min(many, Math.ceil(MAX_CELLS / this.columnCount));
    const last = Math.min(this.rowCount, first + shown);
    for (const [number, row] of this.rows) {
      if (number < first || number >= last) {
        row.remove();
        this.rows.delete(number);
      }
    }
    const shift = this.root.scrollTop - top;
    for (let number = first; number < last; number += 1) {
      const row = this.rows.get(number) ?? this.#row(number);
      row.style.transform = `translateY(${Math.round(number * this.rowHeight + shift)}px)`;
    }
    this.#want(first * this.columnCount, Math.min(this.total, last * this.columnCount));
  }

  #row(number) {
    const row = document.createElement("div");
    row.className = "grid-row";
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", number + 1);
    const first = number * this.columnCount;
    for (let index = first; index < Math.min(first + this.columnCount, this.total); index += 1) {
      const cell = document.createElement("div");
      cell.className = "cell";
      cell.dataset.index = index;
      cell.setAttribute("role", "gridcell");
      cell.setAttribute("aria-colindex", index - first + 1);
      this.#fill(cell, index);
      row.append(cell);
    }
    const after = [...this.rows.keys()].filter((other) => other > number).sort((a, b) => a - b)[0];
    this.space.insertBefore(row, this.rows.get(after) ?? null);
    this.rows.set(number, row);
    return row;
  }

  #fill(cell, index) {
    cell.tabIndex = index === this.current ? 0 : -1;
    cell.classList.toggle("current", index === this.current);
    this.draw(cell, this.items.get(index), index);
  }

  #want(from, to) {
    const size = 100;
    for (let page = Math.floor(from / size); page * size < to; page += 1) {
      if (this.wanted.has(page)) continue;
      this.wanted.add(page);
      this.load(page * size, Math.min(size, this.total - page * size)).catch(() => {
        this.wanted.delete(page);
      });
    }
  }
}
