import type { ChangeDesc, ChangeSet, Text } from "@codemirror/state";
import type { Client } from "../client.js";
import { Emitter } from "../emitter.js";
import { isRecord } from "../envelope.js";
import type { Envelope, Payload } from "../envelope.js";
import { HubbubError } from "../errors.js";
import { newMessageId } from "../identifiers.js";
import { Cursors, cursorMessage } from "./cursors.js";
import type { RemoteCursor } from "./cursors.js";
import { packDraft, unpackDraft } from "./draft.js";
import type { DocumentEvents, DocumentOptions, DocumentState, Version } from "./events.js";
import { textOf } from "./merging.js";
import { Pending } from "./pending.js";
import type { Entry } from "./pending.js";

const PATIENCE = 10_000;
const CURSOR_EVERY = 60;

/**
 * One document that several people edit. What is typed is shown at once, sent, and never lost: over lost connections,
 * lost sessions and crashes of the server. It knows no editor: `edit` takes what the author did, events say what to show.
 */
export class SharedDocument {
  readonly channel: string;
  readonly #events = new Emitter<DocumentEvents>();
  readonly #cursors = new Cursors();
  readonly #stops: (() => void)[] = [];
  #pending: Pending | undefined;
  #epoch = "";
  #join: { readonly id: string; readonly timer: ReturnType<typeof setTimeout> } | undefined;
  #joined: { readonly seq: number; readonly epoch: string } | undefined;
  #isLive = false;
  #operationId: string | undefined;
  #selection: { anchor: number; head: number } | null = null;
  #cursorTimer: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #state: DocumentState = { phase: "opening" };

  constructor(
    private readonly client: Client,
    readonly id: string,
    private readonly options: DocumentOptions = {},
  ) {
    this.channel = `doc:${id}`;
    const draft = unpackDraft(options.draft?.load() ?? null);
    if (draft !== undefined) {
      this.#pending = draft.pending;
      this.#epoch = draft.epoch;
    }
  }

