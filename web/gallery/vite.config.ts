import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

/** A page with all components, for tests/web/test_component_screenshots.py. It is not part of the shipped page. */
export default defineConfig({
  root: "gallery",
  plugins: [svelte({ configFile: false })],
  build: { target: "es2023", assetsInlineLimit: 0 },
});
