/** What a person chose for this browser. */

import type { Order, Scope } from "../api/client";
import { en } from "../text/en";
import { ru } from "../text/ru";
import { keep, kept } from "./storage";

export const LANGUAGES = { en, ru };
export type Language = keyof typeof LANGUAGES;
export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

function chosen<T extends string>(name: string, allowed: readonly T[], otherwise: T): T {
  const value = kept(name) as T;
  return allowed.includes(value) ? value : otherwise;
}

const spoken = navigator.languages.find((tag) => /^(en|ru)\b/.test(tag))?.slice(0, 2);

let language = $state(
  chosen<Language>("language", ["en", "ru"], (spoken as Language | undefined) ?? "en"),
);
let theme = $state(chosen<Theme>("theme", THEMES, "system"));
let order = $state(chosen<Order>("order", ["popular", "recent"], "recent"));
let scope = $state(chosen<Scope>("scope", ["following", "everyone"], "following"));
let shortcuts = $state(chosen("shortcuts", ["on", "off"], "on"));

export const preferences = {
  get language() {
    return language;
  },
  set language(value) {
    language = value;
    keep("language", value);
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
  get shortcuts() {
    return shortcuts === "on";
  },
  set shortcuts(value) {
    shortcuts = value ? "on" : "off";
    keep("shortcuts", shortcuts);
  },
};

/** The words of the page, in the language that is chosen. */
export const words = () => LANGUAGES[language];
