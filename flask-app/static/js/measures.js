/** The four measures of a serf's load, and the one by which the page is coloured now, with its thresholds. */

import { load, percent, watts } from "./format.js";

const percentage = { unit: "%", text: percent, share: (value) => value };

/**
 * By id: `title`, `unit`, `text(value, thresholds)` for people, `share(value, thresholds)`: how much of a ring is filled, in
 * percent. Power has no whole: its ring is the share of the threshold above which it is red.
 */
export const MEASURES = {
  cpu: { title: "CPU", ...percentage },
  memory: { title: "Memory", ...percentage },
  psi: { title: "PSI", ...percentage },
  power: { title: "Power", unit: "W", text: (value, thresholds) => (thresholds ? withWatts(value, thresholds) : watts(value)), share: (value, [, red]) => (100 * value) / red },
};

// Those of a viewer that gives none: below the first green, up to the second amber, above red.
const DEFAULT_THRESHOLDS = { cpu: [20, 60], memory: [50, 80], psi: [5, 20], power: [50, 100] };

const scale = { measure: "cpu", thresholds: DEFAULT_THRESHOLDS };

function withWatts(value, thresholds) {
  return value === null || value === undefined ? watts(value) : `${load(value, thresholds)} W`;
}

/** The measure that gives the colours, rings and numbers now. */
export const chosenMeasure = () => scale.measure;

export function chooseMeasure(id) {
  scale.measure = id in MEASURES ? id : "cpu";
}

/** `thresholds` of a topology document, `{cpu: [20, 60], …}`; what it lacks keeps the default. */
export function setThresholds(thresholds) {
  scale.thresholds = { ...DEFAULT_THRESHOLDS, ...thresholds };
}

/** `[first, second]` of a measure, in its unit. */
export const thresholdsOf = (measure = scale.measure) => scale.thresholds[measure];

/** green, amber or red for a value of a measure; none where no value is known. */
export function levelOfValue(value, [first, second]) {
  if (value === null || value === undefined) return "none";
  if (value < first) return "green";
  return value <= second ? "amber" : "red";
}

/** The levels of a measure in words, in the order of the legend: `[{id, name}]`. */
export function levels(measure = scale.measure, [first, second] = thresholdsOf(measure)) {
  const { unit } = MEASURES[measure];
  return [
    { id: "green", name: `under ${first} ${unit}` },
    { id: "amber", name: `${first} – ${second} ${unit}` },
    { id: "red", name: `over ${second} ${unit}` },
    { id: "none", name: "no load" },
  ];
}
