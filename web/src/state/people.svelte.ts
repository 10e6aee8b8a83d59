/** People, and which of them the reader follows. */

import { SvelteMap } from "svelte/reactivity";
import * as api from "../api/client";
import { errorText } from "../text/errorTextLookup.svelte";
import { markFollowingOutdated } from "./tweetLists.svelte";
import { showToast } from "./toasts.svelte";
import { PagedList } from "./pagedList.svelte";
import { isSending, sendLatest } from "./optimistic";

interface Followable {
  id: number;
  followed: boolean;
}

/** Follows that the reader has changed. They count more than what was loaded before the change. */
const changed = new SvelteMap<number, boolean>();

export const isFollowed = (person: Followable) => changed.get(person.id) ?? person.followed;

/** Whether the reader has followed somebody since the page was loaded. */
export const hasFollowedSomebody = () => [...changed.values()].includes(true);

/** 1, 0 or -1: the reader's change, which a follower count loaded before it does not include. */
export const followerDelta = (person: Followable) =>
  Number(isFollowed(person)) - Number(person.followed);

/** Shows a follow or an unfollow from another tab. */
export function showFollow(id: number, on: boolean) {
  changed.set(id, on);
  markFollowingOutdated();
}

export async function toggleFollow(person: Followable) {
  const { id } = person;
  changed.set(id, !isFollowed(person));
  await sendLatest(
    `follow ${id}`,
    () => isFollowed(person),
    (on) => api.setFollow(id, on),
    (known, error) => {
      changed.set(id, known);
      showToast(errorText(error), true);
    },
  );
  markFollowingOutdated();
}

/** A person's profile, followers and followed people. */
export class PersonPage {
  profile = $state<api.Profile | null>(null);
  failure = $state<api.ApiError | null>(null);
  readonly followers: PagedList<api.ListedPerson>;
  readonly following: PagedList<api.ListedPerson>;

  constructor(readonly id: number) {
    this.followers = new PagedList((cursor) => api.followersOf(id, cursor));
    this.following = new PagedList((cursor) => api.followedBy(id, cursor));
  }

  async refresh() {
    try {
      const profile = await api.profile(this.id);
      if (!isSending(`follow ${this.id}`)) changed.delete(this.id);
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

/** The people found by a name. An empty name finds all people, the most followed first. */
export const peopleNamed = (name: string) =>
  new PagedList((cursor) => api.findPeople(name, cursor));
