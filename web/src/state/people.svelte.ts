/** People that this page has seen, and whom of them the reader follows. */

import { SvelteMap } from "svelte/reactivity";
import * as api from "../api/client";
import { reason } from "../text/reason";
import { outdateFollowing } from "./feeds.svelte";
import { tell } from "./notices.svelte";
import { Paged } from "./paged.svelte";
import { isSettling, settle } from "./settle";

interface Followable {
  id: number;
  followed: boolean;
}

/** What the reader changed, until the server's own word of it comes. */
const changed = new SvelteMap<number, boolean>();

export const isFollowed = (person: Followable) => changed.get(person.id) ?? person.followed;

/** Whether the reader has begun to follow somebody since the page was loaded. */
export const followsSince = () => [...changed.values()].includes(true);

/** What the reader's own change adds to a follower count that was fetched before it. */
export const addedFollower = (person: Followable) =>
  Number(isFollowed(person)) - Number(person.followed);

/** Shows what the reader changed in another tab. */
export function showFollow(id: number, on: boolean) {
  changed.set(id, on);
  outdateFollowing();
}

export async function toggleFollow(person: Followable) {
  const { id } = person;
  changed.set(id, !isFollowed(person));
  await settle(
    `follow ${id}`,
    () => isFollowed(person),
    (on) => api.setFollow(id, on),
    (known, error) => {
      changed.set(id, known);
      tell(reason(error), true);
    },
  );
  outdateFollowing();
}

/** Somebody's page: the profile, and the lists of followers and followed. */
export class PersonPage {
  profile = $state<api.Profile | null>(null);
  failure = $state<api.ApiError | null>(null);
  readonly followers: Paged<api.Listed>;
  readonly following: Paged<api.Listed>;

  constructor(readonly id: number) {
    this.followers = new Paged((cursor) => api.followersOf(id, cursor));
    this.following = new Paged((cursor) => api.followedBy(id, cursor));
  }

  async refresh() {
    try {
      const profile = await api.profile(this.id);
      if (!isSettling(`follow ${this.id}`)) changed.delete(this.id);
      this.profile = profile;
      this.failure = null;
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      this.failure = error;
    }
  }
}

const pages = new Map<number, PersonPage>();

export function personPage(id: number): PersonPage {
  const page = pages.get(id) ?? new PersonPage(id);
  pages.set(id, page);
  return page;
}

/** The people whom a name finds; of the empty one all, those first whom many follow. */
export const peopleCalled = (name: string) => new Paged((cursor) => api.findPeople(name, cursor));
