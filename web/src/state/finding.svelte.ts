/** Searches for tweets: what was found, and what this browser was asked before. */

import { SvelteMap } from "svelte/reactivity";
import * as api from "../api/client";
import { Paged } from "./paged.svelte";
import { forget, keep, kept } from "./storage";
import { keep as keepTweet, type Tweet } from "./tweets.svelte";

/** The longest query that the API takes. */
export const QUERY_CHARACTERS = 500;

const RECENT = "search.recent";
const MOST_RECENT = 8;

export class Finding extends Paged<Tweet> {
  choices = $state.raw<api.Choice[]>([]);
  /** The departments of those who share a name of the query, by person. */
  readonly departments = new SvelteMap<number, string>();
  onlyCommonWords = $state(false);
  readonly highlights: SvelteMap<number, readonly api.Highlight[]>;

  constructor(
    readonly query: string,
    readonly order: api.Order,
    typing: boolean,
  ) {
    const highlights = new SvelteMap<number, readonly api.Highlight[]>();
    super(async (cursor) => {
      const found = await api.search(query, order, cursor, typing);
      this.choices = found.choices;
      if (cursor === null) void this.#learnDepartments();
      this.onlyCommonWords = found.onlyCommonWords;
      const items = found.items.map(({ highlights: parts, ...tweet }) => {
        highlights.set(tweet.id, parts);
        return keepTweet(tweet);
      });
      return { items, cursor: found.cursor };
    });
    this.highlights = highlights;
  }

  /** The search knows names only. */
  async #learnDepartments() {
    try {
      for (const { value } of this.choices) {
        const { items } = await api.findPeople(value, null);
        for (const { id, department } of items)
          if (department) this.departments.set(id, department);
      }
    } catch (error) {
      // The numbers tell them apart.
      if (!(error instanceof api.ApiError)) throw error;
    }
  }
}

/** The last searches, kept while the page is open: who comes back finds the place again. */
const findings = new Map<string, Finding>();

export function finding(query: string, order: api.Order, typing: boolean): Finding {
  const key = `${order} ${typing} ${query}`;
  const found = findings.get(key) ?? new Finding(query, order, typing);
  findings.delete(key);
  findings.set(key, found);
  if (findings.size > 2 * MOST_RECENT) findings.delete(findings.keys().next().value!);
  return found;
}

let recent = $state<string[]>(read());

function read(): string[] {
  try {
    const stored: unknown = JSON.parse(kept(RECENT) ?? "[]");
    return Array.isArray(stored) ? stored.filter((it) => typeof it === "string") : [];
  } catch {
    return [];
  }
}

export const recentSearches = {
  get all() {
    return recent;
  },
  add(query: string) {
    recent = [query, ...recent.filter((it) => it !== query)].slice(0, MOST_RECENT);
    keep(RECENT, JSON.stringify(recent));
  },
  clear() {
    recent = [];
    forget(RECENT);
  },
};
