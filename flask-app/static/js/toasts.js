/** Short messages at the edge of the page, for what ends while nobody waits for it. Read aloud; errors stay until they are closed. */

import { h } from "./dom.js";
import { sentence } from "./format.js";

const MOST = 4;
const SHOWN_MS = 9000;
const KINDS = { good: { icon: "✓", name: "Done" }, error: { icon: "!", name: "Failed" }, info: { icon: "i", name: "Note" } };

// There before its first message: screen readers speak what is added to a region that they know.
const region = h("div", { class: "toasts", role: "region", "aria-label": "Messages", "aria-live": "polite" });
document.body.append(region);

/**
 * Shows a message; `kind`: `good`, `info` or `error`; `actions`: `[{text, act}]`. What is no error goes by itself after 9 s,
 * but not while the pointer or the keyboard is on it. Returns a function that takes it away.
 */
export function toast({ kind = "info", text, hint = "", actions = [] }) {
  const { icon, name } = KINDS[kind];
  let timer = null;
  const away = () => {
    clearTimeout(timer);
    element.remove();
  };
  const wait = () => {
    clearTimeout(timer);
    if (kind !== "error") timer = setTimeout(away, SHOWN_MS);
  };
  const element = h("div", { class: `toast ${kind}`, onpointerenter: () => clearTimeout(timer), onpointerleave: wait, onfocusin: () => clearTimeout(timer), onfocusout: wait },
    h("span", { class: "toast-icon", role: "img", "aria-label": name }, icon),
    h("div", { class: "toast-text" }, h("p", {}, sentence(text)), hint ? h("p", { class: "muted" }, sentence(hint)) : null,
      actions.map(({ text: title, act }) => h("button", {
        type: "button", class: "link", onclick: () => {
          away();
          act();
        },
      }, title))),
    h("button", { type: "button", class: "toast-close", "aria-label": "Close this message", onclick: away }, "✕"));
  region.append(element);
  while (region.children.length > MOST) region.firstChild.remove();
  wait();
  return away;
}

/** Shows an `ApiError` in the words of the API; `what`: what did not work, as "web-0 is not offloaded". */
export function toastError(error, what = "") {
  return toast({ kind: "error", text: [what, error.message].filter(Boolean).join(": "), hint: error.hint });
}
