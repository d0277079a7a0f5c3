/** The history of the lab below the map: a track that rewinds the whole page, and plays it back. */

import { byId, h, setText } from "./dom.js";
import { dateTime, time } from "./format.js";
import { WINDOWS, customRange, labLoad, loadHistory, pointAt, rewind, windowFor } from "./history.js";
import { MEASURES, chosenMeasure } from "./measures.js";
import { isSerf } from "./nodes.js";
import { askForRange } from "./range_dialog.js";
import { Sparkline } from "./sparkline.js";

const SPEEDS = [1, 10, 60, 300];
const FRAME_MS = 250;
const LEAST_REFRESH_MS = 5000;
const CUSTOM = "custom";

export class Timeline {
  #onChange;
  #topology = null;
  #window = null;
  #at = null;
  #history = null;
  #error = null;
  #request = null;
  #refreshTimer = null;
  #player = null;
  #parts;
  #sparkline = new Sparkline();

  /**
   * `onChange({history, at}, {step})` when the user opens, moves or leaves the history; `step` is false for what is no step
   * of its own, such as each point while it plays. Also called, with null, when points have arrived that change what is
   * shown.
   */
  constructor({ onChange }) {
    this.#onChange = onChange;
    this.#parts = this.#build();
  }

  /** The topology as it is to be shown: rewound while a moment of the past is chosen. */
  shown(topology) {
    this.#topology = topology;
    if (this.#at === null) return topology;
    return rewind(topology, this.#history, this.#history ? pointAt(this.#history.timestamps, this.#at) : -1, this.#at);
  }

  /** Follows the view: `history` is the window, null while closed; `at` the moment, null while live. */
  show({ history, at }) {
    const window = history ?? (at === null ? null : (this.#window ?? windowFor(at)));
    this.#at = at;
    if (at === null) this.#pause();
    if (window !== this.#window) this.#open(window);
    this.#showPlace();
  }

  toggle() {
    this.#onChange({ history: this.#window === null ? WINDOWS[0].id : null, at: null }, { step: true });
    (this.#window === null ? byId("history-toggle") : this.#parts.track).focus();
  }

  /** Back to now; the track stays open. */
  live() {
    this.#pause();
    this.#onChange({ history: this.#window, at: null }, { step: true });
  }

  /** After a change of the measure. */
  restyle() {
    if (this.#history) this.#draw();
  }

  #build() {
    const play = h("button", { type: "button", id: "history-play", class: "icon-button", "aria-label": "Play", onclick: () => (this.#player ? this.#pause() : this.#play()) }, "▶");
    const speed = h("select", { id: "history-speed", "aria-label": "Speed" }, SPEEDS.map((factor) => h("option", { value: factor }, `${factor}×`)));
    speed.value = "60";
    const window = h("select", { id: "history-window", "aria-label": "Window", onchange: () => this.#chooseWindow(window.value) },
      WINDOWS.map(({ id, title }) => h("option", { value: id }, title)), h("option", { value: CUSTOM }, "Custom …"));
    const track = h("input", { type: "range", id: "history-track", min: 0, max: 1, step: 1, value: 1, "aria-label": "Moment that is shown", oninput: () => this.#scrub() });
    const [from, to, note] = [h("span"), h("span"), h("span", { class: "track-note", role: "status" })];
    const live = h("button", { type: "button", id: "history-live", onclick: () => this.live() }, "Live");
    const close = h("button", { type: "button", class: "icon-button", "aria-label": "Close the history", onclick: () => this.toggle() }, "✕");
    byId("history-toggle").addEventListener("click", () => this.toggle());
    byId("history").append(
      h("div", { class: "track-tools" }, play, speed),
      h("div", { class: "track" }, this.#sparkline.element, track, h("div", { class: "track-ends" }, from, note, to)),
      h("div", { class: "track-tools" }, window, live, close));
    return { play, speed, window, track, from, to, note, live };
  }

  #open(window) {
    this.#window = window;
    this.#history = null;
    this.#error = null;
    this.#pause();
    this.#request?.abort();
    clearTimeout(this.#refreshTimer);
    byId("history").hidden = window === null;
    byId("history-bar").classList.toggle("open", window !== null);
    byId("history-toggle").setAttribute("aria-expanded", String(window !== null));
    if (window === null) return;
    const custom = customRange(window);
    this.#parts.window.value = custom ? CUSTOM : window;
    this.#draw();
    this.#load();
  }

  async #load() {
    const request = new AbortController();
    this.#request = request;
    const serfs = this.#topology?.nodes.filter(isSerf).length ?? 0;
    try {
      this.#history = await loadHistory(this.#window, serfs, request.signal);
      this.#error = null;
    } catch (error) {
      if (request.signal.aborted) return;
      this.#error = error;
    }
    if (request.signal.aborted) return;
    this.#draw();
    if (this.#at !== null) this.#onChange(null, { step: false });
    // A fixed range that lies in the past does not change any more.
    const settled = !this.#error && customRange(this.#window)?.to < Date.now() / 1000 - 60;
    if (!settled) this.#refreshTimer = setTimeout(() => this.#refresh(), Math.max(LEAST_REFRESH_MS, 1000 * (this.#history?.step ?? 0)));
  }

  #refresh() {
    if (document.hidden) this.#refreshTimer = setTimeout(() => this.#refresh(), LEAST_REFRESH_MS);
    else this.#load();
  }

  #draw() {
    const measure = chosenMeasure();
    const { track, from, to } = this.#parts;
    const timestamps = this.#history?.timestamps ?? [];
    const values = this.#history ? labLoad(this.#history, measure) : [];
    const { title, text } = MEASURES[measure];
    this.#sparkline.draw(values, { title: `${title} of the lab`, text, least: measure === "power" ? 0 : 10 });
    track.max = String(Math.max(1, timestamps.length - 1));
    // While it loads it keeps the focus.
    track.disabled = this.#history !== null && timestamps.length < 2;
    this.#parts.play.disabled = timestamps.length < 2;
    const whole = timestamps.at(-1) - timestamps[0] > 43200 ? dateTime : time;
    setText(from, timestamps.length ? whole(timestamps[0]) : "");
    setText(to, timestamps.length ? whole(timestamps.at(-1)) : "");
    byId("history").setAttribute("aria-busy", String(this.#history === null && this.#error === null));
    this.#showNote(values);
    this.#showPlace();
  }

  #showNote(values) {
    const { earliest, from } = this.#history ?? {};
    const { note } = this.#parts;
    note.classList.toggle("failed", this.#error !== null);
    if (this.#error) setText(note, `${this.#error.message} Trying again.`);
    else if (!this.#history) setText(note, "Loading the history …");
    else if (values.every((value) => value === null)) setText(note, `Prometheus has no sample at these moments.${earliest ? ` The oldest is of ${dateTime(earliest)}.` : ""}`);
    else if (earliest && earliest > from) setText(note, `The oldest sample is of ${time(earliest)}.`);
    else setText(note, `${MEASURES[chosenMeasure()].title} of the lab`);
  }

  /** Brings slider, buttons and banner up to the moment that is shown. */
  #showPlace() {
    const { track, live } = this.#parts;
    const timestamps = this.#history?.timestamps ?? [];
    const index = this.#at === null ? timestamps.length - 1 : Math.max(0, pointAt(timestamps, this.#at));
    if (document.activeElement !== track || Number(track.value) !== index) track.value = String(index);
    track.setAttribute("aria-valuetext", this.#at === null ? "now, live" : dateTime(this.#at));
    this.#sparkline.mark(timestamps.length > 1 && this.#at !== null ? index / (timestamps.length - 1) : null);
    live.setAttribute("aria-pressed", String(this.#at === null));
    byId("past").hidden = this.#at === null;
    document.body.classList.toggle("in-the-past", this.#at !== null);
    if (this.#at !== null) setText(byId("past-time"), today(this.#at) ? time(this.#at) : dateTime(this.#at));
  }

  #scrub() {
    this.#pause();
    if (this.#history) this.#goTo(Number(this.#parts.track.value));
  }

  /** Shows a point; the newest one of a window that ends now is now itself. */
  #goTo(index) {
    const { timestamps } = this.#history;
    const now = index >= timestamps.length - 1 && !customRange(this.#window);
    this.#onChange({ history: this.#window, at: now ? null : timestamps[Math.min(index, timestamps.length - 1)] }, { step: false });
  }

  #play() {
    if (!this.#history) return;
    const { timestamps } = this.#history;
    let place = this.#at === null || this.#at >= timestamps.at(-1) ? timestamps[0] : this.#at;
    this.#goTo(Math.max(0, pointAt(timestamps, place)));
    let last = performance.now();
    this.#player = setInterval(() => {
      const now = performance.now();
      place += (Number(this.#parts.speed.value) * (now - last)) / 1000;
      last = now;
      const index = pointAt(this.#history.timestamps, place);
      const ended = index >= this.#history.timestamps.length - 1;
      if (ended) this.#pause();
      if (ended || this.#history.timestamps[index] > this.#at) this.#goTo(Math.max(0, index));
    }, FRAME_MS);
    this.#showPlaying(true);
  }

  #pause() {
    if (!this.#player) return;
    clearInterval(this.#player);
    this.#player = null;
    this.#showPlaying(false);
  }

  #showPlaying(playing) {
    setText(this.#parts.play, playing ? "⏸" : "▶");
    this.#parts.play.setAttribute("aria-label", playing ? "Pause" : "Play");
  }

  async #chooseWindow(id) {
    if (id !== CUSTOM) return this.#onChange({ history: id, at: null }, { step: true });
    const { from, to } = customRange(this.#window) ?? { from: this.#history?.from, to: this.#history?.to };
    const range = await askForRange({ from, to, earliest: this.#history?.earliest ?? null });
    if (range) this.#onChange({ history: `${range.from}-${range.to}`, at: range.from }, { step: true });
    else this.#parts.window.value = customRange(this.#window) ? CUSTOM : this.#window;
    return undefined;
  }
}

const today = (seconds) => new Date(seconds * 1000).toDateString() === new Date().toDateString();
