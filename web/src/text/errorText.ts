/**
 * The text for an error, in the reader's language, with the numbers of a limit if the API sends them. For an
 * error without a text of ours, the API's own message.
 */

import { ApiError } from "../api/client";
import { texts } from "../state/preferences.svelte";

/** The texts of more errors, once lazyErrorTexts.ts is fetched. */
let lazyErrorTexts: (error: ApiError) => string | undefined = () => undefined;

export function addErrorTexts(added: typeof lazyErrorTexts) {
  lazyErrorTexts = added;
}

export function errorText(error: unknown): string {
  if (!(error instanceof ApiError)) throw error;
  const known = lazyErrorTexts(error) ?? texts().errors[error.type];
  return known || error.message || texts().failed;
}
