/** Which view is shown: the address bar, and how far each entry of its history was scrolled. */

import { tick } from "svelte";

export type Route =
  | { view: "home" }
  | { view: "people" }
  | { view: "profile"; id: number; tab: "tweets" | "followers" | "following" }
  | { view: "nothing" };

export const HOME = "/";
export const PEOPLE = "/people";
export const profilePath = (id: number) => `/profile/${id}`;

const PROFILE = /^\/profile\/([1-9]\d{0,15})(?:\/(followers|following))?\/?$/;

function read(path: string): Route {
  // Another page, named by GATEWAY_WEB_DIR, may sign in at an address of its own; here that has none.
  if (path === HOME || path === "/login") return { view: "home" };
  if (path === PEOPLE) return { view: "people" };
  const found = PROFILE.exec(path);
  if (found === null) return { view: "nothing" };
  const tab = (found[2] ?? "tweets") as "tweets" | "followers" | "following";
  return { view: "profile", id: Number(found[1]), tab };
}

let path = $state(location.pathname);
const current = $derived(read(path));

export const route = {
  get current() {
    return current;
  },
  get path() {
    return path;
  },
};

interface Entry {
  scrolled: number;
}

function keepScroll() {
  history.replaceState({ scrolled: scrollY } satisfies Entry, "");
}

async function show(to: string, scrolled: number) {
  path = to;
  await tick();
  scrollTo(0, scrolled);
}

export function go(to: string) {
  if (to === location.pathname) {
    scrollTo({ top: 0, behavior: "smooth" });
    return;
  }
  // Tabs of one profile are one place: changing them does not move the reader.
  const stays = read(to).view === "profile" && idOf(to) === idOf(location.pathname);
  keepScroll();
  history.pushState({ scrolled: 0 } satisfies Entry, "", to);
  void show(to, stays ? scrollY : 0);
  if (!stays) document.getElementById("main")?.focus({ preventScroll: true });
}

const idOf = (at: string) => PROFILE.exec(at)?.[1];

/** Follows the links of the page and the browser's own buttons. */
export function startRouting() {
  history.scrollRestoration = "manual";
  addEventListener("popstate", (event) => {
    void show(location.pathname, (event.state as Entry | null)?.scrolled ?? 0);
  });
  // The browser goes back before it tells: by then it is too late to ask how far it was scrolled.
  addEventListener("scrollend", keepScroll);
  addEventListener("pagehide", keepScroll);
  addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest?.("a[href]");
    if (!(link instanceof HTMLAnchorElement) || link.target || link.origin !== location.origin)
      return;
    if (read(link.pathname).view === "nothing") return;
    event.preventDefault();
    go(link.pathname);
  });
}
