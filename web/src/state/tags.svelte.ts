/** Hashtags: their tweets, whether the reader follows them, and those of the week. */

import { SvelteMap } from "svelte/reactivity";
import * as api from "../api/client";
import { errorText } from "../text/errorTextLookup.svelte";
import { markFollowingOutdated } from "./tweetLists.svelte";
import { showToast } from "./toasts.svelte";
import { PagedList } from "./pagedList.svelte";
import { sendLatest } from "./optimistic";
import { cacheTweets, type Tweet } from "./tweetCache.svelte";

const MAX_TAGS_OF_THE_WEEK = 5;

/** Follows that the reader has changed. They count more than what was loaded before the change. */
const changed = new SvelteMap<string, boolean>();

export class TagPage {
  /** The tag as the API returns it; null if there are no recent tweets with it. */
  info = $state<api.Tag | null>(null);
  readonly recent: PagedList<Tweet>;
  readonly popular: PagedList<Tweet>;

  constructor(readonly tag: string) {
    this.recent = new PagedList((cursor) => cacheTweets(api.tweetsWith(tag, "recent", cursor)));
    this.popular = new PagedList((cursor) => cacheTweets(api.tweetsWith(tag, "popular", cursor)));
  }

  get name() {
    return this.info?.name ?? this.tag;
  }
  get followed() {
    return changed.get(this.tag) ?? this.info?.followed ?? false;
  }

  async refresh() {
    const changedBefore = changed.get(this.tag);
    try {
      const [tags, followed] = await Promise.all([api.tags(this.tag, 20), api.followedTags()]);
      const wanted = this.tag.toLowerCase();
      const same = ({ tag }: api.Tag) => tag === wanted;
      this.info = followed.find(same) ?? tags.find(same) ?? null;
      // The reader may have changed it while the request was running.
      if (changed.get(this.tag) === changedBefore) changed.delete(this.tag);
    } catch (error) {
      // The list of tweets shows the error.
      if (!(error instanceof api.ApiError)) throw error;
    }
  }

  async toggleFollow() {
    changed.set(this.tag, !this.followed);
    await sendLatest(
      `tag ${this.tag}`,
      () => this.followed,
      (on) => api.setTagFollow(this.tag, on),
      (known, error) => {
        changed.set(this.tag, known);
        showToast(errorText(error), true);
      },
    );
    markFollowingOutdated();
  }
}

const pages = new Map<string, TagPage>();

export function tagPage(tag: string): TagPage {
  const page = pages.get(tag) ?? new TagPage(tag);
  pages.set(tag, page);
  return page;
}

let week = $state<api.Tag[]>([]);
let requested = false;

export const tagsOfTheWeek = {
  get all() {
    return week;
  },
  /** Loads them once. If that fails, nothing is shown. */
  async load() {
    if (requested) return;
    requested = true;
    try {
      week = await api.tags(null, MAX_TAGS_OF_THE_WEEK);
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      requested = false;
    }
  },
};
