/**
 * Profile pictures that the reader has changed on this page. The other services receive the change a
 * moment later; the picture that they return until then is not shown.
 */

import { SvelteMap } from "svelte/reactivity";
import type { Portrait } from "../api/client";

const changed = new SvelteMap<number, Portrait | null>();

export const showPortrait = (id: number, picture: Portrait | null) => changed.set(id, picture);

export function portraitOf(id: number, known: Portrait | null | undefined): Portrait | null {
  const picture = changed.get(id);
  return picture === undefined ? (known ?? null) : picture;
}
