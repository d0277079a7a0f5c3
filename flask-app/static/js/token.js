/** The token that a viewer demands for writes when others than this machine can reach it; forgotten with the tab. */

import { openDialog } from "./dialog.js";
import { h } from "./dom.js";

const KEY = "serflab.token";
let kept = null;
let asking = null;

export function storedToken() {
  try {
    return sessionStorage.getItem(KEY) ?? kept;
  } catch {
    return kept;
  }
}

function store(token) {
  kept = token;
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // Storage may be switched off; the token then lasts as long as the page.
  }
}

/**
 * Asks the user; null when they give none. `refused` is the token that was not accepted, if one was sent. Calls that wait
 * at the same time share one dialog, and a token that another has got in the meantime is used without asking.
 */
export async function askForToken({ refused }) {
  if (storedToken() && storedToken() !== refused) return storedToken();
  asking ??= ask(Boolean(refused)).finally(() => { asking = null; });
  return asking;
}

async function ask(wasRefused) {
  const input = h("input", { id: "token", type: "password", autocomplete: "off", required: true, autofocus: true, "aria-describedby": "token-hint" });
  const choice = await openDialog({
    title: "This viewer asks for a token",
    content: [
      wasRefused ? h("p", { class: "notice error", role: "alert" }, "The viewer did not accept that token.") : null,
      h("p", { id: "token-hint" }, "Other machines can reach it, so a change needs the token that it told in its log when it started. The token is kept until this tab is closed."),
      h("label", { for: "token" }, "Token"),
      input,
    ],
    buttons: [{ text: "Go on without saving", value: "" }, { text: "Use this token", value: "use", primary: true }],
  });
  const token = input.value.trim();
  if (choice !== "use" || token === "") return null;
  store(token);
  return token;
}
