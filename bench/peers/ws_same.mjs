// The peer `ws` on Node with the hub's semantics: decode, validate, log, acknowledge, encode once, deliver.
import { WebSocket, WebSocketServer } from "ws";

const LOG_RECORDS = 1000;
const LAST_MS = 253402300799999;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const TEXT = { binary: false };

// A ring, since shift() on an array costs more than an append should.
class Log {
  head = 0;
  records = new Array(LOG_RECORDS);

  next() {
    return ++this.head;
  }

  keep(offset, encoded) {
    this.records[offset % LOG_RECORDS] = encoded;
  }
}

function isValid(message) {
  return (
    message !== null &&
    typeof message === "object" &&
    message.type === "text" &&
    typeof message.messageId === "string" &&
    UUID.test(message.messageId) &&
    Number.isInteger(message.timestamp) &&
    message.timestamp >= 0 &&
    message.timestamp <= LAST_MS &&
    typeof message.sender === "string" &&
    message.sender.length > 0 &&
    typeof message.channel === "string" &&
    message.channel.length > 0 &&
    message.channel.length <= 255 &&
    message.payload !== null &&
    typeof message.payload === "object" &&
    typeof message.payload.content === "string" &&
    message.payload.content.length <= 4096
  );
}

function parse(data) {
  try {
    return JSON.parse(data.toString());
  } catch {
    return null;
  }
}

const rooms = new Map();
const logs = new Map();
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), perMessageDeflate: false });

function publish(socket, room, data) {
  const message = parse(data);
  if (!isValid(message)) {
    socket.send('{"type":"error","reason":"invalid message"}');
    return;
  }
  const { messageId, sender, channel, payload } = message;
  let log = logs.get(channel);
  if (!log) logs.set(channel, (log = new Log()));
  const offset = log.next();
  const delivered = { type: "text", messageId, timestamp: Date.now(), sender, channel, offset, payload: { content: payload.content } };
  const encoded = Buffer.from(JSON.stringify(delivered));
  log.keep(offset, encoded);
  socket.send(JSON.stringify({ type: "ack", messageId, channel, offset }));
  for (const member of room) {
    if (member.readyState === WebSocket.OPEN) member.send(encoded, TEXT);
  }
}

server.on("connection", (socket, request) => {
  const name = request.url;
  let room = rooms.get(name);
  if (!room) rooms.set(name, (room = new Set()));
  room.add(socket);
  socket.send("joined");
  socket.on("message", (data) => publish(socket, room, data));
  socket.on("close", () => room.delete(socket));
});
