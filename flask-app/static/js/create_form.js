/** The fields of a new virtual pod, and how what the API says of them is shown beside them. */

import { clusterInfo, get } from "./api.js";
import { h } from "./dom.js";
import { Field, fill } from "./form_field.js";
import { sentence } from "./format.js";
import { template, templates } from "./liqo.js";
import { LoadPreview, lasting } from "./load_preview.js";
import { consumers, namespacesOf, peeringNote, peersOf } from "./peers.js";

const DEFAULT_INTERVAL = 5;
const MOST_OFFERED = 500;
const MEASURES = ["cpu", "memory", "power", "psi"];

// Which field an error is about: by the parameter that it names, and by its code.
const BY_PARAMETER = { source_node: "source", dest_node: "dest", workload_template: "load", source_pod: "load", interval: "interval", name: "name", namespace: "namespace", image_mib: "image" };
const BY_CODE = { not_peered: "dest", name_taken: "name", unknown_template: "load", unknown_pod: "load", unknown_namespace: "namespace", unknown_node: "dest" };

export class CreateForm {
  #topology;
  #fields;
  #loop = h("input", { type: "checkbox", checked: true });
  #preview = new LoadPreview();
  #kind = "template";
  #lists;
  #names = h("div", { class: "template-list", role: "radiogroup", "aria-label": "Workload template" });
  #templates = new Map();
  #problem = h("p", { class: "field-problem", role: "alert" });
  #podNames = h("datalist", { id: "create-pod-names" });
  #asked = null;
  #points = 0;

