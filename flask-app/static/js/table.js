/** A sortable table whose rows keep their identity, so that focus and scroll survive an update. */

import { arrange, h, setText } from "./dom.js";

/**
 * `columns`: `{id, title, value(row), text(row), numeric, cell(element, row)}`; `value` sorts, `text` is shown, `cell`
 * replaces `text` where a column is more than a text. Rows open with a click, Enter or Space.
 */
export class Table {
  #rows = new Map();
  #data = [];
  #sort;
  #body = h("tbody");
  #headers = new Map();
  #options;

  constructor(options) {
    this.#options = options;
    this.#sort = options.sort;
    const headers = options.columns.map((column) => {
      const header = h("th", { scope: "col", class: column.numeric ? "numeric" : null },
        h("button", { type: "button", onclick: () => this.#sortBy(column) }, column.title));
      this.#headers.set(column.id, header);
      return header;
    });
    this.element = h("table", { class: "table", "aria-label": options.label }, h("thead", {}, h("tr", {}, headers)), this.#body);
    this.#showSort();
  }

  update(data) {
    this.#data = data;
    this.#render();
  }

  choose(key) {
    for (const [rowKey, row] of this.#rows) {
      if (rowKey === key) row.element.setAttribute("aria-current", "true");
      else row.element.removeAttribute("aria-current");
    }
  }

  #sortBy(column) {
    const again = this.#sort.id === column.id;
    this.#sort = { id: column.id, down: again ? !this.#sort.down : Boolean(column.numeric) };
    this.#showSort();
    this.#render();
  }

  #showSort() {
    for (const [id, header] of this.#headers) {
      if (id === this.#sort.id) header.setAttribute("aria-sort", this.#sort.down ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
    }
  }

  #sorted() {
    const { value } = this.#options.columns.find((column) => column.id === this.#sort.id);
    const sign = this.#sort.down ? -1 : 1;
    return [...this.#data].sort((one, other) => compare(value(one), value(other), sign));
  }

  #render() {
    const limit = this.#options.limit ?? Infinity;
    const shown = this.#sorted().slice(0, limit);
    const keys = new Set();
    const elements = shown.map((data) => {
      const key = this.#options.key(data);
      keys.add(key);
      const row = this.#rows.get(key) ?? this.#add(key);
      row.data = data;
      this.#options.columns.forEach((column, index) => {
        const cell = row.element.children[index];
        if (column.cell) column.cell(cell, data);
        else setText(cell, column.text(data));
      });
      return row.element;
    });
    for (const key of this.#rows.keys()) if (!keys.has(key)) this.#rows.delete(key);
    arrange(this.#body, elements);
  }

  #add(key) {
    const { columns, onOpen, rowLabel } = this.#options;
    const row = { data: null, element: null };
    const open = () => onOpen(row.data);
    row.element = h("tr", {
      tabindex: 0, "data-key": key, title: rowLabel,
      onclick: open,
      onkeydown: (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        open();
      },
    }, columns.map((column) => h(column.header ? "th" : "td", { scope: column.header ? "row" : null, class: column.numeric ? "numeric" : null })));
    this.#rows.set(key, row);
    return row;
  }
}

/** Names sort as people count (serf2 before serf10); what is not known comes last either way. */
function compare(one, other, sign) {
  if (one === other) return 0;
  if (one === null || one === undefined) return 1;
  if (other === null || other === undefined) return -1;
  if (typeof one === "number") return sign * (one - other);
  return sign * String(one).localeCompare(String(other), "en", { numeric: true });
}
