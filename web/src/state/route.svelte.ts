/** Which view is shown: the address bar, and how far each entry of its history was scrolled. */

import { tick } from "svelte";
import type { ProfileList } from "../api/client";

export type ProfileTab = ProfileList | "followers" | "following";

export type Route =
  | { view: "home" }
  | { view: "people" }
  | { view: "notifications" }
  | { view: "profile"; id: number; tab: ProfileTab }
  | { view: "invitation" }
  | { view: "tweet"; id: number }
  | { view: "tag"; tag: string }
  | { view: "search"; query: string }
  | { view: "administration"; section: string; id: number }
  | { view: "nothing" };

/** The views that are fetched after the first one. */
export type Later = Extract<
  Route,
  { view: "people" | "profile" | "tweet" | "tag" | "search" | "notifications" | "administration" }
>;

export const HOME = "/";
export const PEOPLE = "/people";
export const NOTIFICATIONS = "/notifications";
export const SEARCH = "/search";
export const INVITATION = "/invitation";
export const ADMINISTRATION = "/administration";
export const profilePath = (id: number) => `/profile/${id}`;
export const tagPath = (tag: string) => `/tags/${encodeURIComponent(tag)}`;
export const searchPath = (query: string) =>
  query ? `${SEARCH}?q=${encodeURIComponent(query)}` : SEARCH;
export const tweetPath = (id: number) => `/tweets/${id}`;

const PROFILE = /^\/profile\/([1-9]\d{0,15})(?:\/(replies|media|likes|followers|following))?\/?$/;

const SECTION = /^\/administration(?:\/([a-z-]+)(?:\/([1-9]\d{0,15}))?)?\/?$/;
const TAG = /^\/tags\/([^/]+)\/?$/;
const TWEET = /^\/tweets\/([1-9]\d{0,15})\/?$/;

/** `address` is a path, with the part behind the question mark. */
function read(address: string): Route {
  const { pathname: path, searchParams } = new URL(address, location.origin);
  // Another page, named by GATEWAY_WEB_DIR, may sign in at an address of its own; here that has none.
  if (path === HOME || path === "/login") return { view: "home" };
  if (path === PEOPLE || path === `${PEOPLE}/`) return { view: "people" };
  if (path === NOTIFICATIONS) return { view: "notifications" };
  if (path === INVITATION) return { view: "invitation" };
  if (path === SEARCH) return { view: "search", query: searchParams.get("q") ?? "" };
  const tag = TAG.exec(path);
  if (tag) return tagRoute(tag[1]!);
  const tweet = TWEET.exec(path);
  if (tweet) return { view: "tweet", id: Number(tweet[1]) };
  const section = SECTION.exec(path);
  if (section)
    return { view: "administration", section: section[1] ?? "", id: Number(section[2] ?? 0) };
  const found = PROFILE.exec(path);
  if (found === null) return { view: "nothing" };
  const tab = (found[2] ?? "tweets") as ProfileTab;
  return { view: "profile", id: Number(found[1]), tab };
}

function tagRoute(encoded: string): Route {
  try {
    return { view: "tag", tag: decodeURIComponent(encoded) };
  } catch {
    return { view: "nothing" };
  }
}

const here = () => location.pathname + location.search;

let path = $state(here());
const current = $derived(read(path));

/** Whether the reader came here by the browser's Back or Forward, and wants the place as it was. */
let returned = false;
/** How often the reader asked, at the top of a view, for the same view again. */
let repeats = $state(0);

export const route = {
  get returned() {
    return returned;
  },
  get repeats() {
    return repeats;
  },
  get current() {
    return current;
  },
  get path() {
    return path;
  },
};

/** What the browser's history holds of an entry. An open dialog has one, so that Back closes it. */
interface Entry {
  scrolled: number;
  /** Whether the entry before it is of this page, too. */
  followed?: boolean;
  dialog?: boolean;
}

const entry = () => history.state as Entry | null;

function keepScroll() {
  history.replaceState({ ...entry(), scrolled: scrollY } satisfies Entry, "");
}

async function show(to: string, scrolled: number) {
  const stays = isSamePlace(path, to);
  path = to;
  await tick();
  scrollTo(0, scrolled);
  if (!stays) fadeIn();
}

function fadeIn() {
  if (isCalm()) return;
  document.getElementById("main")?.animate({ opacity: [0.3, 1] }, 140);
}

const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export function go(to: string) {
  if (to === here()) {
    if (scrollY === 0) {
      returned = false;
      repeats++;
    }
    scrollTo({ top: 0, behavior: isCalm() ? "instant" : "smooth" });
    return;
  }
  const stays = isSamePlace(path, to);
  const next: Entry = { scrolled: 0, followed: true };
  // A link in a dialog leads away from it: the entry of the dialog becomes that of the new place.
  if (entry()?.dialog) {
    history.replaceState(next, "", to);
  } else {
    keepScroll();
    history.pushState(next, "", to);
  }
  returned = false;
  void show(to, stays ? scrollY : 0);
  if (!stays) document.getElementById("main")?.focus({ preventScroll: true });
}

/** Tabs of one profile are one place: changing them does not move the reader. */
const isSamePlace = (from: string, to: string) => isSameProfile(read(from), read(to));

const isSameProfile = (from: Route, to: Route) =>
  from.view === "profile" && to.view === "profile" && from.id === to.id;

/** Changes the address without leaving the place, as while a search is typed. */
export function renameAddress(to: string) {
  history.replaceState(history.state, "", to);
  path = to;
}

/** Whether Back stays in this page. */
export const canGoBack = () => entry()?.followed === true;

/** Whether the entry of a closed dialog is being taken off; the browser does that a moment later. */
let leaving = false;
/** Whether another dialog was opened in that moment. */
let entering = false;

/** Gives a dialog an entry of the history. One that follows another dialog takes over its entry. */
export function enterDialog() {
  if (leaving) {
    entering = true;
    return;
  }
  if (entry()?.dialog) return;
  keepScroll();
  history.pushState({ scrolled: scrollY, dialog: true } satisfies Entry, "");
}

/** Takes the entry of a dialog that was closed in the page off the history. */
export function leaveDialog() {
  entering = false;
  if (leaving || !entry()?.dialog) return;
  leaving = true;
  history.back();
}

/** Follows the links of the page and the browser's own buttons. */
export function startRouting() {
  history.scrollRestoration = "manual";
  // After a reload no dialog is open.
  if (entry()?.dialog) history.replaceState({ scrolled: 0 } satisfies Entry, "");
  addEventListener("popstate", (event) => {
    const to = event.state as Entry | null;
    if (leaving) {
      leaving = false;
      if (entering) enterDialog();
      entering = false;
    } else if (!to?.dialog) {
      // The element itself is closed, so that the focus returns to where it was.
      document.querySelector<HTMLDialogElement>("dialog[open]")?.close();
    }
    // Between a dialog and the page under it nothing moves.
    if (here() === path) return;
    returned = true;
    void show(here(), to?.scrolled ?? 0);
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
    if (link.hash) document.querySelector<HTMLElement>(link.hash)?.focus();
    else go(link.pathname + link.search);
  });
}
