/** A link: its state, what passes its interfaces, and a form to make it slower or lossy. */

import { del, put, segment } from "./api.js";
import { makeDialog } from "./dialog.js";
import { h } from "./dom.js";
import { Field } from "./form_field.js";
import { sentence } from "./format.js";
import { sourceWords, stateWords, traffic, typed, words } from "./link_words.js";
import { facts } from "./panel_parts.js";
import { toast } from "./toasts.js";

const FIELDS = [
  { name: "delay", label: "Delay, one way", hint: "Such as 20ms" },
  { name: "jitter", label: "Jitter", hint: "Such as 5ms" },
  { name: "loss", label: "Loss", hint: "Such as 1%" },
  { name: "rate", label: "Rate", hint: "Such as 100mbit; empty: no limit" },
];

const address = ({ endpoints: [a, b] }) => `/api/links/${segment(a.node)}/${segment(b.node)}`;

/**
 * Shows a link of the topology document and sets or clears it as the user wants. Resolves when the dialog is closed.
 *
 * `follow(show)` calls `show(link)` whenever the link has changed, until what it returns is called.
 */
export function openLink(link, follow) {
  const [a, b] = link.endpoints;
  const given = typed(link);
  const fields = FIELDS.map(({ name, label, hint }) => {
    const control = h("input", { name, autocomplete: "off", spellcheck: "false", autofocus: name === "delay" });
    control.value = given[name];
    return { name, field: new Field({ id: `link-${name}`, label, control, hint }) };
  });
  const known = h("div", {}, about(link));
  const problem = h("div", { class: "notice error", role: "alert", hidden: true });
  const parameters = { interface: a.interface };
  const change = {
    set: () => put(address(link), body(fields), parameters),
    clear: () => del(address(link), parameters),
  };
  let busy = false;
  const act = async (what) => {
    if (busy) return;
    busy = true;
    problem.hidden = true;
    try {
      const { link: now } = await change[what]();
      dialog.close(what);
      toast({ kind: "good", text: `${a.node} — ${b.node}: ${words(now)}.` });
    } catch (error) {
      tell(error, fields, problem);
    } finally {
      busy = false;
    }
  };
  const buttons = [{ text: "Cancel", value: "" }, { text: "Set", value: "set", primary: true }];
  const dialog = makeDialog({ title: `Link ${a.node} — ${b.node}`, content: [known, form(link, fields, () => act("clear")), problem], buttons, onSubmit: () => act("set") });
  const rest = follow((now) => known.replaceChildren(about(now)));
  return dialog.closed.finally(rest);
}

function about(link) {
  return facts([
    ["State", stateWords(link)],
    ...link.endpoints.map((end) => [`${end.node}:${end.interface}`, traffic(end) || (link.emulated ? "" : "nothing is known of what passes it")]),
    ["In force", [words(link), sourceWords(link)].filter(Boolean).join(", ")],
  ]);
}

function form(link, fields, clear) {
  const meaning = link.emulated
    ? "This lab's links are emulated: the values count for how long virtual pods are on their way."
    : "netem applies them to what leaves either end. They count for how long virtual pods are on their way, too.";
  return [
    h("p", { class: "muted" }, meaning),
    h("div", { class: "field-row link-fields" }, fields.map(({ field }) => field.element)),
    link.source === "set" || link.source === "netem" ? h("p", {}, h("button", { type: "button", class: "button", onclick: clear }, "Clear what was set")) : null,
  ];
}

function body(fields) {
  return Object.fromEntries(fields.filter(({ field }) => field.value).map(({ name, field }) => [name, field.value]));
}

/** Says what is wrong at the field that it is about, else above the buttons. */
function tell(error, fields, problem) {
  const about = fields.find(({ name }) => error.details?.parameter === name)?.field;
  if (about) {
    about.problem(sentence(error.message));
    about.control.focus();
    return;
  }
  problem.hidden = false;
  problem.replaceChildren(h("p", {}, error.message), error.hint ? h("p", { class: "muted" }, error.hint) : "");
}
