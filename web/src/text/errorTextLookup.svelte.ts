/**
 * The text for an error, in the reader's language, with the numbers of a limit if the API sends them. For an
 * error without a text of ours, the API's own message.
 *
 * The texts are in `firstViewTexts.*.ts`, as `errors`, if the error can occur in the first view, and otherwise
 * in `errorTexts.ts`. Those of an invitation are in `newcomerTexts.ts`.
 */

import { ApiError } from "../api/client";
import { texts } from "../state/preferences.svelte";

type Lookup = (error: ApiError) => string | undefined;

/** Finds a text in `errorTexts.ts`, once that file is loaded. The texts on the page are updated then. */
let lazyErrorText = $state.raw<Lookup>(() => undefined);

export function addErrorTexts(added: Lookup) {
  lazyErrorText = added;
}

export function errorText(error: unknown): string {
  if (!(error instanceof ApiError)) throw error;
  const known = lazyErrorText(error) ?? texts().errors[error.type];
  return known || error.message || texts().failed;
}
