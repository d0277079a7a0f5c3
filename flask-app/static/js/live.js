/**
 * The state of the lab as it changes: the only place that knows how it gets here. The viewer streams it (server-sent
 * events); where streams are refused or held back on their way, the page polls and tries the stream again later.
 *
 * Listeners get `{topology, error, staleSince, mode}`. `error` says what is wrong, `staleSince` (seconds since the epoch)
 * since when `topology` is an old one because of it. `mode`: `connecting`, `stream`, `polling`, `reconnecting`, `stale`.
 */

import { ApiError, topology as fetchTopology } from "./api.js";

const POLL_MS = 2500;
const LONGEST_POLL_MS = 10000;
// The viewer sends something every 5 s at least.
const SILENCE_MS = 12000;
const FIRST_EVENT_MS = 5000;
// So long a break of the stream is nobody's concern: the browser is back before one has read a notice.
const GRACE_MS = 3000;
const STREAM_AGAIN_MS = [15000, 60000, 300000];

/** A topology with a delta of the stream applied: whole entries replaced by name or id. */
export function applyDelta(topology, { nodes = [], links = [], ...rest }) {
  const replace = (entries, changed, key) => {
    if (changed.length === 0) return entries;
    const byKey = new Map(changed.map((entry) => [entry[key], entry]));
    return entries.map((entry) => byKey.get(entry[key]) ?? entry);
  };
  return { ...topology, ...rest, nodes: replace(topology.nodes, nodes, "name"), links: replace(topology.links, links, "id") };
}

export class Live {
  #listeners = new Set();
  #source = null;
  #lastId = "";
  #heard = 0;
  #refusals = 0;
  #failures = 0;
  #timers = { silence: null, grace: null, poll: null, stream: null };
  #request = null;
  #version = null;
  state = { topology: null, error: null, staleSince: null, mode: "connecting" };

  /** Tells a listener the state, now and whenever it changes; what it returns ends that. */
  subscribe(listener) {
    this.#listeners.add(listener);
    if (this.state.topology || this.state.error) listener(this.state);
    return () => void this.#listeners.delete(listener);
  }

  start() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#rest() : this.#openStream()));
    // Also in a tab that is opened in the background: its title and first picture are there when it is looked at.
    this.#openStream();
  }

  #tell(change) {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener(this.state);
  }

  /** Nobody sees a hidden page: it costs nothing, and catches up the moment that it is shown. */
  #rest() {
    this.#closeStream();
    this.#stopPolling();
    clearTimeout(this.#timers.stream);
    if (this.state.topology) this.#tell({ mode: "reconnecting" });
  }

  #openStream() {
    this.#closeStream();
    clearTimeout(this.#timers.stream);
    const source = new EventSource(this.#lastId ? `/api/events?last_event_id=${encodeURIComponent(this.#lastId)}` : "/api/events");
    this.#source = source;
    const on = (name, act) => source.addEventListener(name, (event) => this.#onEvent(event, act));
    on("topology", (topology) => ({ topology, error: null, staleSince: null }));
    on("delta", (delta) => (this.state.topology ? { topology: applyDelta(this.state.topology, delta), error: null, staleSince: null } : {}));
    on("problem", (data) => ({ error: new ApiError(data.error ?? data), staleSince: this.state.staleSince ?? this.#since() }));
    on("ping", () => {});
    source.addEventListener("error", () => this.#onBreak(source));
    this.#expect(FIRST_EVENT_MS);
  }

  #onEvent(event, act) {
    const change = act(JSON.parse(event.data)) ?? {};
    if (event.lastEventId) this.#lastId = event.lastEventId;
    // A ping after a break: what is shown is what there is, unless the viewer itself said otherwise.
    const mended = this.state.error?.code === "unreachable" ? { error: null, staleSince: null } : {};
    this.#heard = Date.now();
    this.#refusals = 0;
    this.#stopPolling();
    this.#endGrace();
    this.#expect(SILENCE_MS);
    if (this.state.mode !== "stream" || Object.keys(change).length > 0) this.#tell({ ...mended, ...change, mode: "stream" });
  }

  /** The stream has ended or was never let in. While the browser tries again by itself, this only watches the time. */
  #onBreak(source) {
    if (source !== this.#source) return;
    if (source.readyState === EventSource.CLOSED) {
      this.#refused();
      return;
    }
    if (this.state.mode === "stream") this.#tell({ mode: "reconnecting" });
    // Each try of the browser comes here again: the first break counts.
    this.#timers.grace ??= setTimeout(() => this.#poll(), GRACE_MS);
  }

  /** No stream for now: poll, and try it again after a while that grows. */
  #refused() {
    this.#closeStream();
    const wait = STREAM_AGAIN_MS[Math.min(this.#refusals, STREAM_AGAIN_MS.length - 1)];
    this.#refusals += 1;
    clearTimeout(this.#timers.stream);
    this.#timers.stream = setTimeout(() => this.#openStream(), wait);
    this.#poll();
  }

  #expect(milliseconds) {
    clearTimeout(this.#timers.silence);
    this.#timers.silence = setTimeout(() => {
      if (this.state.mode === "stream") this.#tell({ mode: "stale", error: this.state.error ?? new ApiError({ message: "The viewer has fallen silent." }), staleSince: this.state.staleSince ?? this.#since() });
      this.#refused();
    }, milliseconds);
  }

  #closeStream() {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#timers.silence);
    this.#endGrace();
  }

  #endGrace() {
    clearTimeout(this.#timers.grace);
    this.#timers.grace = null;
  }

  #stopPolling() {
    clearTimeout(this.#timers.poll);
    this.#request?.abort();
    this.#request = null;
    this.#failures = 0;
  }

  async #poll() {
    clearTimeout(this.#timers.poll);
    this.#request?.abort();
    const request = new AbortController();
    this.#request = request;
    try {
      const answer = await fetchTopology(this.#version, request.signal);
      if (request.signal.aborted) return;
      this.#onAnswer(answer);
    } catch (error) {
      if (request.signal.aborted) return;
      this.#failures += 1;
      this.#tell({ error, staleSince: this.state.staleSince ?? this.#since(), mode: this.state.topology ? "stale" : "reconnecting" });
    }
    const wait = Math.min(POLL_MS * 2 ** Math.max(0, this.#failures - 1), LONGEST_POLL_MS);
    this.#timers.poll = setTimeout(() => this.#poll(), wait);
  }

  #onAnswer(answer) {
    this.#heard = Date.now();
    if (answer) this.#version = answer.version ?? null;
    // Null: the viewer says that nothing has changed.
    this.#tell({ topology: answer ?? this.state.topology, error: null, staleSince: null, mode: "polling" });
    // It is back after a break, so its streams may be, too.
    if (this.#failures > 0 && this.#source === null) this.#timers.stream = setTimeout(() => this.#openStream(), 0);
    this.#failures = 0;
  }

  #since() {
    return this.#heard ? this.#heard / 1000 : null;
  }
}
