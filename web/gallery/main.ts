/** Shows the part that the address names: `?part=tweets`, or `?dialog=rename`. */

import { mount } from "svelte";
import { recognize } from "../src/state/session.svelte";
import "../src/styles/base.css";
import { answer } from "./answers";
import Gallery from "./Gallery.svelte";

const asked = new URLSearchParams(location.search);

window.fetch = answer;
await document.fonts.load("1rem Onest", "Aя");
await recognize();
mount(Gallery, {
  target: document.getElementById("app") as HTMLElement,
  props: { part: asked.get("part"), dialog: asked.get("dialog") },
});
