/** The dialog for a range of the history. */

import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { dateTime } from "./format.js";

/** Seconds since the epoch as the text that a field for date and time wants, in the browser's time zone. */
function fieldText(seconds) {
  const local = new Date((seconds - new Date(seconds * 1000).getTimezoneOffset() * 60) * 1000);
  return local.toISOString().slice(0, 19);
}

const seconds = (text) => Math.floor(new Date(text).getTime() / 1000);

/** Asks for a range and gives `{from, to}` in seconds since the epoch, null when the user gives none. */
export async function askForRange({ from, to, earliest }) {
  const now = Date.now() / 1000;
  const field = (id, value) => h("input", { id, type: "datetime-local", step: 1, required: true, value: fieldText(value) });
  const [first, last] = [field("range-from", from ?? now - 3600), field("range-to", to ?? now)];
  const check = () => {
    const wrong = seconds(first.value) >= seconds(last.value) ? "The end must be later than the start." : "";
    last.setCustomValidity(wrong || (seconds(first.value) > now ? "The range must not lie in the future." : ""));
  };
  for (const input of [first, last]) input.addEventListener("input", check);
  const choice = await openDialog({
    title: "A range of the history",
    content: [
      h("p", { class: "muted" }, earliest ? `The oldest sample is of ${dateTime(earliest)}.` : "Prometheus keeps 24 hours."),
      h("label", { for: "range-from" }, "From"), first,
      h("label", { for: "range-to" }, "To"), last,
    ],
    buttons: [{ text: "Cancel", value: "" }, { text: "Show", value: "show", primary: true }],
  });
  return choice === "show" ? { from: seconds(first.value), to: seconds(last.value) } : null;
}
