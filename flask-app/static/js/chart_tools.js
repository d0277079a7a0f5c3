/** Rows of buttons of which one is chosen. */

import { h } from "./dom.js";

/** `values`: `{id, title}`; `onChoose(id)`. Returns `{element, choose(id), disable(ids, disabled, why), focus(id)}`. */
export function choices(label, values, onChoose) {
  const buttons = new Map(values.map(({ id, title }) => [id, h("button", { type: "button", "data-id": id, onclick: () => onChoose(id) }, title)]));
  return {
    element: h("div", { class: "segmented small", role: "group", "aria-label": label }, [...buttons.values()]),
    choose(chosen) {
      for (const [id, button] of buttons) button.setAttribute("aria-pressed", String(id === chosen));
    },
    disable(ids, disabled, why) {
      for (const id of ids) {
        buttons.get(id).disabled = disabled;
        buttons.get(id).title = disabled ? why : "";
      }
    },
    focus(id) {
      buttons.get(id).focus();
    },
  };
}
