/** What is told of an error: by its stable name in the reader's language, else as the API says it. */

import { ApiError } from "../api/client";
import { words } from "../state/preferences.svelte";

export function reason(error: unknown): string {
  if (!(error instanceof ApiError)) throw error;
  return words().reasons[error.type] || error.message || words().failed;
}
