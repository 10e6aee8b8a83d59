/** Whose tweets Home shows. Readers who follow nobody see everyone's, until they choose a tab. */

import type { Scope } from "../api/client";
import { hasFollowedSomebody } from "./people.svelte";
import { preferences } from "./preferences.svelte";
import { session } from "./session.svelte";
import { getStored } from "./storage";

let chosen = getStored("scope") !== null;
/** Whether everyone's tweets are shown because the reader follows nobody. */
let isFallback = $state(false);

export const home = {
  get scope(): Scope {
    return isFallback ? "everyone" : preferences.scope;
  },
  set scope(value) {
    chosen = true;
    isFallback = false;
    preferences.scope = value;
  },
  /** Whether to explain to the reader why everyone's tweets are shown. */
  get showsFallbackHint() {
    return isFallback && !hasFollowedSomebody();
  },
};

/** Called when Home is opened: the tab does not change while the reader is there. */
export function enterHome() {
  isFallback = !chosen && session.me.following_count === 0 && !hasFollowedSomebody();
}
