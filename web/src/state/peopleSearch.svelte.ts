/** The search for people by name, while the reader types. */

import type { ListedPerson } from "../api/client";
import type { PagedList } from "./pagedList.svelte";
import { peopleNamed } from "./people.svelte";

/** The longest query that the API accepts. */
export const MAX_NAME_CHARACTERS = 100;

const PAUSE_MS = 200;

let query = $state("");
let results = $state.raw<PagedList<ListedPerson>>(peopleNamed(""));
/** The query of `results`. */
let resultsQuery = $state("");
let timer: ReturnType<typeof setTimeout>;

/** The old results stay until the new ones are loaded, so that nothing flickers. */
async function search() {
  const wanted = query.trim();
  if (wanted === resultsQuery && results.loaded) return;
  const list = peopleNamed(wanted);
  await list.refresh();
  if (wanted !== query.trim()) return;
  results = list;
  resultsQuery = wanted;
}

export const peopleSearch = {
  get query() {
    return query;
  },
  set query(value) {
    query = value;
    clearTimeout(timer);
    timer = setTimeout(() => void search(), PAUSE_MS);
  },
  get results() {
    return results;
  },
  get resultsQuery() {
    return resultsQuery;
  },
};