  on<Name extends keyof DocumentEvents>(name: Name, listener: (event: DocumentEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  get state(): DocumentState {
    return this.#state;
  }

  /** The text as its author sees it; empty until it is there. */
  get text(): Text {
    return this.#pending?.text ?? textOf("");
  }

  get revision(): number {
    return this.#pending?.revision ?? 0;
  }

  get cursors(): readonly RemoteCursor[] {
    return this.#cursors.all;
  }

  /** The author's id, after the document was opened. */
  get clientId(): string | undefined {
    return this.#pending?.clientId;
  }

  /** Opens it, now or as soon as the client is connected. Attach listeners first. */
  open(): void {
    this.#stops.push(
      this.client.on("other", (envelope) => this.#take(envelope)),
      this.client.on("error", (error) => this.#refused(error)),
      this.client.on("removed", ({ channel }) => {
        if (channel === this.channel) this.#closed(new HubbubError("replaced", "it was opened elsewhere as this author"));
      }),
      this.client.on("state", ({ phase }) => (phase === "open" ? this.#enter() : this.#lost())),
    );
    if (this.#pending !== undefined && !this.#pending.isEmpty) this.#events.emit("reset", this.text);
    if (this.client.state.phase === "open") this.#enter();
  }

  /** Leaves the document. What is not in the log yet stays in the draft. */
  close(): void {
    this.#keep();
    this.client.send({ type: "command", channel: this.channel, messageId: newMessageId(), payload: { action: "leave" } });
    this.#closed(undefined);
  }

  /** The author changed the text that is seen. */
  edit(changes: ChangeSet): void {
    if (this.#pending === undefined) throw new HubbubError("not_joined", "the document is not open yet");
    this.#pending.edit(changes);
    this.#cursors.map(changes, undefined);
    if (this.#selection !== null) this.#selection = mapSelection(this.#selection, changes);
    this.#flush();
    this.#keep();
    this.#tell();
  }

  /** Where the author's cursor is in the text that is seen; null for nowhere. */
  select(selection: { readonly anchor: number; readonly head: number } | null): void {
    this.#selection = selection === null ? null : { ...selection };
    this.#pointSoon();
  }

  // --- The past ---------------------------------------------------------------------------------------------

  /** The last changes, at most 300, in order. The document must be open, and the server at hand. */
  async versions(): Promise<Version[]> {
    const { messages = [] } = await this.client.query("history", this.channel, { limit: 300 });
    return messages.flatMap(({ offset, sender, timestamp }) =>
      offset === undefined ? [] : [{ revision: offset, user: sender ?? "", timestamp: timestamp ?? 0 }],
    );
  }

  /** The text as it was at a revision. Rejects with `not_found` for what is not kept any more. */
  async textAt(revision: number): Promise<string> {
    const { payload = {} } = await this.client.query("history", this.channel, { at: revision });
    const { content } = payload;
    if (typeof content !== "string") throw new HubbubError("not_found", "the server did not say what the text was");
    return content;
  }

  // --- The connection ---------------------------------------------------------------------------------------

  #enter(): void {
    this.#lost();
    const pending = this.#pending;
    const id = newMessageId();
    const join: Envelope = { type: "join", channel: this.channel, documentId: this.id, messageId: id };
    if (pending !== undefined) {
      join.clientId = pending.clientId;
      if (this.#epoch !== "") join.payload = { position: { epoch: this.#epoch, offset: pending.revision } };
    }
    const timer = setTimeout(() => this.#enter(), PATIENCE);
    this.#join = { id, timer };
    this.client.send(join);
  }

  #lost(): void {
    clearTimeout(this.#join?.timer);
    clearTimeout(this.#retry);
    this.#join = this.#joined = this.#operationId = undefined;
    this.#isLive = false;
    this.#cursors.clear();
    this.#events.emit("cursors", this.cursors);
    this.#tell();
  }

  #closed(error: HubbubError | undefined): void {
    this.#lost();
    clearTimeout(this.#cursorTimer);
    for (const stop of this.#stops.splice(0)) stop();
    this.#enterState(error === undefined ? { phase: "closed" } : { phase: "closed", error });
  }

  // --- What comes -------------------------------------------------------------------------------------------

  #take(envelope: Envelope): void {
    if (envelope.channel !== this.channel) return;
    const payload = envelope.payload ?? {};
    if (envelope.type === "joined") this.#onJoined(envelope, payload);
    else if (envelope.type === "init") this.#onInit(payload);
    else if (envelope.type === "operations") this.#onOperations(payload);
    else if (envelope.type === "cursor") this.#onCursor(envelope, payload);
  }

  #onJoined(envelope: Envelope, payload: Payload): void {
    // The answer to an earlier join is of an earlier connection; without an id it follows an operation that came too late.
    if (envelope.messageId !== undefined && envelope.messageId !== this.#join?.id) return;
    const { clientId } = envelope;
    const { recovered, seq, epoch } = payload;
    if (clientId === undefined || typeof seq !== "number" || typeof epoch !== "string") return;
    clearTimeout(this.#join?.timer);
    this.#join = undefined;
    const known = this.#pending;
    if (known === undefined || known.clientId !== clientId) {
      const made = new Pending(clientId, known?.base ?? textOf(""), known?.revision ?? 0, seq);
      made.buffer = known?.changes;
      this.#pending = made;
    }
    this.#joined = { seq, epoch };
    if (recovered === true) {
      this.#live(epoch);
      const flight = this.#pending?.flight;
      if (flight !== undefined && seq < flight.seq) this.#submit();
      else this.#flush();
    }
  }

  #onInit(payload: Payload): void {
    const document = payload["document"];
    const pending = this.#pending;
    if (!isRecord(document) || pending === undefined || this.#joined === undefined) return;
    const { content, revision, epoch } = document;
    if (typeof content !== "string" || typeof revision !== "number" || typeof epoch !== "string") return;
    const edits = pending.merge(textOf(content), revision, this.#joined.seq);
    this.#live(epoch);
    this.#cursors.replace(payload["cursors"], pending.clientId, this.text);
    this.#events.emit("reset", this.text);
    this.#events.emit("cursors", this.cursors);
    if (edits > 0) this.#events.emit("merged", { edits });
    this.#flush();
    this.#tell();
  }

  #onOperations(payload: Payload): void {
    const pending = this.#pending;
    const entries = payload["operations"];
    if (pending === undefined || !this.#isLive || !Array.isArray(entries)) return;
    for (const entry of entries as Entry[]) {
      if (entry.clientId === pending.clientId) {
        if (pending.acknowledge(entry)) this.#operationId = undefined;
      } else if (entry.revision > pending.revision) {
        const shown = pending.receive(entry);
        this.#cursors.map(shown, entry.clientId);
        if (this.#selection !== null) this.#selection = mapSelection(this.#selection, shown);
        this.#events.emit("remote", shown);
      }
    }
    this.#events.emit("cursors", this.cursors);
    this.#flush();
    this.#keep();
    if (pending.isEmpty) this.#pointSoon();
    this.#tell();
  }

  #onCursor(envelope: Envelope, payload: Payload): void {
    const pending = this.#pending;
    if (pending === undefined || !this.#isLive || envelope.clientId === pending.clientId) return;
    if (this.#cursors.take(payload, envelope.clientId, envelope.sender ?? "", pending.changes, this.text)) {
      this.#events.emit("cursors", this.cursors);
    }
  }

  #refused(error: HubbubError): void {
    const { messageId } = error;
    if (messageId === undefined) return;
    if (messageId === this.#join?.id) {
      if (error.retryable) this.#again(error, () => this.#enter());
      else this.#closed(error);
    } else if (messageId === this.#operationId) {
      this.#operationId = undefined;
      if (error.retryable) this.#again(error, () => this.#submit());
      else if (error.code !== "not_found") this.#reject(error);
      // After `not_found` the server says by itself where the document is.
    }
  }

  #again(error: HubbubError, act: () => void): void {
    clearTimeout(this.#join?.timer);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(act, error.retryAfterMs ?? 1000);
  }

  /** The document will not take it: what the author wrote is shown to them, and the text is the server's again. */
  #reject(error: HubbubError): void {
    const changes = this.#pending?.drop();
    const lines: string[] = [];
    changes?.iterChanges((_from, _to, _start, _end, inserted) => lines.push(inserted.toString()));
    this.#events.emit("rejected", { text: lines.join("\n"), error });
    this.#epoch = "";
    this.#keep();
    this.#enter();
  }

  // --- What goes --------------------------------------------------------------------------------------------

  #flush(): void {
    if (this.#isLive && this.#pending?.take() !== undefined) this.#submit();
  }

  #submit(): void {
    const flight = this.#pending?.flight;
    if (!this.#isLive || flight === undefined) return;
    this.#operationId = newMessageId();
    const { operation, revision, seq } = flight;
    this.client.send({
      type: "operation",
      channel: this.channel,
      messageId: this.#operationId,
      payload: { operation, revision, seq, epoch: this.#epoch },
    });
  }

  #pointSoon(): void {
    this.#cursorTimer ??= setTimeout(() => {
      this.#cursorTimer = undefined;
      this.#point();
    }, CURSOR_EVERY);
  }

  #point(): void {
    const pending = this.#pending;
    if (!this.#isLive || pending === undefined) return;
    const back = pending.changes?.invertedDesc;
    const selection = this.#selection === null || back === undefined ? this.#selection : mapSelection(this.#selection, back);
    this.client.send(cursorMessage(this.channel, selection, pending.revision, this.options));
  }

  // --- What is told -----------------------------------------------------------------------------------------

  #live(epoch: string): void {
    this.#epoch = epoch;
    this.#isLive = true;
    this.#keep();
    if (this.#selection !== null) this.#pointSoon();
    this.#tell();
  }

  #keep(): void {
    const { draft } = this.options;
    if (draft === undefined || this.#pending === undefined) return;
    draft.save(packDraft(this.#pending, this.#epoch));
  }

  #tell(): void {
    if (this.#state.phase === "closed") return;
    const edits = this.#pending?.count ?? 0;
    if (this.#isLive) this.#enterState({ phase: edits > 0 ? "saving" : "saved" });
    else if (this.#epoch === "" && edits === 0) this.#enterState({ phase: "opening" });
    else this.#enterState({ phase: "offline", edits });
  }

  #enterState(state: DocumentState): void {
    const same = JSON.stringify(state) === JSON.stringify(this.#state);
    this.#state = state;
    if (!same) this.#events.emit("state", state);
  }
}

function mapSelection(selection: { anchor: number; head: number }, changes: ChangeDesc): { anchor: number; head: number } {
  return { anchor: changes.mapPos(selection.anchor, 1), head: changes.mapPos(selection.head, 1) };
}

