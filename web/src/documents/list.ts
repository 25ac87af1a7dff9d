import { h, setText } from "../dom";
import { momentText } from "../format";
import { nameProblem } from "../identity";
import { siteNavigation } from "../site";
import { themeButton } from "../theme";
import { field, iconButton } from "../views/controls";
import { shelf, unshelve } from "./shelf";

export interface ListOptions {
  readonly name: string;
  /** Somebody's link led here: the document that it names. */
  readonly wanted: string | undefined;
  readonly onOpen: (name: string, id: string | undefined) => void;
}

/** Who one is, the documents of this browser, and a way to a new one. */
export function listView({ name, wanted, onOpen }: ListOptions): HTMLElement {
  const nameInput = h("input", {
    class: "input",
    value: name,
    maxlength: 40,
    autocomplete: "nickname",
    "data-testid": "name",
  });
  const problem = h("p", { class: "problem", role: "alert" });
  const open = (id: string | undefined): void => {
    const chosen = nameInput.value.trim();
    const wrong = nameProblem(chosen);
    setText(problem, wrong ?? "");
    if (wrong === undefined) onOpen(chosen, id);
    else nameInput.focus();
  };
  const action = wanted === undefined ? "New document" : "Open the document";
  const form = h(
    "form",
    { class: "shelf-form", novalidate: true },
    field("Your name", nameInput),
    problem,
    h("button", { class: "button button-primary", "data-testid": "begin" }, action),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    open(wanted);
  });
  return h(
    "div",
    { class: "shelf-page" },
    h("header", { class: "bar" }, siteNavigation("documents"), themeButton()),
    h(
      "main",
      { class: "shelf" },
      h("h1", { class: "shelf-title" }, "Write together"),
      h(
        "p",
        { class: "shelf-text" },
        "Everyone with the link types in the same text, at the same time. Go offline, come back: nothing typed is lost.",
      ),
      form,
      ...shelved(open),
    ),
  );
}

function shelved(open: (id: string) => void): HTMLElement[] {
  const documents = shelf();
  if (documents.length === 0) return [];
  const items = documents.map(({ id, title, opened }) => {
    const name = h("button", { class: "shelf-open", type: "button", "data-testid": "shelved" });
    name.append(h("span", { class: "shelf-name" }, title), h("span", { class: "shelf-time" }, momentText(opened)));
    name.addEventListener("click", () => open(id));
    const item = h("li", { class: "shelf-item" }, name);
    const forget = iconButton({
      picture: "close",
      label: `Take “${title}” off the list`,
      onPress: () => {
        unshelve(id);
        item.remove();
      },
    });
    item.append(forget);
    return item;
  });
  return [
    h("h2", { class: "shelf-heading" }, "Opened in this browser"),
    h("ul", { class: "shelf-list", "aria-label": "Opened in this browser" }, ...items),
  ];
}
