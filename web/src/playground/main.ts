import "../styles/tokens.css";
import "../styles/layout.css";
import "../styles/controls.css";
import "../styles/playground.css";
import { hubUrl } from "../address";
import { h, set, setText } from "../dom";
import { identity, suggestedName } from "../identity";
import { siteNavigation, siteRoot } from "../site";
import { applyTheme, themeButton } from "../theme";
import { Editor } from "./editor";
import { WireLog } from "./log";
import { SAMPLES } from "./samples";
import { Wire } from "./wire";
import type { CodecName } from "./wire";

applyTheme();

const user = h("input", {
  class: "input",
  value: identity.name ?? suggestedName(),
  "aria-label": "Your name",
  maxlength: 40,
  autocomplete: "off",
  "data-testid": "user",
});
const codec = h(
  "select",
  { class: "input", "aria-label": "Codec", "data-testid": "codec" },
  h("option", { value: "json" }, "JSON"),
  h("option", { value: "protobuf" }, "Protobuf"),
);
const connect = h("button", { class: "button button-primary", "data-testid": "connect" });
const dot = h("span", { class: "connection-dot", "aria-hidden": "true" });
const word = h("span", { role: "status", "data-testid": "phase" });
const state = h("p", { class: "connection" }, dot, word);

const wire = new Wire(hubUrl(siteRoot("playground")), () => render());
const log = new WireLog(wire);
const editor = new Editor({ user: () => user.value, send: (text) => wire.send(text) });

let greeted = false;

function render(): void {
  const { phase } = wire;
  setText(connect, phase === "closed" ? "Connect" : "Disconnect");
  setText(word, { closed: "Disconnected", connecting: "Connecting", open: "Connected" }[phase]);
  set(state, { "data-phase": phase });
  user.disabled = codec.disabled = phase !== "closed";
  if (phase === "open" && !greeted) {
    greeted = true;
    // The client speaks first.
    wire.send(JSON.stringify(SAMPLES["Session"]?.["hello"]?.(user.value), null, 2));
  }
  if (phase === "closed") greeted = false;
  log.render();
}

const form = h("form", { class: "bar-form", "aria-label": "Connection" }, user, codec, connect, state);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (wire.phase === "closed") wire.connect(codec.value as CodecName);
  else wire.disconnect();
});

document.body.replaceChildren(
  h(
    "div",
    { class: "playground" },
    h(
      "header",
      { class: "bar" },
      h("div", { class: "brand" }, h("span", { class: "brand-mark", "aria-hidden": "true" }), "Hubbub"),
      siteNavigation("playground"),
      themeButton(),
    ),
    h(
      "main",
      { class: "bench" },
      h("h1", { class: "visually-hidden" }, "Playground"),
      h("div", { class: "bench-side" }, form, editor.element),
      log.element,
    ),
  ),
);
render();
