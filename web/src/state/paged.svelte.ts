/** A list that is fetched page by page, by cursor. */

import { ApiError, type Page } from "../api/client";

export class Paged<T extends { id: number | string }> {
  items = $state<T[]>([]);
  loading = $state(false);
  failure = $state<ApiError | null>(null);
  /** Whether the first page is here. */
  loaded = $state(false);
  /** Whether there is nothing behind what is here. */
  ended = $state(false);

  #cursor: string | null = null;
  #fetch: (cursor: string | null) => Promise<Page<T>>;
  #turn = 0;
  #failed: string | null = null;

  constructor(fetch: (cursor: string | null) => Promise<Page<T>>) {
    this.#fetch = fetch;
  }

  /** Fetches the next page, unless one is under way or there is none. */
  async more() {
    if (this.loading || this.ended) return;
    await this.#load(this.#cursor);
  }

  /** Fetches the first page again; what is here stays until it has come. */
  async refresh() {
    await this.#load(null);
  }

  /** Fetches again what failed. */
  async retry() {
    if (this.failure && !this.loading) await this.#load(this.#failed);
  }

  async #load(cursor: string | null) {
    const turn = ++this.#turn;
    this.loading = true;
    this.failure = null;
    try {
      const page = await this.#fetch(cursor);
      if (turn !== this.#turn) return;
      // While one reads, likes move tweets over the border between two pages.
      const here = new Set(cursor === null ? [] : this.items.map((item) => item.id));
      const fresh = page.items.filter((item) => !here.has(item.id));
      this.items = cursor === null ? fresh : [...this.items, ...fresh];
      this.#cursor = page.cursor;
      this.ended = page.cursor === null;
      this.loaded = true;
    } catch (error) {
      if (turn !== this.#turn) return;
      if (!(error instanceof ApiError)) throw error;
      this.failure = error;
      this.#failed = cursor;
    } finally {
      if (turn === this.#turn) this.loading = false;
    }
  }
}
