// The peer Socket.IO on Node: `emit` to a room, without acknowledgements.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false });

io.on("connection", (socket) => {
  const room = socket.handshake.query.room;
  socket.join(room);
  socket.emit("joined");
  socket.on("message", (text) => io.to(room).emit("message", text));
});

http.listen(Number(process.argv[2]), "127.0.0.1");
