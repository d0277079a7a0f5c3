/** Modal dialogs. The browser keeps the focus inside, closes them with Escape and gives the focus back. */

import { h } from "./dom.js";

const CLOSE = [{ text: "Close", value: "", primary: true }];
let titles = 0;

/**
 * Opens a dialog and resolves, when it is closed, with the `value` of the button that closed it, else with "".
 *
 * `content`: what stands below the title; `buttons`: `[{text, value, primary}]`; without any there is a Close button.
 */
export const openDialog = (parts) => makeDialog(parts).closed;

/**
 * Opens a dialog whose content and buttons may change while it is open: `{element, closed, close(value), offer(buttons)}`.
 * With `onSubmit(value)` the primary button closes nothing by itself: whoever asks does, once all is well.
 */
export function makeDialog({ title, content, buttons = CLOSE, onSubmit = null }) {
  const id = `dialog-title-${(titles += 1)}`;
  const row = h("div", { class: "dialog-buttons" });
  const form = h("form", { method: "dialog" }, h("h2", { id }, title), content, row);
  const element = h("dialog", { class: "dialog", "aria-labelledby": id }, form);
  const close = (value = "") => element.close(value);
  const offer = (list) => {
    const focused = row.contains(document.activeElement);
    row.replaceChildren(...list.map(({ text, value, primary }) =>
      // Enter in a field means the primary button, whatever comes first.
      (primary ? h("button", { value, class: "primary" }, text) : h("button", { type: "button", onclick: () => close(value) }, text))));
    if (focused) (row.querySelector(".primary") ?? row.firstChild)?.focus();
  };
  // Of a select, too, where browsers leave the key unused.
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.tagName !== "SELECT" || event.defaultPrevented) return;
    event.preventDefault();
    form.requestSubmit(row.querySelector(".primary"));
  });
  if (onSubmit) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      onSubmit(event.submitter?.value ?? "");
    });
  }
  offer(buttons);
  document.body.append(element);
  element.showModal();
  const closed = new Promise((resolve) => {
    element.addEventListener("close", () => {
      resolve(element.returnValue);
      element.remove();
    });
  });
  return { element, closed, close, offer };
}

/**
 * Opens a dialog whose primary button first awaits `submit()`: what that throws (an `ApiError`) is told above the buttons, and the
 * dialog stays open. Resolves like `openDialog`.
 */
export function askUntilDone({ title, content, buttons, submit }) {
  const problem = h("div", { class: "notice error", role: "alert", hidden: true });
  let busy = false;
  const dialog = makeDialog({
    title, content: [content, problem], buttons,
    onSubmit: async (value) => {
      if (busy) return;
      busy = true;
      problem.hidden = true;
      try {
        await submit();
        dialog.close(value || buttons.find(({ primary }) => primary).value);
      } catch (error) {
        problem.hidden = false;
        problem.replaceChildren(h("p", {}, error.message), error.hint ? h("p", { class: "muted" }, error.hint) : "");
      } finally {
        busy = false;
      }
    },
  });
  return dialog.closed;
}
