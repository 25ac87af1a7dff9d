import type { EditorView } from "@codemirror/view";
import type { Client } from "hubbub";
import { SharedDocument, colourOf, differenceOf, draftInTab } from "hubbub/collab";
import type { DocumentState, RemoteCursor } from "hubbub/collab";
import { Text } from "@codemirror/state";
import { arrange, h, set, setText } from "../dom";
import { initials } from "../format";
import { siteNavigation } from "../site";
import { themeButton } from "../theme";
import type { Plug } from "../model/plug";
import { textButton } from "../views/controls";
import { bindEditor } from "./binding";
import type { Binding } from "./binding";
import { Preview } from "./preview";
import { shelve, titleOf } from "./shelf";
import { Versions } from "./versions";
import { stateText } from "./words";

const MOST_FACES = 5;

export interface DeskOptions {
  readonly client: Client;
  readonly plug: Plug;
  readonly id: string;
  readonly name: string;
}

/** One document: its text, who is in it, how it reads, how it was. */
export class DeskView {
  readonly element: HTMLElement;
  readonly #document: SharedDocument;
  readonly #binding: Binding;
  readonly #preview = new Preview();
  readonly #versions: Versions;
  readonly #title = h("h1", { class: "desk-title", "data-testid": "title" }, "Untitled");
  readonly #state = h("p", { class: "desk-state", role: "status", "data-testid": "state" });
  readonly #people = h("ul", { class: "faces", "aria-label": "In this document", "data-testid": "people" });
  readonly #notice = h("div", { class: "desk-notice", role: "alert", "data-testid": "notice", hidden: true });
  readonly #work: HTMLElement;
  readonly #cut: HTMLButtonElement;

  constructor(private readonly options: DeskOptions) {
    const { client, id, name } = options;
    this.#document = new SharedDocument(client, id, { name, draft: draftInTab(id) });
    this.#binding = bindEditor(this.#document, (text) => this.#changed(text));
    this.#versions = new Versions({
      document: this.#document,
      onRestore: (text) => this.#restore(text),
      onClose: () => this.#showPanel("preview"),
    });
    this.#cut = textButton("Go offline", { class: "button button-small", "data-testid": "cut" }, () => this.#toggleCut());
    this.#work = h(
      "div",
      { class: "desk-work", "data-panel": "none" },
      h("div", { class: "desk-text", "data-testid": "editor" }, this.#binding.view.dom),
      h("div", { class: "desk-panel desk-panel-preview" }, this.#preview.element),
      h("div", { class: "desk-panel desk-panel-versions" }, this.#versions.element),
    );
    this.element = h("div", { class: "desk" }, this.#bar(), this.#notice, h("main", { class: "desk-main" }, this.#work));
    this.#listen();
  }

  get view(): EditorView {
    return this.#binding.view;
  }

  open(): void {
    this.#showPanel(matchMedia("(min-width: 60rem)").matches ? "preview" : "none");
    this.#render(this.#document.state);
    this.#showPeople([]);
    this.#document.open();
  }

  #bar(): HTMLElement {
    const panel = (name: "preview" | "versions", label: string): HTMLButtonElement =>
      textButton(label, { class: "button button-small", "data-testid": `show-${name}`, "aria-pressed": "false", "data-shows": name }, () =>
        this.#showPanel(this.#work.dataset["panel"] === name ? "none" : name),
      );
    const share = textButton("Copy link", { class: "button button-small", "data-testid": "share" }, () => void this.#share(share));
    return h(
      "header",
      { class: "bar desk-bar" },
      siteNavigation("documents"),
      h("div", { class: "desk-head" }, this.#title, this.#state),
      this.#people,
      h("div", { class: "desk-tools" }, panel("preview", "Preview"), panel("versions", "History"), share, this.#cut),
      themeButton(),
    );
  }

  #listen(): void {
    this.#document.on("state", (state) => this.#render(state));
    this.#document.on("cursors", (cursors) => this.#showPeople(cursors));
    this.#document.on("rejected", ({ text, error }) => {
      const kept = text.trim() === "" ? "" : ` What you wrote: “${text.slice(0, 500)}”`;
      this.#notify(`The document did not take your last edit: ${error.message}.${kept}`);
    });
    this.#document.on("merged", () => {
      this.#notify("The document went on while you were away. Your edits were merged into it: please look them over.");
    });
    // Edits that are nowhere else would go with the tab.
    addEventListener("beforeunload", (event) => {
      const { state } = this.#document;
      if (state.phase === "offline" && state.edits > 0) event.preventDefault();
    });
  }

  #changed(text: Text): void {
    const content = text.toString();
    const title = titleOf(content);
    setText(this.#title, title);
    document.title = `${title} · Hubbub`;
    this.#preview.show(content);
    shelve(this.options.id, title);
  }

  #render(state: DocumentState): void {
    setText(this.#state, stateText(state));
    set(this.#state, { "data-phase": state.phase });
    this.#binding.view.contentDOM.setAttribute("aria-busy", String(state.phase === "opening"));
  }

  #showPeople(cursors: readonly RemoteCursor[]): void {
    const own = this.#document.clientId;
    const people = [
      { name: this.options.name, label: "you", colour: own === undefined ? "#475569" : colourOf(own) },
      ...cursors.map(({ name, colour }) => ({ name, label: name, colour })),
    ];
    const faces = people.slice(0, MOST_FACES).map(({ name, label, colour }) => {
      const face = h("li", { class: "face", title: label }, h("span", { "aria-hidden": "true" }, initials(name)));
      face.append(h("span", { class: "visually-hidden" }, label));
      face.style.setProperty("--author", colour);
      return face;
    });
    const more = people.length - faces.length;
    if (more > 0) faces.push(h("li", { class: "face face-more" }, `+${more}`));
    arrange(this.#people, faces);
  }

  #showPanel(panel: "none" | "preview" | "versions"): void {
    this.#work.dataset["panel"] = panel;
    for (const button of this.element.querySelectorAll("[data-shows]")) {
      set(button, { "aria-pressed": String((button as HTMLElement).dataset["shows"] === panel) });
    }
    if (panel === "versions") void this.#versions.open();
  }

  #restore(text: string): void {
    const { view } = this.#binding;
    view.dispatch({ changes: differenceOf(view.state.doc, Text.of(text.split("\n"))), userEvent: "input.restore" });
    this.#showPanel("preview");
    view.focus();
  }

  async #share(button: HTMLButtonElement): Promise<void> {
    try {
      await navigator.clipboard.writeText(location.href);
      setText(button, "Copied");
    } catch {
      this.#notify(`The link: ${location.href}`);
    }
    setTimeout(() => setText(button, "Copy link"), 2_000);
  }

  #toggleCut(): void {
    const { plug, client } = this.options;
    if (plug.pulled) {
      plug.putBack();
      client.wake();
    } else plug.pull();
    setText(this.#cut, plug.pulled ? "Go online" : "Go offline");
    set(this.#cut, { "data-cut": plug.pulled });
  }

  #notify(text: string): void {
    const close = textButton("Good", { class: "button button-small" }, () => (this.#notice.hidden = true));
    this.#notice.replaceChildren(h("span", {}, text), close);
    this.#notice.hidden = false;
  }
}
