/** An answer of the API made into what a chart draws: lines, a difference around zero, or areas that add up. */

import { shapeOf } from "./chart_question.js";

const UNITS = { percent: "%", watts: "W", millicores: "m", Mi: "Mi", cores: "cores" };
const OWN = {
  emulated_node: { name: "Emulated", colour: "emulated" },
  emulated_pod: { name: "Emulated", colour: "emulated" },
  real_node: { name: "Real", colour: "real", dash: [6, 4] },
};
// The second half of the palette is also dashed (chart.css has the colours).
const HUES = 6;
const DASHES = [undefined, [7, 4]];

const palette = (at) => ({ colour: `series-${(at % (2 * HUES)) + 1}`, dash: DASHES[Math.floor(at / HUES) % 2] });

/**
 * `{metric, unit, from, to, timestamps, lines, stacked, signed, comparison}`; each line is `{id, name, colour, dash, values}`
 * with one value or null (a gap) for each timestamp. `signed`: values lie on both sides of zero.
 */
export function seriesOf(answer, choice) {
  const shape = shapeOf(choice, answer.metric);
  const entries = Object.entries(answer.datasets);
  if (answer.other) entries.push(["other", answer.other]);
  const timestamps = entries[0]?.[1].timestamps ?? [];
  const stacked = shape === "namespace" || shape === "pod";
  const lines = shape === "difference"
    ? [difference(answer.datasets)]
    : entries.map(([id, { values }], at) => ({ id, values, ...(OWN[id] ?? { name: id, ...palette(at) }) }));
  if (stacked) for (const line of lines) delete line.dash;
  const other = lines.find(({ id }) => id === "other");
  if (other) Object.assign(other, { name: "All others", colour: "none" });
  const unit = UNITS[answer.unit] ?? answer.unit;
  return {
    metric: answer.metric,
    unit: shape === "difference" && unit === "%" ? "% points" : unit,
    from: answer.from ?? timestamps[0] ?? 0,
    to: answer.to ?? timestamps.at(-1) ?? 1,
    timestamps, lines, stacked,
    signed: shape === "difference",
    comparison: answer.comparison ?? null,
  };
}

function difference({ emulated_node: emulated, real_node: real }) {
  const values = emulated.values.map((value, at) => (known(value) && known(real.values[at]) ? value - real.values[at] : null));
  return { id: "difference", name: "Emulated − real", colour: "emulated", values };
}

export const known = (value) => value !== null && value !== undefined;

/** Values on top of each other, line by line; where every line has a gap, so has the pile. */
export function pile(lines, length) {
  const height = new Array(length).fill(0);
  const gaps = sums(lines, length).map((value) => value === null);
  return lines.map(({ values }) => values.map((value, at) => {
    height[at] += value ?? 0;
    return gaps[at] ? null : height[at];
  }));
}

/** The sum of all lines at each point; null where none has a value. */
export function sums(lines, length) {
  return Array.from({ length }, (_, at) => (lines.some(({ values }) => known(values[at])) ? lines.reduce((sum, { values }) => sum + (values[at] ?? 0), 0) : null));
}

/** Mean and maximum over the known values; null where there are none. */
export function statistics(values) {
  const present = values.filter(known);
  if (present.length === 0) return { mean: null, max: null };
  return { mean: present.reduce((sum, value) => sum + value, 0) / present.length, max: Math.max(...present) };
}
