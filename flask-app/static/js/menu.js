/** A menu after the pattern of the WAI-ARIA Authoring Practices: arrows, Home, End and first letters move, Escape leaves. */

import { byId, h } from "./dom.js";

const GAP = 8;

/**
 * Opens a menu. `items`: `[{text, act, reason}]`; one with a `reason` cannot be chosen and says why. `at`: its corner in CSS
 * pixels of the window, `{x, y}`. When it closes, the focus goes back to `opener`, and then the chosen item acts.
 */
export function openMenu({ label, items, at, opener = document.activeElement }) {
  const entries = items.map(({ text, act, reason = "" }) => h("button", {
    type: "button", role: "menuitem", tabindex: -1, "aria-disabled": reason ? "true" : null, onclick: () => reason || close(act),
  }, h("span", {}, text), reason ? h("span", { class: "menu-reason" }, reason) : null));
  const menu = h("div", { class: "context-menu", role: "menu", "aria-label": label, popover: "manual", onkeydown: (event) => onKey(event) }, entries);
  const outside = ({ target }) => void (menu.contains(target) || close(null, { back: false }));

  function close(act = null, { back = true } = {}) {
    if (!menu.isConnected) return;
    document.removeEventListener("pointerdown", outside, true);
    menu.remove();
    if (back) opener?.focus?.({ preventScroll: true });
    act?.();
  }

  function onKey(event) {
    const at_ = entries.indexOf(document.activeElement);
    const letter = event.key.length === 1 && event.key !== " " ? event.key.toLowerCase() : null;
    const starting = [...entries.slice(at_ + 1), ...entries.slice(0, at_ + 1)].find(({ textContent }) => textContent.toLowerCase().startsWith(letter));
    const next = { ArrowDown: entries[at_ + 1] ?? entries[0], ArrowUp: entries.at(at_ - 1), Home: entries[0], End: entries.at(-1) }[event.key] ?? (letter && starting);
    // Enter and the space bar are the button's own.
    if (event.key === "Enter" || event.key === " ") return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape" || event.key === "Tab") close();
    else next?.focus();
  }

  // The browser's own menu, which the key that opened this one asks for when it is released.
  menu.addEventListener("contextmenu", (event) => event.preventDefault());
  document.addEventListener("pointerdown", outside, true);
  byId("main").append(menu);
  menu.showPopover();
  menu.style.left = `${Math.max(GAP, Math.min(at.x, window.innerWidth - menu.offsetWidth - GAP))}px`;
  menu.style.top = `${Math.max(GAP, Math.min(at.y, window.innerHeight - menu.offsetHeight - GAP))}px`;
  entries[0].focus();
}
