/** People whom many follow and the reader does not: those on the screen stay while they are followed. */

import * as api from "../api/client";
import { who } from "./session.svelte";

let people = $state<api.Listed[]>([]);
let asked = false;

export const suggested = {
  get people() {
    return people;
  },
  /** Asks once; where nothing comes, nothing is suggested. */
  async load() {
    if (asked) return;
    asked = true;
    // By the time of the answer the session may have ended.
    const { id } = who.me;
    try {
      const { items } = await api.findPeople("", null);
      people = items.filter((person) => !person.followed && person.id !== id);
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      asked = false;
    }
  },
};
