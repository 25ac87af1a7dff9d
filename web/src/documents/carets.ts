import { StateEffect, StateField } from "@codemirror/state";
import type { Extension, Range } from "@codemirror/state";
import { Decoration, EditorView, WidgetType } from "@codemirror/view";
import type { DecorationSet } from "@codemirror/view";
import type { RemoteCursor } from "hubbub/collab";

const setCarets = StateEffect.define<readonly RemoteCursor[]>();

class Caret extends WidgetType {
  constructor(
    private readonly name: string,
    private readonly colour: string,
    private readonly at: number,
  ) {
    super();
  }

  override eq(other: Caret): boolean {
    // Where it moves the name is shown anew, for a while.
    return other.name === this.name && other.colour === this.colour && other.at === this.at;
  }

  toDOM(): HTMLElement {
    const caret = document.createElement("span");
    caret.className = "caret";
    caret.style.setProperty("--author", this.colour);
    const flag = document.createElement("span");
    flag.className = "caret-name";
    // No text of the document: it is not read, found or copied.
    flag.dataset["name"] = this.name;
    caret.setAttribute("aria-hidden", "true");
    caret.append(flag);
    return caret;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

function decorate(cursors: readonly RemoteCursor[], length: number): DecorationSet {
  const ranges: Range<Decoration>[] = [];
  for (const { anchor, head, name, colour } of cursors) {
    const [from, to] = [Math.min(anchor, head, length), Math.min(Math.max(anchor, head), length)];
    if (from < to) {
      const attributes = { class: "caret-selection", style: `--author: ${colour}` };
      ranges.push(Decoration.mark({ attributes }).range(from, to));
    }
    ranges.push(Decoration.widget({ widget: new Caret(name, colour, head), side: 1 }).range(Math.min(head, length)));
  }
  return Decoration.set(ranges, true);
}

const field = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(shown, transaction) {
    for (const effect of transaction.effects) {
      if (effect.is(setCarets)) return decorate(effect.value, transaction.newDoc.length);
    }
    // Until the next word from their authors they move with the text.
    return shown.map(transaction.changes);
  },
  provide: (self) => EditorView.decorations.from(self),
});

/** Shows where the others are. */
export const carets: Extension = field;

export function showCarets(view: EditorView, cursors: readonly RemoteCursor[]): void {
  view.dispatch({ effects: setCarets.of(cursors) });
}
