/** The golden transcripts (protocol/vectors): reading them, and matching what is said with what should be. */
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isRecord } from "../../src/envelope.js";

export const VECTORS = fileURLToPath(new URL("../../../../protocol/vectors", import.meta.url));
export const ROLE = "typescript";

export type Step = Record<string, unknown>;

interface File {
  readonly runs?: readonly string[];
  readonly vars: Readonly<Record<string, unknown>>;
  readonly steps: readonly Step[];
}

export function names(): string[] {
  const files = readdirSync(`${VECTORS}/transcripts`).map((file) => file.replace(/\.json$/, ""));
  return files.filter((name) => read(name).runs?.includes(ROLE) ?? true);
}

function read(name: string): File {
  return JSON.parse(readFileSync(`${VECTORS}/transcripts/${name}.json`, "utf8")) as File;
}

/** One conversation, and what its variables are by now. */
export class Transcript {
  readonly steps: readonly Step[];
  readonly #vars: Readonly<Record<string, unknown>>;
  #bound: Record<string, unknown> = {};

  constructor(readonly name: string) {
    const { steps, vars } = read(name);
    this.steps = steps.filter(({ only }) => !Array.isArray(only) || only.includes(ROLE));
    this.#vars = vars;
  }

  /** The pattern with a value for every variable. */
  fill(pattern: unknown): unknown {
    if (Array.isArray(pattern)) return pattern.map((each) => this.fill(each));
    if (isRecord(pattern)) {
      return Object.fromEntries(Object.entries(pattern).map(([key, value]) => [key, this.fill(value)]));
    }
    const variable = variableIn(pattern);
    if (variable === undefined) return pattern;
    if (variable.any) return this.#vars[variable.name];
    return (this.#bound[variable.name] ??= this.#vars[variable.name]);
  }

  /** Binds the variables of the pattern; throws where what was said is something else. */
  match(pattern: unknown, value: unknown): void {
    const bound = { ...this.#bound };
    const difference = differenceOf(pattern, value, bound, "");
    if (difference !== undefined) {
      const [wanted, said] = [JSON.stringify(pattern), JSON.stringify(value)];
      throw new Error(`${this.name}: ${difference}\n  wanted ${wanted}\n  said   ${said}`);
    }
    this.#bound = bound;
  }
}

function differenceOf(
  pattern: unknown,
  value: unknown,
  bound: Record<string, unknown>,
  where: string,
): string | undefined {
  if (Array.isArray(pattern)) {
    if (!Array.isArray(value) || value.length !== pattern.length) return `${where} has not ${pattern.length} items`;
    const found = pattern.map((each, index) => differenceOf(each, value[index], bound, `${where}[${index}]`));
    return found.find((each) => each !== undefined);
  }
  if (isRecord(pattern)) {
    if (!isRecord(value)) return `${where} is no object`;
    const found = Object.entries(pattern).map(([key, each]) => differenceOf(each, value[key], bound, `${where}.${key}`));
    return found.find((each) => each !== undefined);
  }
  const variable = variableIn(pattern);
  if (variable === undefined) return pattern === value ? undefined : `${where} is another`;
  if (variable.any) return undefined;
  bound[variable.name] ??= value;
  return bound[variable.name] === value ? undefined : `${where}: ${variable.name} is another by now`;
}

function variableIn(pattern: unknown): { name: string; any: boolean } | undefined {
  const found = typeof pattern === "string" ? /^<([a-z0-9-]+)(\??)>$/.exec(pattern) : null;
  return found === null ? undefined : { name: found[1] ?? "", any: found[2] === "?" };
}
