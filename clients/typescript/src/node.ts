import type { Socket, SocketFactory } from "./connection.js";

/** However long the server says: a mistyped header does not keep a client away for a day. */
const LONGEST_MS = 300_000;

/** What is used of the `ws` package beside what a browser's WebSocket has. */
interface NodeSocket {
  on(event: "error", heard: () => void): unknown;
  on(event: "unexpected-response", heard: (request: Request, answer: Answer) => void): unknown;
}

interface Request {
  destroy(): unknown;
}

interface Answer {
  readonly statusCode?: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
}

/**
 * The option `webSocket` for Node, made of the `WebSocket` of the `ws` package: a server that is not there does not end
 * the process, and one that refuses the upgrade, since it is full, is not asked again before it says
 * (`Retry-After`, 5 minutes at most). Browsers, and Node's own WebSocket, tell nobody of that header.
 */
export function webSocketOf(make: new (url: string, subprotocols: string[]) => NodeSocket): SocketFactory {
  return (url, subprotocols) => {
    const made = new make(url, subprotocols);
    const socket = made as unknown as Socket;
    // What is to be said of an error comes with `close`; but one that nobody hears ends the process.
    made.on("error", () => undefined);
    made.on("unexpected-response", (request, { statusCode, headers }) => {
      request.destroy();
      const retryAfterMs = millisecondsOf(headers["retry-after"]);
      const reason = `the upgrade was refused with HTTP ${statusCode ?? 0}`;
      const closing = { code: retryAfterMs === undefined ? 1006 : 1013, reason, retryAfterMs };
      (socket.onclose as ((event: typeof closing) => void) | null)?.(closing);
    });
    return socket;
  };
}

/** Of a Retry-After header: seconds, or a date (RFC 9110 section 10.2.3). */
function millisecondsOf(header: unknown): number | undefined {
  const text = typeof header === "string" ? header.trim() : "";
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return /^[-+.]|^$/.test(text) || Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_MS);
}
