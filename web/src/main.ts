import { mount } from "svelte";
import App from "./App.svelte";
import { startRouting } from "./state/route.svelte";
import { followSession } from "./state/session.svelte";
import "./styles/base.css";

startRouting();
followSession();
mount(App, { target: document.getElementById("app") as HTMLElement });
