import type { Socket, SocketFactory } from "hubbub";

const NETWORK_LOST = 1006;
/** The page's own code: the hub and the client take it for the network. */
const PULLED = 4000;

/** Where the connection can be pulled out, to see that nothing is lost. */
export class Plug {
  #pulled = false;
  readonly #sockets = new Set<WebSocket>();

  get pulled(): boolean {
    return this.#pulled;
  }

  readonly open: SocketFactory = (url, subprotocols) => {
    if (this.#pulled) return deadSocket();
    const socket = new WebSocket(url, subprotocols);
    this.#sockets.add(socket);
    socket.addEventListener("close", () => this.#sockets.delete(socket));
    return socket;
  };

  /** Ends what is open, and lets nothing else through. */
  pull(): void {
    this.#pulled = true;
    for (const socket of this.#sockets) socket.close(PULLED, "pulled out");
  }

  putBack(): void {
    this.#pulled = false;
  }
}

/** A socket over a network that is not there. */
function deadSocket(): Socket {
  const socket: Socket = {
    readyState: WebSocket.CLOSED,
    onopen: null,
    onmessage: null,
    onclose: null,
    send: () => undefined,
    close: () => undefined,
  };
  setTimeout(() => (socket.onclose as ((event: CloseEvent) => void) | null)?.(new CloseEvent("close", { code: NETWORK_LOST })));
  return socket;
}
