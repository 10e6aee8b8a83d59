/** The tweets that are being written. They survive a reload: the texts at once, the pictures too. */

import { del, delMany, get, keys, set } from "idb-keyval";
import * as api from "../api/client";
import { moved, toSend, type Mention } from "../text/mentions";
import { reason } from "../text/reason";
import { showPosted, showReply } from "./feeds.svelte";
import { settleOffers, tell } from "./notices.svelte";
import { words } from "./preferences.svelte";
import { leave, who } from "./session.svelte";
import { forget, keep, kept } from "./storage";
import type { Tweet } from "./tweets.svelte";

// The defaults of services/tweets and services/media. Whatever is set there, the server decides.
export const CHARACTERS = 280;
export const PICTURES = 4;
export const PICTURE_BYTES = 10_000_000;
export const ALT_CHARACTERS = 1000;
export const PICTURE_KINDS = ["image/jpeg", "image/png", "image/webp", "image/gif"];

export const WHO_MAY_REPLY: api.WhoMayReply[] = ["everyone", "following", "nobody"];

let posting: Promise<unknown> = Promise.resolve();

/** Waits for the tweet that is being posted, if any: then it is shown. */
export const posted = () => posting;

export class Picture {
  readonly url: string;
  alt = $state("");
  /** How much of it is sent, from 0 to 1; null when nothing is under way. */
  share = $state<number | null>(null);
  failed = $state(false);
  /** What the server calls it, and the alt text that it has there. */
  sent = $state.raw<{ mediaId: number; alt: string } | null>(null);

  constructor(
    readonly blob: Blob,
    alt = "",
  ) {
    this.url = URL.createObjectURL(blob);
    this.alt = alt;
  }

  async send(signal: AbortSignal): Promise<number> {
    const alt = this.alt.trim();
    if (this.sent?.alt === alt) return this.sent.mediaId;
    this.failed = false;
    this.share = 0;
    try {
      const uploaded = await api.upload(this.blob, alt, (share) => (this.share = share), signal);
      this.sent = { mediaId: uploaded.media_id, alt };
      if (uploaded.first_frame_only) tell(words().firstFrameOnly);
      return uploaded.media_id;
    } catch (error) {
      this.failed = error instanceof api.ApiError;
      throw error;
    } finally {
      this.share = null;
    }
  }
}

const characters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** How many characters a person counts: what the server counts, too (UAX 29). */
export function count(text: string): number {
  let counted = 0;
  for (const _ of characters.segment(text)) counted++;
  return counted;
}

const drafts = new Map<number | null, Draft>();

/** The draft of a reply to a tweet; without one, that of a new tweet. */
export function draftOf(parent: Tweet | null): Draft {
  const key = parent?.id ?? null;
  const known = drafts.get(key) ?? new Draft(parent);
  drafts.set(key, known);
  return known;
}

export class Draft {
  pictures = $state<Picture[]>([]);
  sending = $state(false);
  failure = $state<api.ApiError | null>(null);
  /** Why files were not attached. */
  refusals = $state<string[]>([]);
  #text = $state("");
  #mentions = $state.raw<Mention[]>([]);
  #whoMayReply = $state<api.WhoMayReply>("everyone");
  /** Ends the uploads that are under way. */
  #uploads = $state.raw<AbortController | null>(null);
  /** What the last try was and its name: the same again, after a lost answer, is the same tweet. */
  #tried: { content: string; id: string } | null = null;

  constructor(readonly parent: Tweet | null) {}

