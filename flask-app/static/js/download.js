/** What leaves the page: files that the browser saves, texts that it copies. */

import { h } from "./dom.js";

/** Saves a `Blob` under a name. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  // The browser has taken the address by then, or never will.
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/** Rows of values as CSV (RFC 4180): fields with a comma, a quote or a line break are quoted; null is an empty field. */
export function csv(rows) {
  const field = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${rows.map((row) => row.map(field).join(",")).join("\r\n")}\r\n`;
}

/** Copies a text; false where the browser does not allow it (a page that is not from this machine over plain HTTP). */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** A button that copies `text()` and says so for a moment; where copying is refused it shows the text to be copied by hand. */
export function copyButton(title, text) {
  const field = h("input", { type: "text", readonly: true, hidden: true, class: "copy-field", "aria-label": `${title}: copy this text` });
  const button = h("button", {
    type: "button", class: "button", onclick: async () => {
      const done = await copy(text());
      field.hidden = done;
      if (!done) {
        field.value = text();
        field.focus();
        field.select();
        return;
      }
      button.textContent = "Copied";
      setTimeout(() => {
        button.textContent = title;
      }, 1600);
    },
  }, title);
  return h("span", { class: "copy" }, button, field);
}

/** Parts of a file name, without what file systems refuse. */
export function fileName(parts, ending) {
  return `${parts.filter(Boolean).join("-").replace(/[^\w.-]+/g, "_")}.${ending}`;
}
