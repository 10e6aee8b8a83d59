/** One key, one action; they act on the tweet that has the focus. */

import { flushSync } from "svelte";
import { show } from "./dialogs.svelte";
import { preferences } from "./preferences.svelte";
import { go, HOME, NOTIFICATIONS, PEOPLE, profilePath, SEARCH, tweetPath } from "./route.svelte";
import { who } from "./session.svelte";

const SECOND_KEY_MS = 1500;

let led = -Infinity;

const current = () => document.activeElement?.closest<HTMLElement>("[data-tweet]") ?? null;

/** Moves the focus to the next tweet, or to the first that is to be seen. */
function step(by: 1 | -1) {
  const all = [...document.querySelectorAll<HTMLElement>("[data-tweet]")];
  const at = current();
  const next = at
    ? all[all.indexOf(at) + by]
    : all.find((tweet) => tweet.getBoundingClientRect().bottom > 120);
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
}

/** On the page of one tweet, that one is meant where no other has the focus. */
function press(selector: string) {
  const tweet = current() ?? document.querySelector("article.main");
  tweet?.querySelector<HTMLElement>(selector)?.click();
}

const openTweet = () => go(tweetPath(Number(current()?.dataset.tweet)));

function find() {
  const fields = document.querySelectorAll<HTMLElement>("[data-search]");
  const seen = [...fields].find((field) => field.checkVisibility());
  if (seen) seen.focus();
  else go(SEARCH);
}

const ACTIONS: Record<string, () => void> = {
  "?": () => show({ kind: "shortcuts" }),
  n: () => show({ kind: "write" }),
  j: () => step(1),
  k: () => step(-1),
  l: () => press(".like"),
  r: () => press(".reply"),
  o: () => press("ul button"),
  a: () => press(".author"),
  enter: openTweet,
  ".": () => document.querySelector<HTMLElement>("[data-fresh]")?.click(),
  "/": find,
};

const PLACES: Record<string, () => string> = {
  h: () => HOME,
  n: () => NOTIFICATIONS,
  p: () => PEOPLE,
  m: () => profilePath(who.me.id),
};

/**
 * The key that is meant. A layout without Latin letters is read by the place of the key: Cyrillic
 * "о" is on J. Such a layout may have "." and "," where the Latin one has "/" and "?".
 */
function meant({ key, code, shiftKey }: KeyboardEvent): string {
  if (code === "Slash" && (key === "." || key === ",")) return shiftKey ? "?" : "/";
  if (key.length > 1 || key <= "~") return key.toLowerCase();
  if (code === "Period") return ".";
  return code.startsWith("Key") ? code.slice(3).toLowerCase() : key;
}

export function shortcut(event: KeyboardEvent) {
  if (!preferences.shortcuts || who.state !== "signed in") return;
  if (document.querySelector("dialog[open]")) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if ((event.target as Element).closest("input, textarea, select, [contenteditable]")) return;
  const key = meant(event);
  // On a link or a button, Enter presses it.
  if (key === "enter" && current() !== document.activeElement) return;
  const place = performance.now() - led < SECOND_KEY_MS ? PLACES[key] : undefined;
  led = key === "g" ? performance.now() : -Infinity;
  const act = place ? () => go(place()) : ACTIONS[key];
  if (!act) return;
  event.preventDefault();
  // What is typed next goes where the key has led.
  flushSync(act);
}
