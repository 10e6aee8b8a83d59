/** The lists of the administration, with their filters. */

import { SvelteMap } from "svelte/reactivity";
import * as api from "../api/administration";
import { ApiError, type Page } from "../api/client";
import { PagedList } from "./pagedList.svelte";
import { session } from "./session.svelte";

const PAUSE_MS = 250;

type Fetch<Filter, T> = (filter: Filter, cursor: string | null) => Promise<Page<T>>;

/** A list with filters. The old items stay until the new ones are loaded. */
export class FilteredList<Filter extends object, T extends { id: number | string }> {
  filter = $state() as Filter;
  list = $state.raw() as PagedList<T>;

  #empty: Filter;
  #fetch: Fetch<Filter, T>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastRequest = 0;

  constructor(empty: Filter, fetch: Fetch<Filter, T>) {
    this.#empty = empty;
    this.#fetch = fetch;
    this.filter = { ...empty };
    this.list = this.#createList();
  }

  #createList() {
    const filter = { ...this.filter };
    return new PagedList<T>((cursor) => this.#fetch(filter, cursor));
  }

  /** Loads the list with the current filters. */
  async refresh() {
    clearTimeout(this.#timer);
    const request = ++this.#lastRequest;
    const list = this.#createList();
    if (!this.list.loaded) this.list = list;
    await list.refresh();
    if (request === this.#lastRequest) this.list = list;
  }

  /** Loads the list when the reader stops typing. */
  refreshSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.refresh(), PAUSE_MS);
  }

  get isFiltered() {
    return JSON.stringify(this.filter) !== JSON.stringify(this.#empty);
  }

  clear() {
    this.filter = { ...this.#empty };
    void this.refresh();
  }
}

const ALL_ACTIVE: api.PeopleFilter = { query: "", state: "active", role: "" };
export const managedPeople = new FilteredList<api.PeopleFilter, api.ManagedPerson>(
  ALL_ACTIVE,
  api.people,
);

const ALL_ENTRIES: api.AuditFilter = { action: "", actor: "", subject: "", since: "", until: "" };
export const auditLog = new FilteredList<api.AuditFilter, api.AuditEntry>(
  ALL_ENTRIES,
  async (filter, cursor) => {
    const page = await api.audit(filter, cursor);
    void loadNames(page.items);
    return page;
  },
);

/** Names by person. Empty for people who are erased or not loaded yet. */
const names = new SvelteMap<number, string>();
const PARALLEL_REQUESTS = 4;

export const nameOf = (id: number) =>
  (id === session.me.id ? session.me.name : names.get(id)) || null;

/** Loads the names of the people in the log, which has their numbers only. */
async function loadNames(entries: api.AuditEntry[]) {
  const ids = entries.flatMap(({ actor_id, subject_id }) => [actor_id ?? subject_id, subject_id]);
  const unknown = [...new Set(ids)].filter((id) => id !== session.me.id && !names.has(id));
  for (const id of unknown) names.set(id, "");
  const next = async () => {
    for (let id = unknown.shift(); id !== undefined; id = unknown.shift()) {
      names.set(id, (await api.person(id))?.name ?? "");
    }
  };
  try {
    await Promise.all(Array.from({ length: PARALLEL_REQUESTS }, next));
  } catch (error) {
    // Without names, the numbers are shown.
    if (!(error instanceof ApiError)) throw error;
  }
}
