import { mount } from "svelte";
import App from "./App.svelte";
import { loadTexts } from "./state/preferences.svelte";
import { startRouting } from "./state/route.svelte";
import { watchSession } from "./state/session.svelte";
import "./styles/base.css";

startRouting();
watchSession();
// Beside the first answers of the API. Otherwise the browser asks for the two files of the font when the
// first text in each alphabet is shown, and the text moves when they come.
document.fonts.load("1rem Onest", "Aя").catch(() => {});
// No `await` here: the words import parts of this script, and would wait for its end.
void loadTexts().then(() => mount(App, { target: document.getElementById("app") as HTMLElement }));
