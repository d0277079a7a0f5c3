/** Numbers and times as people read them. */

const MISSING = "–";
// Of CPU, where no others are given (docs/viewer.md).
const THRESHOLDS = [20, 60];

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat([], { year: "numeric", month: "2-digit", day: "2-digit" });

function digits(value, decimals) {
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** 4.27 → "4.3", 42.7 → "43", 1234.5 → "1,235". */
export function number(value) {
  if (value === null || value === undefined) return MISSING;
  return digits(value, Math.abs(value) < 10 ? 1 : 0);
}

/** A value in a chart, with three digits or more: 0.046 → "0.05", 4.2 → "4.20", 42.71 → "42.7", −1234 → "−1,234". */
export function figure(value) {
  if (value === null || value === undefined) return MISSING;
  const size = Math.abs(value);
  const decimals = size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
  const text = digits(size, decimals);
  return value < 0 && Number(text.replaceAll(",", "")) > 0 ? `−${text}` : text;
}

function withUnit(value, unit) {
  return value === null || value === undefined ? MISSING : `${number(value)} ${unit}`;
}

/** A load without its unit; near a colour's threshold with a decimal, so that no green serf is said to be at 20. */
export function load(value, thresholds = THRESHOLDS) {
  if (value === null || value === undefined) return MISSING;
  const close = thresholds.some((threshold) => Math.abs(value - threshold) < 0.5);
  return digits(value, close || value < 10 ? 1 : 0);
}

export const percent = (value, thresholds) => (value === null || value === undefined ? MISSING : `${load(value, thresholds)} %`);
export const watts = (value) => withUnit(value, "W");

/** Mi as Mi or Gi. */
export function memory(mi) {
  if (mi === null || mi === undefined) return MISSING;
  return mi >= 1024 ? `${number(mi / 1024)} Gi` : `${number(mi)} Mi`;
}

/** Millicores as m or cores. */
export function cpu(millicores) {
  if (millicores === null || millicores === undefined) return MISSING;
  return millicores >= 10000 ? `${number(millicores / 1000)} cores` : `${number(millicores)} m`;
}

/** Seconds since the epoch as the time of day. */
export function time(seconds) {
  return clock.format(new Date(seconds * 1000));
}

/** Seconds since the epoch as day and time of day. */
export function dateTime(seconds) {
  return `${day.format(new Date(seconds * 1000))} ${time(seconds)}`;
}

/** "2026-11-22T05:16:38Z", or milliseconds since the epoch, → "3 h". */
export function age(timestamp, now = Date.now()) {
  const seconds = Math.max(0, (now - new Date(timestamp).getTime()) / 1000);
  if (!Number.isFinite(seconds)) return MISSING;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
}

/** A text of the API as a sentence, "" for none: "no such pod" → "No such pod."; "vp-001 runs" begins with a name, which stays. */
export function sentence(text) {
  if (!text) return "";
  const begun = text.replace(/^[a-z]+(?=[ ,])/, (word) => `${word[0].toUpperCase()}${word.slice(1)}`);
  return `${begun}${/[.?!…]$/.test(begun) ? "" : "."}`;
}

export { MISSING };
