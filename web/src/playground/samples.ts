import { newMessageId } from "hubbub";
import type { ProtocolMessage } from "hubbub/protocol";

/** What a client may send, as the types of the protocol have it. */
type Sample = (user: string) => ProtocolMessage;

const ROOM = "room:playground";
const asked = (): { messageId: string } => ({ messageId: newMessageId() });
const written = (sender: string): { messageId: string; timestamp: number; sender: string } => ({
  ...asked(),
  timestamp: Date.now(),
  sender,
});

/** One of every kind that a client says, grouped. */
export const SAMPLES: Readonly<Record<string, Readonly<Record<string, Sample>>>> = {
  Session: {
    hello: (user) => ({ type: "hello", version: "1.2", ...asked(), payload: { user } }),
    ping: () => ({ type: "ping", ...asked() }),
  },
  Rooms: {
    join: (user) => ({ type: "command", ...written(user), channel: ROOM, payload: { action: "join" } }),
    text: (user) => ({ type: "text", ...written(user), channel: ROOM, payload: { content: "Hello from the playground" } }),
    image: (user) => ({
      type: "image",
      ...written(user),
      channel: ROOM,
      payload: { url: "https://example.org/a.png", width: 640, height: 480 },
    }),
    file: (user) => ({
      type: "file",
      ...written(user),
      channel: ROOM,
      payload: { url: "https://example.org/a.pdf", size: 12_345, mimeType: "application/pdf" },
    }),
    history: () => ({ type: "history", ...asked(), channel: ROOM, payload: { limit: 10 } }),
    presence: () => ({ type: "presence", ...asked(), channel: ROOM }),
    leave: (user) => ({ type: "command", ...written(user), channel: ROOM, payload: { action: "leave" } }),
  },
  Topics: {
    subscribe: () => ({ type: "subscribe", ...asked(), channel: "topic:news.*", payload: {} }),
    "subscribe, with acks": () => ({ type: "subscribe", ...asked(), channel: "topic:news.*", payload: { ack: true } }),
    publish: (user) => ({ type: "text", ...written(user), channel: "topic:news.uk", payload: { content: "It hails" } }),
    unsubscribe: () => ({ type: "unsubscribe", ...asked(), channel: "topic:news.*" }),
  },
};

/** What a server must not be harmed by. It answers with a numbered error, and the connection stays. */
export const BROKEN: Readonly<Record<string, (user: string) => string>> = {
  "no JSON": () => "{ this is no JSON",
  "no type": () => JSON.stringify({ messageId: newMessageId() }, null, 2),
  "a room one is not in": (user) =>
    JSON.stringify({ type: "text", ...written(user), channel: "room:elsewhere", payload: { content: "?" } }, null, 2),
  "somebody else's name": (user) =>
    JSON.stringify({ type: "text", ...written(`not ${user}`), channel: ROOM, payload: { content: "?" } }, null, 2),
};
