/**
 * The pictures that the reader changed here. The other services learn of them a moment later, so what
 * they say of the picture until then is not shown.
 */

import { SvelteMap } from "svelte/reactivity";
import type { Portrait } from "../api/client";

const changed = new SvelteMap<number, Portrait | null>();

export const showPortrait = (id: number, picture: Portrait | null) => changed.set(id, picture);

export function portraitOf(id: number, known: Portrait | null | undefined): Portrait | null {
  const own = changed.get(id);
  return own === undefined ? (known ?? null) : own;
}
