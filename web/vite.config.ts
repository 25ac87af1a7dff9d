import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

function client(entry: string): string {
  return here(`../clients/typescript/src/${entry}.ts`);
}

/** The folders that are pages of their own, beside the rooms. */
const pages = readdirSync(here(".")).filter((name) => existsSync(here(`${name}/index.html`)));

export default defineConfig({
  base: "./",
  define: { PAGES: JSON.stringify(pages) },
  resolve: {
    // The client's source, so that the pages need no build of it first.
    alias: [
      { find: /^hubbub$/, replacement: client("index") },
      { find: "hubbub/collab", replacement: client("collab/index") },
      { find: /^hubbub\/(\w+)$/, replacement: client("$1") },
    ],
  },
  build: {
    outDir: "../src/hubbub/server/pages",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    rollupOptions: { input: ["", ...pages.map((page) => `${page}/`)].map((page) => here(`${page}index.html`)) },
  },
  server: {
    proxy: { "/ws": { target: "ws://127.0.0.1:8000", ws: true } },
  },
});
