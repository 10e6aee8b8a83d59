/** The router: which view the address bar shows, and how far each history entry was scrolled. */

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

/** The routes whose views are fetched after the first script. */
export type LazyRoute = Extract<
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

/** `address` is a path with its query string. */
function parse(address: string): Route {
  const { pathname: path, searchParams } = new URL(address, location.origin);
  // Another page (GATEWAY_WEB_DIR) may have its sign-in form at /login. This page has none.
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
  const profile = PROFILE.exec(path);
  if (profile === null) return { view: "nothing" };
  const tab = (profile[2] ?? "tweets") as ProfileTab;
  return { view: "profile", id: Number(profile[1]), tab };
}

function tagRoute(encoded: string): Route {
  try {
    return { view: "tag", tag: decodeURIComponent(encoded) };
  } catch {
    return { view: "nothing" };
  }
}

const currentAddress = () => location.pathname + location.search;

let path = $state(currentAddress());
const current = $derived(parse(path));

/** Whether the reader came here by Back or Forward, so that the view must be as it was. */
let isBackNavigation = false;
/** How often the reader has selected the view that is already shown, at its top. */
let reselections = $state(0);

export const route = {
  get isBackNavigation() {
    return isBackNavigation;
  },
  get reselections() {
    return reselections;
  },
  get current() {
    return current;
  },
  get path() {
    return path;
  },
};

/** The state of a history entry. An open dialog has an entry, so that Back closes it. */
interface Entry {
  scrolled: number;
  /** Whether the previous entry belongs to this page too. */
  canGoBack?: boolean;
  dialog?: boolean;
}

const entry = () => history.state as Entry | null;

function storeScroll() {
  history.replaceState({ ...entry(), scrolled: scrollY } satisfies Entry, "");
}

async function show(to: string, scrolled: number) {
  const isSame = isSameView(path, to);
  path = to;
  await tick();
  scrollTo(0, scrolled);
  if (!isSame) fadeIn();
}

function fadeIn() {
  if (prefersReducedMotion()) return;
  document.getElementById("main")?.animate({ opacity: [0.3, 1] }, 140);
}

const prefersReducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export function navigate(to: string) {
  if (isRemovingEntry) {
    pendingPath = to;
    return;
  }
  if (to === currentAddress()) {
    if (scrollY === 0) {
      isBackNavigation = false;
      reselections++;
    }
    scrollTo({ top: 0, behavior: prefersReducedMotion() ? "instant" : "smooth" });
    return;
  }
  const isSame = isSameView(path, to);
  const next: Entry = { scrolled: 0, canGoBack: true };
  // A link in a dialog closes it: the new view takes over the history entry of the dialog.
  if (entry()?.dialog) {
    history.replaceState(next, "", to);
  } else {
    storeScroll();
    history.pushState(next, "", to);
  }
  isBackNavigation = false;
  void show(to, isSame ? scrollY : 0);
  if (!isSame) document.getElementById("main")?.focus({ preventScroll: true });
}

/** The tabs of a profile are one view: changing them does not scroll. */
const isSameView = (from: string, to: string) => isSameProfile(parse(from), parse(to));

const isSameProfile = (from: Route, to: Route) =>
  from.view === "profile" && to.view === "profile" && from.id === to.id;

/** Changes the address without a history entry, as while a search is typed. */
export function replaceAddress(to: string) {
  history.replaceState(history.state, "", to);
  path = to;
}

/** Whether Back leads to another view of this page. */
export const canGoBack = () => entry()?.canGoBack === true;

/** Whether the entry of a closed dialog is being removed, which takes the browser a moment. */
let isRemovingEntry = false;
/** Whether another dialog was opened in that moment. */
let isEntryNeeded = false;
/** Where the reader went in that moment. The browser's way back would undo it. */
let pendingPath: string | null = null;

/** Adds a history entry for a dialog. A dialog that replaces another one takes over its entry. */
export function enterDialog() {
  if (isRemovingEntry) {
    isEntryNeeded = true;
    return;
  }
  if (entry()?.dialog) return;
  storeScroll();
  history.pushState({ scrolled: scrollY, dialog: true } satisfies Entry, "");
}

/** Removes the history entry of a dialog that was closed by other means than Back. */
export function leaveDialog() {
  isEntryNeeded = false;
  if (isRemovingEntry || !entry()?.dialog) return;
  isRemovingEntry = true;
  history.back();
}

/** Handles links within the page, Back and Forward. */
export function startRouting() {
  history.scrollRestoration = "manual";
  // After a reload no dialog is open.
  if (entry()?.dialog) history.replaceState({ scrolled: 0 } satisfies Entry, "");
  addEventListener("popstate", (event) => {
    const to = event.state as Entry | null;
    if (isRemovingEntry) {
      isRemovingEntry = false;
      if (isEntryNeeded) enterDialog();
      isEntryNeeded = false;
      if (pendingPath !== null) navigate(pendingPath);
      pendingPath = null;
    } else if (!to?.dialog) {
      // Closing the element itself returns the focus to where it was.
      document.querySelector<HTMLDialogElement>("dialog[open]")?.close();
    }
    // A dialog has the address of the view below it.
    if (currentAddress() === path) return;
    isBackNavigation = true;
    void show(currentAddress(), to?.scrolled ?? 0);
  });
  // At "popstate" the browser has left the entry already: the position must be stored before.
  addEventListener("scrollend", storeScroll);
  addEventListener("pagehide", storeScroll);
  addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest?.("a[href]");
    if (!(link instanceof HTMLAnchorElement) || link.target || link.origin !== location.origin)
      return;
    if (parse(link.pathname).view === "nothing") return;
    event.preventDefault();
    if (link.hash) document.querySelector<HTMLElement>(link.hash)?.focus();
    else navigate(link.pathname + link.search);
  });
}
