import "../styles/tokens.css";
import "../styles/layout.css";
import "../styles/controls.css";
import "../styles/documents.css";
import { Client } from "hubbub";
import { sessionInTab } from "hubbub/browser";
import { hubUrl } from "../address";
import { identity, suggestedName } from "../identity";
import { Plug } from "../model/plug";
import { siteRoot } from "../site";
import { applyTheme } from "../theme";
import { listView } from "./list";
import { DeskView } from "./page";
import { newDocumentId } from "./shelf";

applyTheme();

function documentInHash(): string | undefined {
  try {
    const id = decodeURIComponent(location.hash.slice(1));
    const isGood = id !== "" && new TextEncoder().encode(id).length <= 200 && !/\p{Cc}/u.test(id);
    return isGood ? id : undefined;
  } catch {
    return undefined;
  }
}

function choose(): void {
  document.body.replaceChildren(
    listView({
      name: identity.name ?? suggestedName(),
      wanted: documentInHash(),
      onOpen: (name, id = newDocumentId()) => {
        identity.remember(name);
        history.pushState(null, "", `#${encodeURIComponent(id)}`);
        write(name, id);
      },
    }),
  );
}

function write(name: string, id: string): void {
  const plug = new Plug();
  const client = new Client(hubUrl(siteRoot("documents")), { user: name, sessionStore: sessionInTab(), webSocket: plug.open });
  const desk = new DeskView({ client, plug, id, name });
  document.body.replaceChildren(desk.element);
  desk.open();
  desk.view.focus();
  // How it goes is seen in the document's state.
  client.connect().catch(() => undefined);
}

// Another document is another page.
addEventListener("popstate", () => location.reload());
addEventListener("hashchange", () => location.reload());

const wanted = documentInHash();
if (wanted !== undefined && identity.name !== undefined) write(identity.name, wanted);
else choose();
