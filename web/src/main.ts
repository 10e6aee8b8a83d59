import { mount } from "svelte";
import App from "./App.svelte";
import { startRouting } from "./state/route.svelte";
import "./styles/base.css";

startRouting();
mount(App, { target: document.getElementById("app") as HTMLElement });
