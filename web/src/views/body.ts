import { h } from "../dom";
import type { Child } from "../dom";
import { sizeText } from "../format";
import { icon } from "../icons";
import { fileName, stretches, webUrl } from "../links";
import type { Body } from "../model/timeline";

const TALLEST = 320;
const WIDEST = 420;

/** What somebody said or shared. All of it is another person's: text nodes only, and web addresses only. */
export function bodyElement(body: Body, sender: string): HTMLElement {
  switch (body.kind) {
    case "text":
      return h("p", { class: "text", "data-testid": "text" }, ...stretches(body.content).map(stretchNode));
    case "image":
      return pictureElement(body, sender);
    case "file":
      return fileElement(body);
    case "other":
      return h("p", { class: "text text-faint" }, `A message of the kind “${body.type}”`);
  }
}

function stretchNode({ text, url }: { text: string; url: string | undefined }): Child {
  return url === undefined ? text : link(url, { class: "link" }, text);
}

function link(url: string, attributes: Record<string, string>, ...children: Child[]): HTMLAnchorElement {
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow", ...attributes }, ...children);
}

function pictureElement(body: Extract<Body, { kind: "image" }>, sender: string): HTMLElement {
  const url = webUrl(body.url);
  if (url === undefined) return refused();
  const scale = Math.min(1, WIDEST / body.width, TALLEST / body.height);
  const picture = h("img", {
    class: "picture",
    "data-testid": "picture",
    src: url,
    alt: `Picture from ${sender}: ${fileName(url)}`,
    width: Math.max(1, Math.round(body.width * scale)),
    height: Math.max(1, Math.round(body.height * scale)),
    loading: "lazy",
    decoding: "async",
    referrerpolicy: "no-referrer",
  });
  const frame = link(url, { class: "picture-frame" }, picture);
  picture.addEventListener("error", () => {
    frame.replaceWith(link(url, { class: "link" }, `The picture ${fileName(url)} could not be loaded`));
  });
  return frame;
}

function fileElement(body: Extract<Body, { kind: "file" }>): HTMLElement {
  const url = webUrl(body.url);
  if (url === undefined) return refused();
  const name = h("span", { class: "file-name" }, fileName(url));
  const about = h("span", { class: "file-about" }, `${sizeText(body.size)} · ${body.mimeType} · ${new URL(url).host}`);
  const element = link(url, { class: "file", "data-testid": "file" });
  element.append(icon("file"), h("span", { class: "file-text" }, name, about));
  return element;
}

function refused(): HTMLElement {
  return h("p", { class: "text text-faint" }, "A link that cannot be opened safely");
}
