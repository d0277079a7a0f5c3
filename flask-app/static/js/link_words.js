/** What is said of a link: what is in force on it, where that comes from, and what passes its interfaces. */

const STATES = { up: "Up", down: "Down", absent: "An end is not up" };
const ENDS = { up: "up", down: "down", missing: "missing" };
const SOURCES = {
  none: "", label: "as its labels in the topology file say", set: "set for this lab", netem: "by netem, at both ends",
};
const PREFIXES = ["", "k", "M", "G", "T"];

const figure = (value) => value.toLocaleString("en", { maximumSignificantDigits: 4 });

/** Bits a second for people: 1e8 → "100 Mbit/s". */
export function bits(rate) {
  const step = Math.min(PREFIXES.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, rate)) / 3)));
  return `${figure(rate / 1000 ** step)} ${PREFIXES[step]}bit/s`;
}

/** Seconds for people: 0.02 → "20 ms". */
export function milliseconds(seconds) {
  return seconds >= 1 ? `${figure(seconds)} s` : `${figure(seconds * 1000)} ms`;
}

/** A value of a link as it is typed into the form: `20ms`, `1%`, `100mbit`; "" for none. */
export function typed({ delay, jitter, loss, rate }) {
  const time = (seconds) => (seconds ? `${Number((seconds * 1000).toPrecision(6))}ms` : "");
  const step = rate ? [1e9, 1e6, 1e3, 1].find((size) => rate >= size) ?? 1 : 1;
  return {
    delay: time(delay), jitter: time(jitter), loss: loss ? `${Number(loss.toPrecision(6))}%` : "",
    rate: rate ? `${Number((rate / step).toPrecision(6))}${{ 1e9: "gbit", 1e6: "mbit", 1e3: "kbit", 1: "bit" }[step]}` : "",
  };
}

/** What is in force, short enough for the middle of an edge: "20 ms · 1 % · 100 Mbit/s"; "" for nothing. */
export function shortWords({ delay, loss, rate }) {
  return [delay ? milliseconds(delay) : "", loss ? `${figure(loss)} %` : "", rate ? bits(rate) : ""].filter(Boolean).join(" · ");
}

/** The same in words. */
export function words({ delay, jitter, loss, rate }) {
  const parts = [
    delay ? `${milliseconds(delay)} delay${jitter ? ` ± ${milliseconds(jitter)}` : ""}` : "",
    loss ? `${figure(loss)} % loss` : "", rate ? bits(rate) : "",
  ];
  return parts.filter(Boolean).join(", ") || "No delay, no loss, no limit";
}

export const sourceWords = ({ source }) => SOURCES[source] ?? source;

export function stateWords({ state, endpoints }) {
  const interfaces = endpoints.filter((end) => end.state === "down" || end.state === "missing");
  if (state === "down" && interfaces.length > 0) return `Down: ${interfaces.map((end) => `${end.node}:${end.interface} is ${ENDS[end.state]}`).join(", ")}`;
  return state === "down" ? "Down: an end does not answer" : STATES[state] ?? state;
}

/** What passes an interface: "in 1.2 kbit/s, out 300 bit/s"; "" where it is not known. */
export function traffic({ rx_rate: rx, tx_rate: tx }) {
  return rx === null || rx === undefined ? "" : `in ${bits(rx)}, out ${bits(tx)}`;
}

/** What of a link is worth drawing anew; what passes it changes all the time. */
export const linkKey = ({ id, state, delay, jitter, loss, rate, source }) => [id, state, delay, jitter, loss, rate, source];
