import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { HighlightStyle, Language, defineLanguageFacet, languageDataProp, syntaxHighlighting } from "@codemirror/language";
import { EditorState, Transaction } from "@codemirror/state";
import type { Text } from "@codemirror/state";
import { EditorView, drawSelection, keymap, placeholder } from "@codemirror/view";
import type { ViewUpdate } from "@codemirror/view";
import { differenceOf } from "hubbub/collab";
import type { SharedDocument } from "hubbub/collab";
import { tags } from "@lezer/highlight";
import { parser } from "@lezer/markdown";
import { carets, showCarets } from "./carets";

/** Others' edits: not this author's to undo, and not to be sent again. */
const FOREIGN = [Transaction.remote.of(true), Transaction.addToHistory.of(false)];

const data = defineLanguageFacet();
const top = languageDataProp.add((type) => (type.isTop ? data : undefined));
/** Markdown without the languages that may stand in it, which would be most of the page. */
const markdown = new Language(data, parser.configure({ props: [top] }), [], "markdown");

const looks = HighlightStyle.define([
  { tag: tags.heading1, class: "md-heading md-heading-1" },
  { tag: tags.heading2, class: "md-heading md-heading-2" },
  { tag: tags.heading, class: "md-heading" },
  { tag: tags.strong, class: "md-strong" },
  { tag: tags.emphasis, class: "md-emphasis" },
  { tag: tags.link, class: "md-link" },
  { tag: tags.url, class: "md-faint" },
  { tag: tags.monospace, class: "md-code" },
  { tag: tags.quote, class: "md-faint" },
  { tag: tags.processingInstruction, class: "md-faint" },
]);

export interface Binding {
  readonly view: EditorView;
  readonly stop: () => void;
}

/** An editor of a shared document: what is typed goes there, what others do comes here. Nothing is undone but one's own. */
export function bindEditor(document: SharedDocument, changed: (text: Text) => void): Binding {
  const view = new EditorView({
    state: EditorState.create({
      doc: document.text,
      extensions: [
        history(),
        drawSelection(),
        EditorView.lineWrapping,
        keymap.of([...defaultKeymap, ...historyKeymap]),
        markdown.extension,
        syntaxHighlighting(looks),
        placeholder("Write something. Whoever has the link can write with you."),
        EditorView.contentAttributes.of({ "aria-label": "Text of the document", "data-testid": "text" }),
        EditorView.updateListener.of((update) => {
          submit(document, update);
          if (update.docChanged) changed(update.state.doc);
        }),
        carets,
      ],
    }),
  });
  point(document, view);
  const stops = [
    document.on("remote", (changes) => view.dispatch({ changes, annotations: FOREIGN })),
    document.on("reset", (text) => {
      view.dispatch({ changes: differenceOf(view.state.doc, text), annotations: FOREIGN });
    }),
    document.on("cursors", (cursors) => showCarets(view, cursors)),
  ];
  return {
    view,
    stop: () => {
      for (const stop of stops) stop();
      view.destroy();
    },
  };
}

function submit(document: SharedDocument, update: ViewUpdate): void {
  for (const transaction of update.transactions) {
    if (transaction.docChanged && transaction.annotation(Transaction.remote) !== true) document.edit(transaction.changes);
  }
  if (update.selectionSet || update.docChanged) point(document, update.view);
}

/** Who has the document open is seen in it, whether they type, only read, or look at another window. */
function point(document: SharedDocument, view: EditorView): void {
  const { anchor, head } = view.state.selection.main;
  document.select({ anchor, head });
}
