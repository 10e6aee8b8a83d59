/** People whom many follow and the reader does not. They stay in the list when the reader follows them. */

import * as api from "../api/client";
import { session } from "./session.svelte";

let people = $state<api.ListedPerson[]>([]);
let requested = false;

export const suggestions = {
  get people() {
    return people;
  },
  /** Loads them once. If that fails, nothing is suggested. */
  async load() {
    if (requested) return;
    requested = true;
    // The session may have ended before the response arrives.
    const { id } = session.me;
    try {
      const { items } = await api.findPeople("", null);
      people = items.filter((person) => !person.followed && person.id !== id);
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      requested = false;
    }
  },
};
