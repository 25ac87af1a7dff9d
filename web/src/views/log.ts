import { arrange, h, set, setText } from "../dom";
import { dayText, listText, sameDay } from "../format";
import { icon } from "../icons";
import type { Chat } from "../model/chat";
import type { Room } from "../model/room";
import type { Entry, Post } from "../model/timeline";
import { textButton } from "./controls";
import { PostItem, noticeElement } from "./entry";
import type { View } from "./view";

const CLOSE_MS = 5 * 60_000;
const NEAR_PX = 80;
/** So near the top the earlier messages are read before one comes to it. */
const EARLY_PX = 400;

/** What was said in the room, newest last. It follows the newest unless one has scrolled up to read. */
export class LogView implements View {
  readonly element: HTMLElement;
  readonly #list = h("ol", { class: "log" });
  readonly #live = h("div", { class: "log-live", role: "log", "aria-label": "Messages", "data-testid": "log" }, this.#list);
  readonly #scroller: HTMLElement;
  readonly #earlier: HTMLButtonElement;
  readonly #empty = h("p", { class: "log-empty" }, "Nothing was said here yet.");
  readonly #newest: HTMLButtonElement;
  readonly #typing = h("p", { class: "typing", role: "status", "data-testid": "typing" });
  #room: Room | undefined;
  #posts = new Map<string, PostItem>();
  #others = new Map<string, HTMLElement>();
  #last: Entry | undefined;

  constructor(private readonly chat: Chat) {
    this.#earlier = textButton("Show earlier messages", { class: "button button-small", "data-testid": "earlier" }, () =>
      this.#loadEarlier(),
    );
    const inner = h("div", { class: "log-inner" }, this.#earlier, this.#empty, this.#live);
    this.#scroller = h("div", { class: "log-scroller", tabindex: 0, "aria-label": "Conversation", role: "region" }, inner);
    this.#newest = textButton("Newest", { class: "button newest", "data-testid": "newest" }, () => this.#toNewest());
    this.#newest.prepend(icon("down"));
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // Pictures and the keyboard of a phone change heights without a message coming.
    const resized = new ResizeObserver(() => {
      if (this.#following) this.#toNewest();
    });
    resized.observe(inner);
    resized.observe(this.#scroller);
    this.element = h("div", { class: "log-frame" }, this.#scroller, this.#newest, this.#typing);
  }

  #following = true;

  render(): void {
    const room = this.chat.active;
    const entered = room !== this.#room;
    if (entered) this.#enter(room);
    if (room === undefined) return;
    const { entries } = room.timeline;
    const last = entries.at(-1);
    const ownNews = last !== this.#last && last?.kind === "post" && last.own && last.state === "sending";
    this.#last = last;
    this.#earlier.hidden = room.earlier === "none";
    this.#earlier.disabled = room.earlier === "loading";
    this.#empty.hidden = entries.length > 0 || room.status !== "inside" || room.earlier === "loading";
    arrange(this.#list, this.#elements(entries));
    this.#forget(entries);
    this.#renderTyping(room);
    if (entered || ownNews || this.#following) this.#toNewest();
    this.#showNewest();
    // What was there when one came in is not read out; what comes from here on is.
    set(this.#live, { "aria-live": entered || room.earlier === "loading" ? "off" : "polite" });
  }

  #enter(room: Room | undefined): void {
    this.#room = room;
    this.#posts = new Map();
    this.#others = new Map();
    this.#last = room?.timeline.entries.at(-1);
    this.#list.replaceChildren();
    this.#following = true;
  }

  #elements(entries: readonly Entry[]): Element[] {
    const elements: Element[] = [];
    let before: Entry | undefined;
    for (const entry of entries) {
      if (before === undefined || !sameDay(before.at, entry.at)) elements.push(this.#day(entry.at));
      elements.push(this.#element(entry, before));
      before = entry;
    }
    return elements;
  }

  #element(entry: Entry, before: Entry | undefined): Element {
    if (entry.kind === "notice") return this.#other(entry.key, () => noticeElement(entry));
    let item = this.#posts.get(entry.key);
    if (item === undefined) {
      item = new PostItem(entry, this.chat.me, (post) => {
        if (this.#room !== undefined) this.chat.retry(this.#room, post);
      });
      this.#posts.set(entry.key, item);
    }
    const continued =
      before?.kind === "post" && before.sender === entry.sender && entry.at - before.at < CLOSE_MS && sameDay(before.at, entry.at);
    item.render(continued, this.#seen(entry));
    return item.element;
  }

  #seen(post: Post): string[] {
    const offset = post.own ? this.#room?.timeline.offsetOf(post) : undefined;
    return offset === undefined ? [] : (this.#room?.sights.of(offset, post.sender) ?? []);
  }

  #day(at: number): Element {
    const text = dayText(at);
    return this.#other(`day ${new Date(at).toDateString()}`, () => h("li", { class: "day" }, h("span", {}, text)));
  }

  #other(key: string, make: () => HTMLElement): Element {
    const element = this.#others.get(key) ?? make();
    this.#others.set(key, element);
    return element;
  }

  #forget(entries: readonly Entry[]): void {
    if (this.#posts.size + this.#others.size < 2 * entries.length + 50) return;
    const keys = new Set(entries.map(({ key }) => key));
    for (const key of this.#posts.keys()) if (!keys.has(key)) this.#posts.delete(key);
    for (const [key, { isConnected }] of this.#others) if (!isConnected) this.#others.delete(key);
  }

  #renderTyping({ typists }: Room): void {
    const { names } = typists;
    setText(this.#typing, names.length === 0 ? "" : `${listText(names)} ${names.length === 1 ? "is" : "are"} typing…`);
  }

  #loadEarlier(): void {
    if (this.#room === undefined) return;
    const { scrollHeight } = this.#scroller;
    void this.chat.loadEarlier(this.#room).then(() => {
      this.render();
      this.#scroller.scrollTop += this.#scroller.scrollHeight - scrollHeight;
    });
    this.#following = false;
  }

  #scrolled(): void {
    this.#showNewest();
    if (this.#room?.earlier === "some" && this.#scroller.scrollTop < EARLY_PX && !this.#following) this.#loadEarlier();
  }

  #toNewest(): void {
    this.#following = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #showNewest(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#following = scrollHeight - clientHeight - scrollTop < NEAR_PX;
    this.#newest.hidden = this.#following;
  }
}
