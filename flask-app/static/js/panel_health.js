/** The health of a serf's own programs, in plain words: what is wrong, and what to do about it. */

import { serfHealth } from "./api.js";
import { h } from "./dom.js";
import { MISSING, number, time } from "./format.js";
import { AnswerTab } from "./panel_answer.js";
import { facts } from "./panel_parts.js";

const BADGES = { good: "state-ready", warning: "state-connecting", bad: "state-unreachable", unknown: "" };

export class HealthTab extends AnswerTab {
  constructor() {
    super(serfHealth);
  }

  draw(answer) {
    return [apiServer(answer), exporter(answer), replay(answer)].map(card);
  }
}

/** What to tell of the API server: `{title, grade, state, words, advice, facts}`. */
export function apiServer({ node, api_server: { state, version, stale_since: stale, message } }) {
  const about = { title: "API server", facts: [["Version", version], ["Message", message]] };
  if (state === "ready" && !stale) return { ...about, grade: "good", state: "Ready", words: "It answers, and the viewer follows its changes.", advice: "" };
  if (state === "connecting") return { ...about, grade: "warning", state: "Connecting", words: "The viewer has not heard from it yet.", advice: "This takes a few seconds after a start." };
  const since = stale ? ` since ${time(stale)}` : "";
  return { ...about, grade: "bad", state: "Unreachable", words: `It has not answered${since}. Nodes, pods and events are those from before.`, advice: `\`serflab status\` shows whether it runs; its log is ${node}/logs/kube-apiserver.log in the lab's state directory.` };
}

/** What to tell of the exporter. */
export function exporter({ node, exporter: { up, url, stale_since: stale, scrape_seconds: seconds, samples } }) {
  const about = {
    title: "Exporter",
    facts: [["Address", url], ["Latest scrape", seconds === null ? null : `${number(seconds * 1000)} ms`], ["Samples", samples === null ? null : samples.toLocaleString("en")]],
  };
  if (up === true && !stale) return { ...about, grade: "good", state: "Up", words: "Prometheus scrapes it, and what it shows is current.", advice: "" };
  if (up === true) return { ...about, grade: "warning", state: "Stale", words: `Prometheus scrapes it, but has had no current load from it since ${time(stale)}.`, advice: "Look at the replay below." };
  if (up === false) {
    return { ...about, grade: "bad", state: "Down", words: `Prometheus cannot scrape it${stale ? `; the last load is from ${time(stale)}` : ""}. Charts have a gap from then on.`, advice: `The supervisor starts it again by itself; if it stays down, its log is ${node}/logs/exporter.log.` };
  }
  return { ...about, grade: "unknown", state: "Unknown", words: "Prometheus does not say whether it can be scraped.", advice: "Check whether Prometheus runs: `serflab status`." };
}

/** What to tell of the replay. */
export function replay({ node, replay: found }) {
  const { state, tick, points, time_index: index, lag_seconds: lag, interval_seconds: interval, patches_total: patches, patch_failures_total: failures, skipped_ticks_total: skipped, missing_pods: missing } = found;
  const point = index !== null && index !== undefined && index >= 0 ? `${index + 1}${points ? ` of ${points}` : ""}` : null;
  const count = (value) => (value === null || value === undefined ? null : value.toLocaleString("en"));
  const about = {
    title: "Replay",
    facts: [
      ["Tick", count(tick)], ["Point of the trace", point], ["Interval", interval === null ? null : `${number(interval)} s`],
      ["Lag", lag === null ? null : `${lag.toLocaleString("en", { maximumFractionDigits: 2 })} s`],
      ["Patches", count(patches)], ["Failed patches", count(failures)], ["Skipped ticks", count(skipped)], ["Missing pods", count(missing)],
    ],
  };
  const troubles = [];
  if (failures > 0) troubles.push(`${count(failures)} patches have failed since it started: the pods concerned kept older values until the next tick.`);
  if (skipped > 0) troubles.push(`${count(skipped)} ticks were skipped to catch up since it started.`);
  if (missing > 0) troubles.push(`${count(missing)} pods of the config are not there: \`create_resources.py\` makes them anew.`);
  if (state === "stopped") {
    return { ...about, grade: "bad", state: "Stopped", words: ["The exporter sees no live replay: the values stand still.", ...troubles].join(" "), advice: `The supervisor starts it again by itself; if it stays stopped, its log is ${node}/logs/replay.log.` };
  }
  if (state === "late") {
    return { ...about, grade: "warning", state: "Late", words: [`Its latest tick is ${number(lag)} s behind, more than one interval.`, ...troubles].join(" "), advice: "The machine or the API server is busy. A longer SERFLAB_INTERVAL, fewer serfs or `--mode clock` make it easier." };
  }
  if (state === "playing") {
    // Ticks that were skipped once are a fact of the past: a replay that has caught up plays well.
    return { ...about, grade: failures > 0 || missing > 0 ? "warning" : "good", state: "Playing", words: ["It plays on time.", ...troubles].join(" "), advice: "" };
  }
  return { ...about, grade: "unknown", state: "Unknown", words: "Only the exporter knows how the replay is doing, and it does not answer Prometheus.", advice: "Look at the exporter above." };
}

function card({ title, grade, state, words, advice, facts: entries }) {
  return h("section", { class: `health-card ${grade}`, "data-part": title },
    h("div", { class: "section-head" }, h("h3", {}, title), h("span", { class: `badge ${BADGES[grade]}` }, state || MISSING)),
    h("p", {}, words), advice ? h("p", { class: "advice" }, "What to do: ", ...code(advice)) : null, facts(entries));
}

/** A text in which `backquotes` mark what is typed. */
function code(text) {
  return text.split("`").map((part, at) => (at % 2 ? h("code", {}, part) : part));
}
