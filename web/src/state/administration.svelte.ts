/** What the administration lists, and what it has last looked for. */

import { SvelteMap } from "svelte/reactivity";
import * as api from "../api/administration";
import { ApiError, type Page } from "../api/client";
import { Paged } from "./paged.svelte";
import { who } from "./session.svelte";

const PAUSE_MS = 250;

type Fetch<Filter, T> = (filter: Filter, cursor: string | null) => Promise<Page<T>>;

/** A list with filters. What was found before stays until the next is here. */
export class Filtered<Filter extends object, T extends { id: number | string }> {
  filter = $state() as Filter;
  list = $state.raw() as Paged<T>;

  #empty: Filter;
  #fetch: Fetch<Filter, T>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #turn = 0;

  constructor(empty: Filter, fetch: Fetch<Filter, T>) {
    this.#empty = empty;
    this.#fetch = fetch;
    this.filter = { ...empty };
    this.list = this.#listed();
  }

  #listed() {
    const filter = { ...this.filter };
    return new Paged<T>((cursor) => this.#fetch(filter, cursor));
  }

  /** Asks again with what the filters say now. */
  async look() {
    clearTimeout(this.#timer);
    const turn = ++this.#turn;
    const list = this.#listed();
    if (!this.list.loaded) this.list = list;
    await list.refresh();
    if (turn === this.#turn) this.list = list;
  }

  /** The same a moment later, while one types. */
  follow() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.look(), PAUSE_MS);
  }

  get isFiltered() {
    return JSON.stringify(this.filter) !== JSON.stringify(this.#empty);
  }

  clear() {
    this.filter = { ...this.#empty };
    void this.look();
  }
}

const NOBODY: api.PeopleFilter = { query: "", state: "active", role: "" };
export const managed = new Filtered<api.PeopleFilter, api.ManagedPerson>(NOBODY, api.people);

const ANYTHING: api.AuditFilter = { action: "", actor: "", subject: "", since: "", until: "" };
export const audited = new Filtered<api.AuditFilter, api.AuditEntry>(
  ANYTHING,
  async (filter, cursor) => {
    const page = await api.audit(filter, cursor);
    void learnNames(page.items);
    return page;
  },
);

/** By number; empty for somebody who is erased, or not looked up yet. */
const names = new SvelteMap<number, string>();
const AT_ONCE = 4;

export const nameOf = (id: number) => (id === who.me.id ? who.me.name : names.get(id)) || null;

/** Looks up the names of people whom the log has by number. */
async function learnNames(entries: api.AuditEntry[]) {
  const ids = entries.flatMap(({ actor_id, subject_id }) => [actor_id ?? subject_id, subject_id]);
  const unknown = [...new Set(ids)].filter((id) => id !== who.me.id && !names.has(id));
  for (const id of unknown) names.set(id, "");
  const next = async () => {
    for (let id = unknown.shift(); id !== undefined; id = unknown.shift()) {
      names.set(id, (await api.person(id))?.name ?? "");
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, next));
  } catch (error) {
    // The numbers stand for the names.
    if (!(error instanceof ApiError)) throw error;
  }
}
