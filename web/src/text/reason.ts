/**
 * The sentence for an error: in the reader's language by its stable name, with the numbers of a limit
 * where the API sends them; else the API's own message.
 */

import { ApiError } from "../api/client";
import { words } from "../state/preferences.svelte";

/** Knows the errors that the first view never meets (reasons.ts). */
let furtherReason: (type: string) => string | undefined = () => undefined;

export function addReasons(known: typeof furtherReason) {
  furtherReason = known;
}

export function reason(error: unknown): string {
  if (!(error instanceof ApiError)) throw error;
  const withNumbers = words().limits[error.type];
  if (withNumbers && error.details) return withNumbers(error.details);
  const known = words().reasons[error.type] ?? furtherReason(error.type);
  return known || error.message || words().failed;
}
