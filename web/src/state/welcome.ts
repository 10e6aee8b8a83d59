/** Offers the first steps to a person who is new, once in a browser. */

import * as api from "../api/client";
import { dialogs, show } from "./dialogs.svelte";
import { who } from "./session.svelte";
import { keep, kept } from "./storage";

const key = () => `welcomed.${who.me.id}`;
let asking = false;

/** Called for somebody who follows nobody. */
export async function offerFirstSteps() {
  if (asking || kept(key()) !== null) return;
  asking = true;
  try {
    const { items } = await api.tweetsOf(who.me.id, "tweets", null);
    // Somebody who has opened another dialog meanwhile is asked at the next visit.
    if (items.length === 0 && dialogs.open !== null) return;
    if (items.length === 0) show({ kind: "welcome" });
    keep(key(), "yes");
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    asking = false;
  }
}
