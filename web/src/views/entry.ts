import { h, set, setText } from "../dom";
import { clockText, listText, momentText } from "../format";
import { icon } from "../icons";
import type { Notice, Post } from "../model/timeline";
import { bodyElement } from "./body";
import { avatar, textButton } from "./controls";

export function noticeElement({ text, tone, at }: Notice): HTMLElement {
  return h(
    "li",
    { class: `notice notice-${tone}`, "data-testid": "notice" },
    h("span", {}, text),
    h("time", { class: "notice-time", datetime: new Date(at).toISOString(), title: momentText(at) }, clockText(at)),
  );
}

/** One message. Its element stays, so that a picture is not loaded again when its state changes. */
export class PostItem {
  readonly element: HTMLElement;
  readonly #time = h("time", { class: "post-time" });
  readonly #state = h("span", { class: "post-state", "data-testid": "post-state" });
  readonly #problem = h("span", { class: "post-problem" });
  readonly #head: HTMLElement;
  readonly #line: HTMLElement;
  readonly #trouble: HTMLElement;
  #shown: string | undefined;

  constructor(
    private readonly post: Post,
    me: string,
    retry: (post: Post) => void,
  ) {
    const { sender, own, body } = post;
    const mentioned = body.kind === "text" && !own && body.mentions.includes(me);
    this.#head = h(
      "div",
      {},
      h("span", { class: own ? "visually-hidden" : "post-sender" }, own ? "You" : sender),
      this.#time,
    );
    const bubble = h("div", { class: `bubble bubble-${body.kind}` }, bodyElement(body, sender));
    this.#line = h("div", { class: "post-line" }, bubble, own ? this.#state : undefined);
    this.#trouble = h(
      "p",
      { class: "post-trouble", role: "status" },
      this.#problem,
      textButton("Try again", { class: "button button-small", "data-testid": "retry" }, () => retry(post)),
    );
    this.element = h(
      "li",
      {
        class: `post${own ? " post-own" : ""}${mentioned ? " post-mention" : ""}`,
        "data-testid": "message",
        "data-sender": sender,
      },
      own ? undefined : avatar(sender),
      h(
        "div",
        { class: "post-main" },
        this.#head,
        this.#line,
        own ? this.#trouble : undefined,
      ),
    );
  }

  /** `continued`: it follows another one of the same person closely. `seen`: who has read it. */
  render(continued: boolean, seen: readonly string[]): void {
    const { post } = this;
    set(this.element, { "data-state": post.state, "data-continued": continued });
    // Who and when is said once to the eye, and every time to the ear.
    set(this.#head, { class: continued ? "visually-hidden" : "post-head" });
    const shown = `${post.state} ${post.at} ${post.problem ?? ""} ${seen.join("\n")}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    set(this.#time, { datetime: new Date(post.at).toISOString() });
    set(this.#line, { title: momentText(post.at) });
    setText(this.#time, clockText(post.at));
    this.#trouble.hidden = post.problem === undefined;
    setText(this.#problem, post.problem ?? "");
    if (post.own) this.#renderState(seen);
  }

  #renderState(seen: readonly string[]): void {
    const isSeen = this.post.state === "sent" && seen.length > 0;
    const { picture, words } = isSeen ? { picture: "checks" as const, words: `Seen by ${listText(seen)}` } : STATES[this.post.state];
    this.#state.replaceChildren(icon(picture), h("span", { class: "visually-hidden" }, words));
    set(this.#state, { title: words, "data-seen": isSeen });
  }
}

const STATES = {
  sending: { picture: "clock", words: "Sending" },
  sent: { picture: "check", words: "Sent" },
  failed: { picture: "alert", words: "Not sent" },
  unsure: { picture: "alert", words: "Perhaps not sent" },
} as const;
