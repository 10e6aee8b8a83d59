import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const COMPRESSIBLE = /\.(html|js|css|svg|webmanifest)$/;

/** Lays `.br` and `.gz` beside each file: the gateway sends them as they are. */
function compressedAhead(): Plugin {
  return {
    name: "compressed-ahead",
    apply: "build",
    writeBundle({ dir: folder = "dist" }) {
      for (const entry of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
        if (!COMPRESSIBLE.test(entry)) continue;
        const file = join(folder, entry);
        const content = readFileSync(file);
        writeFileSync(`${file}.br`, brotliCompressSync(content));
        writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [svelte(), compressedAhead()],
  build: {
    target: "es2023",
    modulePreload: { polyfill: false },
    // The page's policy takes no data: addresses.
    assetsInlineLimit: 0,
    // One file for all that the first view needs. Otherwise each part that is fetched later splits off
    // what it shares with the rest, and the first script grows: smaller files compress less well.
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: "page", tags: ["$initial"] }] } },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8000", "/uploads": "http://127.0.0.1:8000" } },
});
