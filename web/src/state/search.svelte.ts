/** Finding people by name while it is typed. */

import type { Listed } from "../api/client";
import type { Paged } from "./paged.svelte";
import { peopleCalled } from "./people.svelte";

/** The longest name that the API looks for. */
export const NAME_CHARACTERS = 100;

const PAUSE_MS = 200;

let name = $state("");
let found = $state.raw<Paged<Listed>>(peopleCalled(""));
/** The name that `found` is of. */
let asked = $state("");
let timer: ReturnType<typeof setTimeout>;

/** What was found before stays until the next is here: nothing flickers while one types. */
async function look() {
  const wanted = name.trim();
  if (wanted === asked && found.loaded) return;
  const list = peopleCalled(wanted);
  await list.refresh();
  if (wanted !== name.trim()) return;
  found = list;
  asked = wanted;
}

export const search = {
  get name() {
    return name;
  },
  set name(value) {
    name = value;
    clearTimeout(timer);
    timer = setTimeout(() => void look(), PAUSE_MS);
  },
  get found() {
    return found;
  },
  get asked() {
    return asked;
  },
};
