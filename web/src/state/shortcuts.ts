/** Keyboard shortcuts. Most of them act on the focused tweet. */

import { flushSync } from "svelte";
import { openDialog } from "./dialogs.svelte";
import { preferences } from "./preferences.svelte";
import {
  navigate,
  HOME,
  NOTIFICATIONS,
  PEOPLE,
  profilePath,
  SEARCH,
  tweetPath,
} from "./route.svelte";
import { session } from "./session.svelte";

/** How long after G a second key still means a view. */
const SECOND_KEY_MS = 1500;

/** When G was pressed. */
let prefixAt = -Infinity;

const focusedTweet = () => document.activeElement?.closest<HTMLElement>("[data-tweet]") ?? null;

/** Moves the focus to the next or previous tweet, or to the first one on the screen. */
function step(by: 1 | -1) {
  const all = [...document.querySelectorAll<HTMLElement>("[data-tweet]")];
  const focused = focusedTweet();
  const next = focused
    ? all[all.indexOf(focused) + by]
    : all.find((tweet) => tweet.getBoundingClientRect().bottom > 120);
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
}

/** Clicks a button of the focused tweet, or else of the thread's main tweet. */
function clickIn(selector: string) {
  const tweet = focusedTweet() ?? document.querySelector("article.main");
  tweet?.querySelector<HTMLElement>(selector)?.click();
}

const openTweet = () => navigate(tweetPath(Number(focusedTweet()?.dataset.tweet)));

function focusSearch() {
  const fields = document.querySelectorAll<HTMLElement>("[data-search]");
  const visible = [...fields].find((field) => field.checkVisibility());
  if (visible) visible.focus();
  else navigate(SEARCH);
}

const ACTIONS: Record<string, () => void> = {
  "?": () => openDialog({ kind: "shortcuts" }),
  n: () => openDialog({ kind: "write" }),
  j: () => step(1),
  k: () => step(-1),
  l: () => clickIn(".like"),
  r: () => clickIn(".reply"),
  o: () => clickIn("ul button"),
  a: () => clickIn(".author"),
  enter: openTweet,
  ".": () => document.querySelector<HTMLElement>("[data-fresh]")?.click(),
  "/": focusSearch,
};

/** The second keys after G. */
const VIEWS: Record<string, () => string> = {
  h: () => HOME,
  n: () => NOTIFICATIONS,
  p: () => PEOPLE,
  m: () => profilePath(session.me.id),
};

/**
 * The key as on a Latin keyboard. Keys of other layouts count by their position: Cyrillic "о" is J.
 * Such a layout may have "." and "," where the Latin one has "/" and "?".
 */
function latinKey({ key, code, shiftKey }: KeyboardEvent): string {
  if (code === "Slash" && (key === "." || key === ",")) return shiftKey ? "?" : "/";
  if (key.length > 1 || key <= "~") return key.toLowerCase();
  if (code === "Period") return ".";
  return code.startsWith("Key") ? code.slice(3).toLowerCase() : key;
}

export function onShortcutKey(event: KeyboardEvent) {
  if (!preferences.shortcuts || session.state !== "signed in") return;
  if (document.querySelector("dialog[open]")) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if ((event.target as Element).closest("input, textarea, select, [contenteditable]")) return;
  const key = latinKey(event);
  // On a link or a button, Enter activates it.
  if (key === "enter" && focusedTweet() !== document.activeElement) return;
  const path = performance.now() - prefixAt < SECOND_KEY_MS ? VIEWS[key] : undefined;
  prefixAt = key === "g" ? performance.now() : -Infinity;
  const act = path ? () => navigate(path()) : ACTIONS[key];
  if (!act) return;
  event.preventDefault();
  // Without this, the next typed letter could arrive before the dialog is open.
  flushSync(act);
}
