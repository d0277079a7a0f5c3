/** A modal dialog. The browser keeps the focus inside, closes it with Escape and gives the focus back. */

import { h } from "./dom.js";

let titles = 0;

/**
 * Opens a dialog and resolves, when it is closed, with the `value` of the button that closed it, else with "".
 *
 * `content`: what stands below the title; `buttons`: `[{text, value, primary}]`; without any there is a Close button.
 */
export function openDialog({ title, content, buttons = [{ text: "Close", value: "", primary: true }] }) {
  const id = `dialog-title-${(titles += 1)}`;
  const form = h("form", { method: "dialog" },
    h("h2", { id }, title),
    content,
    h("div", { class: "dialog-buttons" }, buttons.map(({ text, value, primary }) =>
      // Enter in a field means the primary button, whatever comes first.
      (primary ? h("button", { value, class: "primary" }, text) : h("button", { type: "button", onclick: () => dialog.close(value) }, text)))));
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": id }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue);
      dialog.remove();
    });
  });
}
