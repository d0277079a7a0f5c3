/** The REST API; every failure becomes an `ApiError` with a message and a hint for people. */

const TIMEOUT_MS = 15000;

export class ApiError extends Error {
  constructor({ status = 0, code = "unreachable", message, hint = "", details = {} }) {
    super(message);
    Object.assign(this, { status, code, hint, details });
  }
}

/** GETs JSON. An aborted `signal` rejects with the browser's own AbortError. */
export async function get(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams(parameters).toString();
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response;
  try {
    response = await fetch(query ? `${path}?${query}` : path, {
      headers: { Accept: "application/json" },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError({ message: "The viewer does not answer.", hint: "`serflab status` shows whether it runs." });
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  const error = body?.error ?? { status: response.status, code: "fault", message: `The viewer answered ${response.status}.` };
  throw new ApiError(error);
}

const segment = encodeURIComponent;

export const topology = () => get("/api/topology");
export const clusterInfo = (node, signal) => get(`/api/node/${segment(node)}/cluster-info`, {}, signal);

/** Series of a serf, or of one of its pods when `pod` is `{namespace, name}`. */
export function series({ node, pod, metric, window }, signal) {
  const subject = pod ? `/pod/${segment(pod.namespace)}/${segment(pod.name)}` : "";
  return get(`/api/node/${segment(node)}${subject}/timeseries`, { metric, window }, signal);
}
