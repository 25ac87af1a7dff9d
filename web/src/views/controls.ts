import { h } from "../dom";
import type { Attributes } from "../dom";
import { hueOf, initials } from "../format";
import { icon } from "../icons";

export interface IconButtonOptions {
  readonly picture: Parameters<typeof icon>[0];
  readonly label: string;
  readonly attributes?: Attributes;
  readonly onPress: () => void;
}

export function iconButton({ picture, label, attributes, onPress }: IconButtonOptions): HTMLButtonElement {
  const button = h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, ...attributes });
  button.append(icon(picture));
  button.addEventListener("click", onPress);
  return button;
}

export function textButton(label: string, attributes: Attributes, onPress: () => void): HTMLButtonElement {
  const button = h("button", { type: "button", class: "button", ...attributes }, label);
  button.addEventListener("click", onPress);
  return button;
}

export function avatar(name: string): HTMLElement {
  const element = h("span", { class: "avatar", "aria-hidden": "true" }, initials(name));
  element.style.setProperty("--hue", String(hueOf(name)));
  return element;
}

export function field(label: string, input: HTMLElement, hint?: string): HTMLElement {
  return h(
    "label",
    { class: "field" },
    h("span", { class: "field-label" }, label),
    input,
    hint === undefined ? undefined : h("span", { class: "field-hint" }, hint),
  );
}
