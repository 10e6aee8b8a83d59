/** Whose tweets Home shows. Somebody who follows nobody sees everyone's, until they choose. */

import type { Scope } from "../api/client";
import { followsSince } from "./people.svelte";
import { preferences } from "./preferences.svelte";
import { who } from "./session.svelte";
import { kept } from "./storage";

let chosen = kept("scope") !== null;
/** Whether everyone's tweets stand in for the feed of somebody who follows nobody. */
let standsIn = $state(false);

export const home = {
  get scope(): Scope {
    return standsIn ? "everyone" : preferences.scope;
  },
  set scope(value) {
    chosen = true;
    standsIn = false;
    preferences.scope = value;
  },
  /** Whether to tell the reader why everyone's tweets are shown. */
  get explains() {
    return standsIn && !followsSince();
  },
};

/** Called when the reader comes to Home, so that the list does not change under the reader's eyes. */
export function enterHome() {
  standsIn = !chosen && who.me.following_count === 0 && !followsSince();
}
