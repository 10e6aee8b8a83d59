import { mount } from "svelte";
import App from "./App.svelte";
import { loadTexts } from "./state/preferences.svelte";
import { startRouting } from "./state/route.svelte";
import { watchSession } from "./state/session.svelte";
import "./styles/base.css";

startRouting();
watchSession();
// Fetches both files of the font at the same time as the first data. Otherwise the browser fetches a file
// when it shows the first text in its alphabet, and the text moves when the file arrives.
document.fonts.load("1rem Onest", "Aя").catch(() => {});
// No top-level `await`: the texts import this script and would wait for it to finish.
void loadTexts().then(() => mount(App, { target: document.getElementById("app") as HTMLElement }));
