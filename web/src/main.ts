import { mount } from "svelte";
import App from "./App.svelte";
import { loadWords } from "./state/preferences.svelte";
import { startRouting } from "./state/route.svelte";
import { followSession } from "./state/session.svelte";
import "./styles/base.css";

startRouting();
followSession();
// No `await` here: the words import parts of this script, and would wait for its end.
void loadWords().then(() => mount(App, { target: document.getElementById("app") as HTMLElement }));
