/** Opens the welcome dialog for a new person, once in a browser. */

import * as api from "../api/client";
import { dialogs, openDialog } from "./dialogs.svelte";
import { session } from "./session.svelte";
import { setStored, getStored } from "./storage";

const key = () => `welcomed.${session.me.id}`;
let isChecking = false;

/** Called for a person who follows nobody. */
export async function offerFirstSteps() {
  if (isChecking || getStored(key()) !== null) return;
  isChecking = true;
  try {
    const { items } = await api.tweetsOf(session.me.id, "tweets", null);
    // If another dialog has been opened in the meantime, it is offered at the next visit.
    if (items.length === 0 && dialogs.open !== null) return;
    if (items.length === 0) openDialog({ kind: "welcome" });
    setStored(key(), "yes");
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    isChecking = false;
  }
}
