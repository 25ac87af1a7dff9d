// The API reference, docs/typescript.md, from the doc comments in the declarations that `npm run build` makes.
// `--check` writes nothing, and fails where the file is another.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const TARGET = here("../../../docs/typescript.md");

const ENTRIES = {
  index: ["hubbub", "The client."],
  browser: ["hubbub/browser", "What outlives a page in its browser."],
  content: ["hubbub/content", "Content larger than a message, in pieces."],
  node: ["hubbub/node", "A WebSocket for Node: `new Client(url, { webSocket: webSocketOf(WebSocket) })`, with that of `ws`."],
  protobuf: ["hubbub/protobuf", "The Protobuf codec: `new Client(url, { codec: protobuf })`."],
};

const HEAD = `# The TypeScript client: reference

Made from the doc comments by \`npm run reference\` in \`clients/typescript\`: change them there. The types of everything on the wire
are in \`hubbub/protocol\` (\`clients/typescript/src/protocol.ts\`), made from the server's.
`;

/** The exports of a module, by name: where each is declared, followed through the modules that pass it on. */
function exportsOf(module) {
  const text = readFileSync(here(`../dist/${module}.d.ts`), "utf8");
  const found = new Map();
  for (const [, names, source] of text.matchAll(/^export (?:type )?\{\s*([^}]*?)\s*\} from "\.\/([\w-]+)\.js";/gm)) {
    const passed = exportsOf(source);
    for (const name of names.split(/,\s*/).filter(Boolean)) {
      const declaration = passed.get(name);
      if (declaration === undefined) throw new Error(`${module} exports ${name}, which ${source} does not declare`);
      found.set(name, declaration);
    }
  }
  for (const declaration of declarations(text)) found.set(declaration.name, { module, ...declaration });
  return found;
}

/** Every exported declaration with its doc comment, whole. */
function* declarations(text) {
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at += 1) {
    const head = /^export (?:declare )?(?:abstract )?(?:class|interface|type|function|const) (\w+)/.exec(lines[at]);
    if (head === null) continue;
    let end = at;
    // A type may be a union of several blocks: it ends with a semicolon.
    const last = !/\{$/.test(lines[at]) ? /;$/ : / type /.test(lines[at]) ? /^\};$/ : /^\};?$/;
    while (!last.test(lines[end])) end += 1;
    let begin = at;
    if (/\*\/$/.test(lines[begin - 1] ?? "")) while (!/^\/\*\*/.test(lines[(begin -= 1)]));
    yield { name: head[1], doc: lines.slice(begin, at), code: lines.slice(at, end + 1) };
    at = end;
  }
}

/** What a reader sees of a declaration: nothing private. */
function shown({ code }) {
  const kept = code.filter((line) => !/^ {4}(?:#private|private )/.test(line));
  return kept.join("\n").replaceAll(/^export (?:declare )?/gm, "").replaceAll("    ", "  ");
}

function prose(doc) {
  const inner = doc.map((line) => line.replace(/^\s*\/?\*+\/? ?/, "").replace(/\s*\*\/$/, ""));
  return inner.join("\n").trim();
}

let page = HEAD;
for (const [module, [name, about]] of Object.entries(ENTRIES)) {
  page += `\n## \`${name}\`\n\n${about}\n`;
  const found = [...exportsOf(module)].filter(([, declaration]) => declaration.module !== "protocol");
  for (const [symbol, declaration] of found) {
    const words = prose(declaration.doc);
    page += `\n### ${symbol}\n${words === "" ? "" : `\n${words}\n`}\n\`\`\`ts\n${shown(declaration)}\n\`\`\`\n`;
  }
}

if (!process.argv.includes("--check")) writeFileSync(TARGET, page);
else if (readFileSync(TARGET, "utf8") !== page) {
  console.error("docs/typescript.md is not what the doc comments say: npm run reference");
  process.exitCode = 1;
}
