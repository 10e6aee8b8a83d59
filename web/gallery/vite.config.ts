import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

/** The page of all parts, for tests/web/test_parts.py. It is built apart from the page and not shipped. */
export default defineConfig({
  root: "gallery",
  plugins: [svelte({ configFile: false })],
  build: { target: "es2023", assetsInlineLimit: 0 },
});
