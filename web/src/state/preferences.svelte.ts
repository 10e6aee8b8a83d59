/** The reader's settings of the page, stored in this browser. */

import type { Order, Period, Replies, Scope } from "../api/client";
import { en, type Texts } from "../text/firstViewTexts.en";
import { setStored, getStored } from "./storage";

export const LANGUAGES = { en: "English", ru: "Русский" };
export type Language = keyof typeof LANGUAGES;
export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

function storedChoice<T extends string>(name: string, allowed: readonly T[], fallback: T): T {
  const value = getStored(name) as T;
  return allowed.includes(value) ? value : fallback;
}

const browserLanguage = navigator.languages.find((tag) => /^(en|ru)\b/.test(tag))?.slice(0, 2);

const initialLanguage = storedChoice<Language>(
  "language",
  ["en", "ru"],
  (browserLanguage as Language | undefined) ?? "en",
);
let language = $state<Language>("en");
/** English is part of the first script; Russian is fetched when it is needed. */
const loadedTexts: Record<Language, Texts | null> = { en, ru: null };
let theme = $state(storedChoice<Theme>("theme", THEMES, "system"));
let order = $state(storedChoice<Order>("order", ["popular", "recent"], "recent"));
let scope = $state(storedChoice<Scope>("scope", ["following", "everyone"], "following"));
let replies = $state(
  storedChoice<Replies>("replies", ["conversations", "none", "all"], "conversations"),
);
let period = $state(storedChoice<Period>("period", ["week", "month", "all"], "all"));
let shortcuts = $state(storedChoice("shortcuts", ["on", "off"], "on"));

export const preferences = {
  get language() {
    return language;
  },
  set language(value) {
    setStored("language", value);
    void setLanguage(value);
  },
  get theme() {
    return theme;
  },
  set theme(value) {
    theme = value;
    setStored("theme", value);
  },
  get order() {
    return order;
  },
  set order(value) {
    order = value;
    setStored("order", value);
  },
  get scope() {
    return scope;
  },
  set scope(value) {
    scope = value;
    setStored("scope", value);
  },
  get replies() {
    return replies;
  },
  set replies(value) {
    replies = value;
    setStored("replies", value);
  },
  /** The period of the popular tweets. */
  get period() {
    return period;
  },
  set period(value) {
    period = value;
    setStored("period", value);
  },
  get shortcuts() {
    return shortcuts === "on";
  },
  set shortcuts(value) {
    shortcuts = value ? "on" : "off";
    setStored("shortcuts", shortcuts);
  },
};

/** Fetches the texts of a language and shows the page in it. If that fails, the page keeps its language. */
async function setLanguage(wanted: Language) {
  try {
    if (wanted === "ru") loadedTexts.ru ??= (await import("../text/firstViewTexts.ru")).ru;
  } catch {
    return;
  }
  language = wanted;
}

/** Fetches the texts that the first view needs. */
export const loadTexts = () => setLanguage(initialLanguage);

/** The texts of the page in the chosen language. */
export const texts = (): Texts => loadedTexts[language] ?? en;
