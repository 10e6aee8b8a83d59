/** The reader's notifications, in groups. No part of the first script. */

import * as api from "../api/notifications";
import { askUnread } from "./live.svelte";
import { Paged } from "./paged.svelte";
import { keep, type Tweet } from "./tweets.svelte";
import { ApiError } from "../api/client";

export interface Group extends api.Group {
  /** The tweet that it is about; null if it is gone. */
  tweet: Tweet | null;
  /** Whether it has come since the reader looked last, and was not opened. */
  fresh: boolean;
}

class NotificationList extends Paged<Group> {
  /** Whether there are notifications that the list lacks. */
  outdated = $state(false);

  #newest = 0;

  constructor() {
    super(async (cursor) => {
      const page = await api.notifications(cursor);
      if (cursor === null) {
        this.#seen = page.seen;
        this.#newest = newestOf(page.items);
        this.outdated = false;
      }
      const texts = await textsOf(page.items);
      const items = page.items.map((group) => {
        const tweet = texts.get(group.tweet_id ?? 0) ?? null;
        return { ...group, tweet, fresh: !group.read && group.seq > this.#seen };
      });
      return { items, cursor: page.cursor };
    });
  }

  /** The marker at the reader's last look. */
  #seen = 0;

  announce(seq: number) {
    if (seq > this.#newest) this.outdated = true;
  }

  /** Asks whether there are notifications that the list lacks. */
  async compare() {
    if (!this.loaded) return;
    try {
      this.announce(newestOf((await api.notifications(null)).items));
    } catch (error) {
      // The next notification tells it.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** Shows what is new, and tells that the reader has seen it. */
  async look() {
    await this.refresh();
    if (this.failure || this.#newest === 0) return;
    try {
      await askUnread(() => api.markSeen(this.#newest));
    } catch (error) {
      // The next look moves the marker.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  async open(group: Group) {
    if (group.read) return;
    group.read = true;
    group.fresh = false;
    try {
      await api.markRead(group.id);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      group.read = false;
    }
  }
}

const newestOf = (groups: api.Group[]) => Math.max(0, ...groups.map(({ seq }) => seq));

async function textsOf(groups: api.Group[]): Promise<Map<number, Tweet>> {
  const ids = new Set(groups.map((group) => group.tweet_id).filter((id) => id !== null));
  try {
    return new Map((await api.tweetsById([...ids])).map((tweet) => [tweet.id, keep(tweet)]));
  } catch (error) {
    // The groups say what has happened, without the texts.
    if (!(error instanceof ApiError)) throw error;
    return new Map();
  }
}

let list: NotificationList | null = null;

export const notificationList = () => (list ??= new NotificationList());