  /** `source` and `dest` (null: the user chooses) are preset; `topology` says what is peered. */
  constructor({ topology, source = null, dest = null }) {
    this.#topology = topology;
    const input = (attributes) => h("input", { autocomplete: "off", spellcheck: "false", ...attributes });
    const namespaces = h("datalist", { id: "create-namespaces" });
    this.#fields = {
      source: new Field({ id: "create-source", label: "From", control: h("select"), hint: "It is seen here" }),
      dest: new Field({ id: "create-dest", label: "To", control: h("select"), hint: "It runs there" }),
      load: new Field({ id: "create-pod", label: "Pod", control: input({ type: "text", list: "create-pod-names", placeholder: "namespace/name" }), hint: "An emulated pod of the source, whose series is played" }),
      interval: new Field({ id: "create-interval", label: "Interval", control: input({ type: "number", value: DEFAULT_INTERVAL, min: 0.1, step: "any", required: true, inputmode: "decimal" }), hint: "Seconds a point" }),
      name: new Field({ id: "create-name", label: "Name", control: input({ type: "text", maxlength: 253 }), hint: "Empty: made from the template" }),
      namespace: new Field({ id: "create-namespace", label: "Namespace", control: input({ type: "text", value: "default", list: "create-namespaces", required: true }) }),
      image: new Field({ id: "create-image", label: "Image size", control: input({ type: "number", min: 0, step: "any", inputmode: "decimal" }), hint: "MiB to transfer; empty: the template's" }),
    };
    fill(this.#fields.source.control, (source ? [...new Set([source, ...consumers(topology)])] : consumers(topology)).map((name) => [name, name]));
    if (source) this.#fields.source.control.value = source;
    this.#fields.source.control.addEventListener("change", () => this.#sourceChanged(namespaces));
    this.#fields.interval.control.addEventListener("input", () => this.#tell());
    this.#loop.addEventListener("change", () => this.#tell());
    this.#fields.load.control.addEventListener("change", () => this.#choosePod());
    this.#lists = { template: this.#names, pod: h("div", { hidden: true }, this.#fields.load.element, this.#podNames) };
    const { source: from, dest: to, interval, name, namespace, image } = this.#fields;
    this.element = h("div", { class: "create-form" },
      h("div", { class: "field-row" }, from.element, h("span", { class: "field-arrow", "aria-hidden": "true" }, "→"), to.element),
      h("div", { class: "load-choice" },
        h("div", { class: "load-source" }, this.#kinds(), this.#lists.template, this.#lists.pod, this.#problem), this.#preview.element),
      h("div", { class: "field-row" }, interval.element, name.element, namespace.element, namespaces, image.element),
      h("label", { class: "check" }, this.#loop, "Start over at the end"));
    this.#sourceChanged(namespaces);
    if (dest) to.control.value = dest;
    this.#preview.wait();
    this.#loadTemplates({ focus: source !== null });
  }

  /** The body of the call; null when a field is not right, which is then said beside it. */
  get wanted() {
    const { source, dest, load, interval, name, namespace, image } = this.#fields;
    if (!(Number(interval.value) > 0)) return this.#refuse(interval, "A number of seconds above 0");
    if (image.value !== "" && !(Number(image.value) >= 0)) return this.#refuse(image, "A number of MiB, 0 or more");
    const body = { source_node: source.value, dest_node: dest.value, interval: Number(interval.value), namespace: namespace.value || "default", loop: this.#loop.checked };
    if (name.value) body.name = name.value;
    if (image.value !== "") body.image_mib = Number(image.value);
    if (this.#kind === "pod") {
      if (!load.value.includes("/")) return this.#refuse(load, "A pod as namespace/name");
      return { ...body, source_pod: load.value };
    }
    const chosen = this.#names.querySelector("input:checked");
    if (!chosen) return this.#sayTemplate("Choose a template");
    return { ...body, workload_template: chosen.value };
  }

  /** Puts an `ApiError` beside the field that it is about; false where it is about none. */
  refuse({ code, message, hint, details }) {
    const known = BY_PARAMETER[details?.parameter] ?? BY_CODE[code];
    if (!known) return false;
    const text = `${sentence(message)} ${sentence(hint)}`.trim();
    if (known === "load" && this.#kind === "template") this.#sayTemplate(text);
    else this.#refuse(this.#fields[known], text);
    return true;
  }

  #refuse(field, text) {
    field.problem(text);
    field.control.focus();
    return null;
  }

  #sayTemplate(text) {
    this.#problem.textContent = text;
    this.#names.querySelector("input")?.focus();
    return null;
  }

  #kinds() {
    const choice = (kind, text) => h("label", { class: "check" },
      h("input", { type: "radio", name: "create-kind", value: kind, checked: kind === this.#kind, onchange: () => this.#chooseKind(kind) }), text);
    return h("div", { class: "load-kinds", role: "radiogroup", "aria-label": "Load" }, choice("template", "A template"), choice("pod", "A pod's own series"));
  }

  #chooseKind(kind) {
    this.#kind = kind;
    for (const [id, list] of Object.entries(this.#lists)) list.hidden = id !== kind;
    this.#problem.textContent = "";
    if (kind === "pod") {
      this.#offerPods();
      this.#choosePod();
    } else {
      this.#chooseTemplate(this.#names.querySelector("input:checked")?.value);
    }
  }

  #sourceChanged(namespaces) {
    const source = this.#fields.source.value;
    this.#fields.source.problem("");
    fill(this.#fields.dest.control, peersOf(this.#topology, source).map((name) => {
      const note = peeringNote(this.#topology, source, name);
      return [name, note ? `${name} (${note})` : name];
    }));
    namespaces.replaceChildren(...namespacesOf(this.#topology, source).map((value) => h("option", { value })));
    this.#podNames.replaceChildren();
    if (this.#kind === "pod") this.#offerPods();
  }

  /** `focus`: from there Enter creates; who has still to choose the source begins there. */
  async #loadTemplates({ focus }) {
    try {
      const { templates: found } = await templates();
      this.#templates = new Map(found.map((item) => [item.name, item]));
      this.#names.replaceChildren(...found.map((item) => this.#templateChoice(item)));
      const first = found.find(({ problem }) => !problem);
      const radio = this.#names.querySelector("input:not(:disabled)");
      if (radio) radio.checked = true;
      if (focus && document.activeElement === this.#fields.source.control) radio?.focus();
      if (this.#kind === "template") this.#chooseTemplate(first?.name);
    } catch (error) {
      this.#preview.fail("The templates are not known.");
      this.#sayTemplate(`${sentence(error.message)} ${sentence(error.hint)}`.trim());
    }
  }

  #templateChoice({ name, description, points, problem }) {
    return h("label", { class: "template" },
      h("input", { type: "radio", name: "create-template", value: name, disabled: Boolean(problem), onchange: () => this.#chooseTemplate(name) }),
      h("span", {}, h("strong", {}, name), h("span", { class: "muted" }, ` ${points ?? 0} points`), h("span", { class: "template-text" }, problem || description)));
  }

  async #chooseTemplate(name) {
    this.#problem.textContent = "";
    if (!name) {
      this.#preview.fail("There is no template that can be used.");
      return;
    }
    await this.#ask(name, async (signal) => {
      const { series, points } = await template(name, signal);
      this.#points = points;
      this.#preview.show(series, "");
      this.#tell();
    });
  }

  async #offerPods() {
    const source = this.#fields.source.value;
    const { pods } = await clusterInfo(source).catch(() => ({ pods: [] }));
    if (source !== this.#fields.source.value) return;
    this.#podNames.replaceChildren(...pods.filter(({ virtual }) => !virtual).slice(0, MOST_OFFERED).map(({ namespace, name }) => h("option", { value: `${namespace}/${name}` })));
  }

  async #choosePod() {
    const [namespace, name] = this.#fields.load.value.split("/");
    this.#points = 0;
    if (!name) {
      this.#preview.fail("Choose a pod to see what it has used.");
      return;
    }
    const path = `/api/node/${encodeURIComponent(this.#fields.source.value)}/pod/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/timeseries`;
    await this.#ask(`${namespace}/${name}`, async (signal) => {
      const answers = await Promise.all(MEASURES.map((metric) => get(path, { metric, window: "15m" }, signal)));
      const values = ({ datasets }) => Object.values(datasets)[0]?.values ?? [];
      this.#preview.show(Object.fromEntries(MEASURES.map((metric, at) => [metric, values(answers[at])])), "What it has used in the last 15 minutes. The whole series is played.");
    });
  }

  /** Asks for a preview; only the answer for the newest choice is shown. */
  async #ask(what, act) {
    this.#asked?.abort();
    const request = new AbortController();
    this.#asked = request;
    this.#preview.wait();
    try {
      await act(request.signal);
    } catch (error) {
      if (!request.signal.aborted) this.#preview.fail(sentence(`No preview of ${what}: ${error.message}`));
    }
  }

  #tell() {
    if (this.#kind === "template" && this.#points) this.#preview.caption(lasting(this.#points, Number(this.#fields.interval.value), this.#loop.checked));
  }
}
