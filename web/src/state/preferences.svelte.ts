/** What a person chose for this browser. */

import type { Order, Period, Replies, Scope } from "../api/client";
import { en, type Words } from "../text/en";
import { keep, kept } from "./storage";

export const LANGUAGES = { en: "English", ru: "Русский" };
export type Language = keyof typeof LANGUAGES;
export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

function chosen<T extends string>(name: string, allowed: readonly T[], otherwise: T): T {
  const value = kept(name) as T;
  return allowed.includes(value) ? value : otherwise;
}

const spoken = navigator.languages.find((tag) => /^(en|ru)\b/.test(tag))?.slice(0, 2);

const preferred = chosen<Language>(
  "language",
  ["en", "ru"],
  (spoken as Language | undefined) ?? "en",
);
let language = $state<Language>("en");
/** English is part of the first script; Russian is fetched by those who read it. */
const texts: Record<Language, Words | null> = { en, ru: null };
let theme = $state(chosen<Theme>("theme", THEMES, "system"));
let order = $state(chosen<Order>("order", ["popular", "recent"], "recent"));
let scope = $state(chosen<Scope>("scope", ["following", "everyone"], "following"));
let replies = $state(chosen<Replies>("replies", ["conversations", "none", "all"], "conversations"));
let period = $state(chosen<Period>("period", ["week", "month", "all"], "all"));
let shortcuts = $state(chosen("shortcuts", ["on", "off"], "on"));

export const preferences = {
  get language() {
    return language;
  },
  set language(value) {
    keep("language", value);
    void speak(value);
  },
  get theme() {
    return theme;
  },
  set theme(value) {
    theme = value;
    keep("theme", value);
  },
  get order() {
    return order;
  },
  set order(value) {
    order = value;
    keep("order", value);
  },
  get scope() {
    return scope;
  },
  set scope(value) {
    scope = value;
    keep("scope", value);
  },
  get replies() {
    return replies;
  },
  set replies(value) {
    replies = value;
    keep("replies", value);
  },
  /** Of which time the popular tweets are. */
  get period() {
    return period;
  },
  set period(value) {
    period = value;
    keep("period", value);
  },
  get shortcuts() {
    return shortcuts === "on";
  },
  set shortcuts(value) {
    shortcuts = value ? "on" : "off";
    keep("shortcuts", shortcuts);
  },
};

/** Shows the page in a language. If its words cannot be fetched, the page stays as it is. */
async function speak(wanted: Language) {
  try {
    if (wanted === "ru") texts.ru ??= (await import("../text/ru")).ru;
  } catch {
    return;
  }
  language = wanted;
}

/** Fetches the words that the first view needs. */
export const loadWords = () => speak(preferred);

/** The words of the page, in the language that is chosen. */
export const words = (): Words => texts[language] ?? en;
