/** Shows the components that the address names: `?part=tweets`, or `?dialog=profile`. */

import { mount } from "svelte";
import { loadSession } from "../src/state/session.svelte";
import "../src/styles/base.css";
import { answer } from "./answers";
import Gallery from "./Gallery.svelte";

const query = new URLSearchParams(location.search);

window.fetch = answer;
// Toasts must not disappear while a picture is taken, so long timeouts never run.
const { setTimeout } = window;
window.setTimeout = ((handler: TimerHandler, milliseconds = 0) =>
  milliseconds < 1000 ? setTimeout(handler, milliseconds) : 0) as typeof setTimeout;
await document.fonts.load("1rem Onest", "Aя");
await loadSession();
mount(Gallery, {
  target: document.getElementById("app") as HTMLElement,
  props: { part: query.get("part"), dialog: query.get("dialog") },
});