  /** How many characters may still be written; below 0 there are too many. */
  left = $derived(CHARACTERS - count(this.#text.trim()));

  get text() {
    return this.#text;
  }
  set text(value) {
    this.#setMentions(moved(this.#mentions, this.#text, value));
    this.#text = value;
    this.failure = null;
    this.refusals = [];
    keep(this.#key("."), value);
  }
  get mentions(): readonly Mention[] {
    return this.#mentions;
  }
  #setMentions(mentions: Mention[]) {
    if (mentions.length === 0 && this.#mentions.length === 0) return;
    this.#mentions = mentions;
    keep(`${this.#key(".")}.mentions`, JSON.stringify(mentions));
  }
  /** Writes a name or a hashtag in place of what was typed of it. */
  complete(start: number, end: number, written: string, person?: Omit<Mention, "start">) {
    this.text = this.#text.slice(0, start) + written + this.#text.slice(end);
    if (person) this.#setMentions([...this.#mentions, { ...person, start }]);
  }
  get whoMayReply() {
    return this.#whoMayReply;
  }
  set whoMayReply(value) {
    this.#whoMayReply = value;
    keep(`${this.#key(".")}.replies`, value);
  }
  get isEmpty() {
    return this.#text.trim() === "" && this.pictures.length === 0;
  }
  /** Whether Post does something: without words it says that they are missing. */
  get canPost() {
    return !this.isEmpty && this.left >= 0 && !this.sending;
  }
  get uploading() {
    return this.#uploads !== null;
  }

  #key(separator: string) {
    const parts = ["draft", who.me.id, ...(this.parent ? [this.parent.id] : [])];
    return parts.join(separator);
  }

  cancelUploads = () => this.#uploads?.abort();

  /** Keeps the descriptions for after a reload. Unlike the pictures, they are stored at once. */
  keepDescriptions = () =>
    keep(`${this.#key(".")}.alts`, JSON.stringify(this.pictures.map(({ alt }) => alt)));

  /** Keeps the pictures and their descriptions for after a reload. */
  keepPictures = async () => {
    this.keepDescriptions();
    const held = this.pictures.map(({ blob }) => blob);
    try {
      await (held.length ? set(this.#key(" "), held) : del(this.#key(" ")));
    } catch {
      // A private window may have no database: then the pictures live as long as the page.
      return;
    }
  };

  async restore() {
    this.failure = null;
    // What is on the screen stays: where nothing may be kept, or when the session ended meanwhile.
    this.#text = kept(this.#key(".")) || this.#text;
    const chosen = kept(`${this.#key(".")}.replies`) as api.WhoMayReply;
    if (WHO_MAY_REPLY.includes(chosen)) this.#whoMayReply = chosen;
    this.#mentions = moved(keptList(`${this.#key(".")}.mentions`), this.#text, this.#text);
    const alts = keptList<string>(`${this.#key(".")}.alts`);
    let held: Blob[] | undefined;
    try {
      held = await get(this.#key(" "));
    } catch {
      return;
    }
    if (held && this.pictures.length === 0)
      this.pictures = held.map((blob, index) => new Picture(blob, alts[index]));
  }

  /** Adds the files that can be attached, and says why the others cannot. */
  attach(files: Iterable<File>) {
    if (this.sending) return;
    const refused = new Set<string>();
    for (const file of files) {
      if (!PICTURE_KINDS.includes(file.type)) refused.add(words().unfit.kind);
      else if (file.size > PICTURE_BYTES) refused.add(reason(tooLarge(file.size)));
      else if (this.pictures.length >= PICTURES) refused.add(words().unfit.number);
      else this.pictures.push(new Picture(file));
    }
    this.refusals = [...refused];
    void this.keepPictures();
  }

  /** Takes a file away that this browser cannot show; the server could not, either. */
  refuse(picture: Picture) {
    if (this.sending) return;
    this.detach(picture);
    this.refusals = [reason(new api.ApiError("ImageNotAccepted", ""))];
  }

  detach(picture: Picture) {
    this.pictures = this.pictures.filter((other) => other.url !== picture.url);
    URL.revokeObjectURL(picture.url);
    this.failure = null;
    this.refusals = [];
    void this.keepPictures();
  }

  forget() {
    for (const picture of this.pictures) URL.revokeObjectURL(picture.url);
    this.pictures = [];
    this.text = "";
    this.whoMayReply = "everyone";
    void this.keepPictures();
  }

  /** Sends the tweet; whatever goes wrong, what was written stays. Gives null if it went wrong. */
  post(): Promise<api.Posted | null> {
    return (posting = this.#post());
  }

  async #post(): Promise<api.Posted | null> {
    if (!this.canPost) return null;
    this.failure = null;
    this.refusals = [];
    if (this.#text.trim() === "") {
      this.failure = new api.ApiError("TweetEmpty", "");
      return null;
    }
    this.sending = true;
    try {
      const posted = await this.#send();
      this.#tried = null;
      this.forget();
      // The tweet is there; that it cannot be shown yet is no failure of posting it.
      const shown = this.parent
        ? showReply(posted.tweet_id, this.parent.id)
        : showPosted(posted.tweet_id);
      await shown.catch(() => {});
      return posted;
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return null;
      if (!(error instanceof api.ApiError)) throw error;
      // An upload that no tweet took in time is gone from the server: the next try sends it anew.
      if (error.type === "MediaNotFound") for (const picture of this.pictures) picture.sent = null;
      // The first try had posted the tweet, and its author deleted it. The pictures went with it, so
      // the next try sends them again and posts a new tweet.
      if (error.type === "TweetAlreadyDeleted") {
        this.#tried = null;
        for (const picture of this.pictures) picture.sent = null;
      }
      this.failure = error;
      return null;
    } finally {
      this.sending = false;
    }
  }

  async #send(): Promise<api.Posted> {
    const mediaIds = [];
    const { signal } = (this.#uploads = new AbortController());
    try {
      for (const picture of this.pictures) mediaIds.push(await picture.send(signal));
    } finally {
      this.#uploads = null;
    }
    const mentions = toSend(this.#mentions, this.#text);
    const tweet: api.NewTweet = {
      tweet_data: this.#text.trim(),
      ...(mentions ? { mentions } : {}),
      tweet_media_ids: mediaIds,
      ...(this.parent ? { reply_to: this.parent.id } : { replies: this.#whoMayReply }),
    };
    const content = JSON.stringify(tweet);
    if (this.#tried?.content !== content) this.#tried = { content, id: newId() };
    return api.postTweet({ ...tweet, draft_id: this.#tried.id });
  }
}

function keptList<Item>(name: string): Item[] {
  try {
    return JSON.parse(kept(name) || "[]") as Item[];
  } catch {
    return [];
  }
}

/** The error with which the server would answer the upload. */
const tooLarge = (actual: number) =>
  new api.ApiError("ImageTooLarge", "", 413, { limit: PICTURE_BYTES, actual } as api.Details);

/** The draft of a new tweet. */
export const draft = draftOf(null);

/** Takes all drafts of the reader off this device. */
export async function forgetDrafts() {
  const { id } = who.me;
  for (const each of drafts.values()) each.forget();
  forget(`draft.${id}.`);
  try {
    const all = await keys<string>();
    await delMany(all.filter((key) => key.startsWith(`draft ${id} `)));
  } catch {
    return;
  }
}

/** Ends the session, and takes the drafts off this device. */
export async function signOut() {
  await settleOffers();
  try {
    await leave(forgetDrafts);
  } catch (error) {
    tell(reason(error), true);
  }
}

/** `crypto.randomUUID` is there over https alone. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
