/** The search for tweets: its results, and the recent searches of this browser. */

import { SvelteMap } from "svelte/reactivity";
import * as api from "../api/client";
import { PagedList } from "./pagedList.svelte";
import { removeStored, setStored, getStored } from "./storage";
import { cacheTweet, type Tweet } from "./tweetCache.svelte";

/** The longest query that the API accepts. */
export const MAX_QUERY_CHARACTERS = 500;

const RECENT = "search.recent";
const MAX_RECENT = 8;

export class TweetSearch extends PagedList<Tweet> {
  choices = $state.raw<api.NameChoice[]>([]);
  /** By person: the departments of people who share a name in the query. */
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
      if (cursor === null) void this.#loadDepartments();
      this.onlyCommonWords = found.onlyCommonWords;
      const items = found.items.map(({ highlights: parts, ...tweet }) => {
        highlights.set(tweet.id, parts);
        return cacheTweet(tweet);
      });
      return { items, cursor: found.cursor };
    });
    this.highlights = highlights;
  }

  /** The search itself returns names only. */
  async #loadDepartments() {
    try {
      for (const { value } of this.choices) {
        const { items } = await api.findPeople(value, null);
        for (const { id, department } of items)
          if (department) this.departments.set(id, department);
      }
    } catch (error) {
      // Without departments, the people are told apart by their numbers.
      if (!(error instanceof api.ApiError)) throw error;
    }
  }
}

/** The last searches. They live as long as the page, so that Back returns to the same place. */
const searches = new Map<string, TweetSearch>();

export function tweetSearch(query: string, order: api.Order, typing: boolean): TweetSearch {
  const key = `${order} ${typing} ${query}`;
  const search = searches.get(key) ?? new TweetSearch(query, order, typing);
  searches.delete(key);
  searches.set(key, search);
  if (searches.size > 2 * MAX_RECENT) searches.delete(searches.keys().next().value!);
  return search;
}

let recent = $state<string[]>(storedRecent());

function storedRecent(): string[] {
  try {
    const stored: unknown = JSON.parse(getStored(RECENT) ?? "[]");
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
    recent = [query, ...recent.filter((it) => it !== query)].slice(0, MAX_RECENT);
    setStored(RECENT, JSON.stringify(recent));
  },
  clear() {
    recent = [];
    removeStored(RECENT);
  },
};
