import "./styles/tokens.css";
import "./styles/layout.css";
import "./styles/controls.css";
import "./styles/log.css";
import { hashOfRoom, hubUrl, roomInHash } from "./address";
import { identity, suggestedName } from "./identity";
import { Chat } from "./model/chat";
import { siteRoot } from "./site";
import { applyTheme } from "./theme";
import { PageView } from "./views/page";
import { welcomeView } from "./views/welcome";

const FIRST_ROOM = "lobby";

function ask(): void {
  const room = roomInHash(location.hash) ?? FIRST_ROOM;
  document.body.replaceChildren(
    welcomeView({
      name: identity.name ?? suggestedName(),
      room,
      onEnter: (name, entered) => {
        identity.remember(name);
        talk(name, [entered], entered);
      },
    }),
  );
}

function talk(me: string, rooms: readonly string[], first: string): void {
  let page: PageView | undefined;
  let asked = false;
  const render = (): void => {
    asked = false;
    page?.render();
  };
  // Many things may change in one turn; the page is brought up to date once after it.
  const changed = (): void => {
    if (asked) return;
    asked = true;
    queueMicrotask(render);
  };
  const chat = new Chat(hubUrl(siteRoot("")), me, changed);

  const enter = (name: string): void => {
    chat.enter(name);
    history.replaceState(null, "", hashOfRoom(name));
    identity.rememberRooms([...chat.rooms.keys()]);
  };
  page = new PageView({
    chat,
    onEnter: enter,
    onLeave: (room) => {
      chat.leave(room);
      history.replaceState(null, "", chat.active === undefined ? "#" : hashOfRoom(chat.active.name));
      identity.rememberRooms([...chat.rooms.keys()]);
    },
    onSignOut: () => {
      identity.forget();
      void chat.signOut().then(() => location.reload());
    },
    onReconnect: () => location.reload(),
  });
  document.body.replaceChildren(page.element);

  const watch = (): void => {
    chat.watched = document.visibilityState === "visible";
    if (!chat.watched) return;
    chat.wake();
    chat.read();
  };
  document.addEventListener("visibilitychange", watch);
  addEventListener("online", () => chat.wake());
  addEventListener("hashchange", () => {
    const room = roomInHash(location.hash);
    if (room !== undefined) enter(room);
  });

  for (const room of rooms) chat.open(room);
  enter(first);
  watch();
  chat.connect();
  page.focus();
}

applyTheme();
const { name, rooms } = identity;
if (name === undefined) ask();
else talk(name, rooms, roomInHash(location.hash) ?? rooms[0] ?? FIRST_ROOM);
