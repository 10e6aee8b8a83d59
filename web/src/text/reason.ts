/**
 * The sentence for an error: in the reader's language by its stable name, with the numbers of a limit
 * where the API sends them; else the API's own message.
 */

import { ApiError } from "../api/client";
import { words } from "../state/preferences.svelte";

/** Knows more errors, and the numbers of limits, once its part is fetched (reasons.ts). */
let furtherReason: (error: ApiError) => string | undefined = () => undefined;

export function addReasons(known: typeof furtherReason) {
  furtherReason = known;
}

export function reason(error: unknown): string {
  if (!(error instanceof ApiError)) throw error;
  const known = furtherReason(error) ?? words().reasons[error.type];
  return known || error.message || words().failed;
}
