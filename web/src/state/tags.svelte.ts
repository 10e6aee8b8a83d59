/** Hashtags: their tweets, whether the reader follows them, and those of the week. */

import { SvelteMap } from "svelte/reactivity";
import * as api from "../api/client";
import { reason } from "../text/reason";
import { outdateFollowing } from "./feeds.svelte";
import { tell } from "./notices.svelte";
import { Paged } from "./paged.svelte";
import { settle } from "./settle";
import { kept, type Tweet } from "./tweets.svelte";

const OF_THE_WEEK = 5;

/** What the reader changed, until the server's own word of it comes. */
const changed = new SvelteMap<string, boolean>();

export class TagPage {
  /** What the API knows of it; null if it has no tweets of late. */
  known = $state<api.Tag | null>(null);
  readonly recent: Paged<Tweet>;
  readonly popular: Paged<Tweet>;

  constructor(readonly tag: string) {
    this.recent = new Paged((cursor) => kept(api.tweetsWith(tag, "recent", cursor)));
    this.popular = new Paged((cursor) => kept(api.tweetsWith(tag, "popular", cursor)));
  }

  get name() {
    return this.known?.name ?? this.tag;
  }
  get followed() {
    return changed.get(this.tag) ?? this.known?.followed ?? false;
  }

  async refresh() {
    const before = changed.get(this.tag);
    try {
      const [tags, followed] = await Promise.all([api.tags(this.tag, 20), api.followedTags()]);
      const wanted = this.tag.toLowerCase();
      const same = ({ tag }: api.Tag) => tag === wanted;
      this.known = followed.find(same) ?? tags.find(same) ?? null;
      // The reader may have changed it again meanwhile.
      if (changed.get(this.tag) === before) changed.delete(this.tag);
    } catch (error) {
      // The tweets say what is wrong.
      if (!(error instanceof api.ApiError)) throw error;
    }
  }

  async toggleFollow() {
    changed.set(this.tag, !this.followed);
    await settle(
      `tag ${this.tag}`,
      () => this.followed,
      (on) => api.setTagFollow(this.tag, on),
      (known, error) => {
        changed.set(this.tag, known);
        tell(reason(error), true);
      },
    );
    outdateFollowing();
  }
}

const pages = new Map<string, TagPage>();

export function tagPage(tag: string): TagPage {
  const page = pages.get(tag) ?? new TagPage(tag);
  pages.set(tag, page);
  return page;
}

let week = $state<api.Tag[]>([]);
let asked = false;

export const tagsOfTheWeek = {
  get all() {
    return week;
  },
  /** Asks once; where nothing comes, nothing is shown. */
  async load() {
    if (asked) return;
    asked = true;
    try {
      week = await api.tags(null, OF_THE_WEEK);
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      asked = false;
    }
  },
};
