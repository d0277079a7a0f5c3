/** The time of the viewer's machine: transfers begin and end by its clock, not by the browser's. */

// A smaller difference is the way of a document to here, which only makes the viewer's time look earlier than it is.
const SLACK = 5;

let [ahead, newest] = [null, null];

/** `generatedAt`: the time of a document when it arrives, in seconds since the epoch; the same one again says nothing. */
export function setServerTime(generatedAt) {
  if (!Number.isFinite(generatedAt) || generatedAt === newest) return;
  newest = generatedAt;
  const difference = generatedAt - Date.now() / 1000;
  if (ahead === null || difference > ahead || difference < ahead - SLACK) ahead = difference;
}

/** Seconds since the epoch, as the viewer's machine counts them. */
export const serverNow = () => Date.now() / 1000 + (ahead ?? 0);

/** How much of a transfer is done, 0 to 1. */
export const shareOf = ({ started, seconds }) => (seconds > 0 ? Math.min(1, Math.max(0, (serverNow() - started) / seconds)) : 1);
