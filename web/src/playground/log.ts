import { h, set, setText } from "../dom";
import { sizeText } from "../format";
import { iconButton } from "../views/controls";
import type { Entry, Wire } from "./wire";

const WORDS = { out: "Sent", in: "Received", note: "" } as const;
const SIGNS = { out: "↑", in: "↓", note: "•" } as const;
const NEAR_PX = 60;

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hour12: false,
});

/** Everything that went over the wire, newest last. It follows the newest unless one has scrolled up. */
export class WireLog {
  readonly element: HTMLElement;
  readonly #list = h("ol", { class: "frames", "data-testid": "frames" });
  readonly #scroller: HTMLElement;
  readonly #empty = h(
    "p",
    { class: "frames-empty" },
    "Connect, choose a message on the left, and send it. Whatever goes over the wire is shown here.",
  );
  readonly #filter = h("input", {
    class: "input",
    type: "search",
    placeholder: "Filter by type or channel",
    "aria-label": "Filter by type or channel",
    "data-testid": "filter",
  });
  readonly #count = h("span", { class: "count", role: "status" });
  readonly #items = new Map<number, HTMLElement>();

  constructor(private readonly wire: Wire) {
    this.#filter.addEventListener("input", () => this.render());
    this.#scroller = h(
      "div",
      { class: "frames-scroller", tabindex: 0, role: "region", "aria-label": "Messages on the wire" },
      this.#empty,
      this.#list,
    );
    this.element = h(
      "section",
      { class: "wire", "aria-label": "The wire" },
      h(
        "div",
        { class: "wire-head" },
        h("h2", { class: "side-title" }, "The wire"),
        this.#count,
        this.#filter,
        iconButton({ picture: "trash", label: "Clear", onPress: () => this.wire.clear() }),
      ),
      this.#scroller,
    );
  }

  render(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const following = scrollHeight - clientHeight - scrollTop < NEAR_PX;
    const wanted = this.#filter.value.trim().toLowerCase();
    const shown = this.wire.entries.filter(({ type, channel, direction }) =>
      wanted === "" ? true : direction !== "note" && `${type} ${channel}`.toLowerCase().includes(wanted),
    );
    const numbers = new Set(shown.map(({ number }) => number));
    for (const [number, item] of this.#items) {
      if (numbers.has(number)) continue;
      item.remove();
      this.#items.delete(number);
    }
    let before: Element | null = null;
    for (const entry of shown) {
      const item = this.#items.get(entry.number) ?? this.#make(entry);
      if (item.previousElementSibling !== before || item.parentElement === null) {
        this.#list.insertBefore(item, before === null ? this.#list.firstChild : before.nextSibling);
      }
      before = item;
    }
    const messages = this.wire.entries.filter(({ direction }) => direction !== "note").length;
    setText(this.#count, String(messages));
    this.#empty.hidden = this.wire.entries.length > 0;
    if (following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #make(entry: Entry): HTMLElement {
    const item = h("li", { class: `frame frame-${entry.direction}`, "data-testid": "frame", "data-type": entry.type });
    const time = h("time", { class: "frame-time", datetime: new Date(entry.at).toISOString() }, clock.format(entry.at));
    if (entry.direction === "note") item.append(time, h("span", {}, entry.text));
    else item.append(frameDetails(entry, time));
    this.#items.set(entry.number, item);
    return item;
  }
}

function frameDetails(entry: Entry, time: HTMLElement): HTMLElement {
  const { direction, type, channel, offset, size, text, hex } = entry;
  const summary = h(
    "summary",
    { class: "frame-line" },
    time,
    h("span", { class: "frame-sign", "aria-hidden": "true" }, SIGNS[direction]),
    h("span", { class: "visually-hidden" }, WORDS[direction]),
    h("strong", { class: "frame-type" }, type),
    h("span", { class: "frame-channel" }, offset === undefined ? channel : `${channel} @${offset}`),
    h("span", { class: "frame-size" }, sizeText(size)),
  );
  const body = h("pre", { class: "frame-text", tabindex: 0, "aria-label": "Message" }, text);
  const details = h("details", { class: "frame-details" }, summary, body);
  if (hex !== undefined) details.append(h("pre", { class: "frame-text frame-hex", tabindex: 0, "aria-label": "Bytes" }, hex));
  if (type === "error") set(details, { "data-error": true, open: true });
  return details;
}
