/** Shows the part that the address names: `?part=tweets`, or `?dialog=profile`. */

import { mount } from "svelte";
import { loadSession } from "../src/state/session.svelte";
import "../src/styles/base.css";
import { answer } from "./answers";
import Gallery from "./Gallery.svelte";

const asked = new URLSearchParams(location.search);

window.fetch = answer;
// Nothing ends by itself, such as a notice, however long a picture takes.
const { setTimeout } = window;
window.setTimeout = ((act: TimerHandler, milliseconds = 0) =>
  milliseconds < 1000 ? setTimeout(act, milliseconds) : 0) as typeof setTimeout;
await document.fonts.load("1rem Onest", "Aя");
await loadSession();
mount(Gallery, {
  target: document.getElementById("app") as HTMLElement,
  props: { part: asked.get("part"), dialog: asked.get("dialog") },
});
