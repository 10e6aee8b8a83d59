/** The drafts of tweets and replies. This browser stores them, with their pictures, so that a reload keeps them. */

import { del, delMany, get, keys, set } from "idb-keyval";
import * as api from "../api/client";
import { moveMentions, mentionsForApi, type Mention } from "../text/mentions";
import { errorText } from "../text/errorTextLookup.svelte";
import { showPosted, showReply } from "./tweetLists.svelte";
import { commitUndoable, showToast } from "./toasts.svelte";
import { texts } from "./preferences.svelte";
import { signOut, session } from "./session.svelte";
import { removeStored, setStored, getStored } from "./storage";
import type { Tweet } from "./tweetCache.svelte";

// The defaults of services/tweets and services/media. With other settings there, the server decides.
export const MAX_CHARACTERS = 280;
export const MAX_PICTURES = 4;
export const MAX_PICTURE_BYTES = 10_000_000;
export const MAX_ALT_CHARACTERS = 1000;
export const PICTURE_TYPES = ["image/jpeg", "image/png", "image/webp", "image/gif"];

export const WHO_MAY_REPLY: api.WhoMayReply[] = ["everyone", "following", "nobody"];

let posting: Promise<unknown> = Promise.resolve();

/** Resolves when the tweet that is being posted, if any, is posted and shown. */
export const whenPosted = () => posting;

export class Picture {
  readonly url: string;
  alt = $state("");
  /** The share of the file that is uploaded, from 0 to 1; null while nothing is being uploaded. */
  uploadProgress = $state<number | null>(null);
  failed = $state(false);
  /** The id of the uploaded picture, and the alt text that was sent with it. */
  uploaded = $state.raw<{ mediaId: number; alt: string } | null>(null);

  constructor(
    readonly blob: Blob,
    alt = "",
  ) {
    this.url = URL.createObjectURL(blob);
    this.alt = alt;
  }

  async upload(signal: AbortSignal): Promise<number> {
    const alt = this.alt.trim();
    if (this.uploaded?.alt === alt) return this.uploaded.mediaId;
    this.failed = false;
    this.uploadProgress = 0;
    try {
      const response = await api.upload(
        this.blob,
        alt,
        (share) => (this.uploadProgress = share),
        signal,
      );
      this.uploaded = { mediaId: response.media_id, alt };
      if (response.first_frame_only) showToast(texts().firstFrameOnly);
      return response.media_id;
    } catch (error) {
      this.failed = error instanceof api.ApiError;
      throw error;
    } finally {
      this.uploadProgress = null;
    }
  }
}

const characters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The number of characters as people see them (UAX 29), which the server counts too. */
export function countCharacters(text: string): number {
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
  #rejections = $state.raw<(() => string)[]>([]);
  #text = $state("");
  #mentions = $state.raw<Mention[]>([]);
  #whoMayReply = $state<api.WhoMayReply>("everyone");
  /** Cancels the uploads in progress. */
  #uploads = $state.raw<AbortController | null>(null);
  /** The last attempt to post. Repeated with the same id, after a lost response, it creates no second tweet. */
  #lastAttempt: { content: string; id: string } | null = null;

  constructor(readonly parent: Tweet | null) {}

  /** How many more characters fit. Negative if there are too many. */
  charactersLeft = $derived(MAX_CHARACTERS - countCharacters(this.#text.trim()));

  /** Why files could not be attached, in the reader's language. */
  get rejections() {
    return [...new Set(this.#rejections.map((text) => text()))];
  }

  get text() {
    return this.#text;
  }
  set text(value) {
    this.#setMentions(moveMentions(this.#mentions, this.#text, value));
    this.#text = value;
    this.failure = null;
    this.#rejections = [];
    setStored(this.#key("."), value);
  }
  get mentions(): readonly Mention[] {
    return this.#mentions;
  }
  #setMentions(mentions: Mention[]) {
    if (mentions.length === 0 && this.#mentions.length === 0) return;
    this.#mentions = mentions;
    setStored(`${this.#key(".")}.mentions`, JSON.stringify(mentions));
  }
  /** Replaces the beginning of a name or a hashtag by all of it. */
  complete(start: number, end: number, completed: string, person?: Omit<Mention, "start">) {
    this.text = this.#text.slice(0, start) + completed + this.#text.slice(end);
    if (person) this.#setMentions([...this.#mentions, { ...person, start }]);
  }
  get whoMayReply() {
    return this.#whoMayReply;
  }
  set whoMayReply(value) {
    this.#whoMayReply = value;
    setStored(`${this.#key(".")}.replies`, value);
  }
  get isEmpty() {
    return this.#text.trim() === "" && this.pictures.length === 0;
  }
  /** Whether Post is enabled. With pictures alone it is, and explains that a text is missing. */
  get canPost() {
    return !this.isEmpty && this.charactersLeft >= 0 && !this.sending;
  }
  get uploading() {
    return this.#uploads !== null;
  }

  #key(separator: string) {
    const parts = ["draft", session.me.id, ...(this.parent ? [this.parent.id] : [])];
    return parts.join(separator);
  }

  cancelUploads = () => this.#uploads?.abort();

  /** Stores the alt texts so that a reload keeps them. */
  storeDescriptions = () =>
    setStored(`${this.#key(".")}.alts`, JSON.stringify(this.pictures.map(({ alt }) => alt)));

  /** Stores the pictures and their alt texts so that a reload keeps them. */
  storePictures = async () => {
    this.storeDescriptions();
    const blobs = this.pictures.map(({ blob }) => blob);
    try {
      await (blobs.length ? set(this.#key(" "), blobs) : del(this.#key(" ")));
    } catch {
      // A private window may have no IndexedDB: then the pictures live as long as the page.
      return;
    }
  };

  async restore() {
    this.failure = null;
    // The text on the screen stays if nothing is stored.
    this.#text = getStored(this.#key(".")) || this.#text;
    const chosen = getStored(`${this.#key(".")}.replies`) as api.WhoMayReply;
    if (WHO_MAY_REPLY.includes(chosen)) this.#whoMayReply = chosen;
    this.#mentions = moveMentions(storedList(`${this.#key(".")}.mentions`), this.#text, this.#text);
    const alts = storedList<string>(`${this.#key(".")}.alts`);
    let blobs: Blob[] | undefined;
    try {
      blobs = await get(this.#key(" "));
    } catch {
      return;
    }
    if (blobs && this.pictures.length === 0)
      this.pictures = blobs.map((blob, index) => new Picture(blob, alts[index]));
  }

  /** Attaches the files that are accepted; `rejections` says why others are not. */
  attach(files: Iterable<File>) {
    if (this.sending) return;
    this.#rejections = [];
    for (const file of files) {
      if (!PICTURE_TYPES.includes(file.type)) this.#reject(() => texts().pictureErrors.type);
      else if (file.size > MAX_PICTURE_BYTES) this.#reject(() => errorText(tooLarge(file.size)));
      else if (this.pictures.length >= MAX_PICTURES)
        this.#reject(() => texts().pictureErrors.count);
      else this.pictures.push(new Picture(file));
    }
    void this.storePictures();
  }

  #reject(reason: () => string) {
    this.#rejections = [...this.#rejections, reason];
  }

  /** Removes a picture that this browser cannot show: the server could not process it either. */
  rejectPicture(picture: Picture) {
    if (this.sending) return;
    this.detach(picture);
    this.#reject(() => errorText(new api.ApiError("ImageNotAccepted", "")));
  }

  detach(picture: Picture) {
    this.pictures = this.pictures.filter((other) => other.url !== picture.url);
    URL.revokeObjectURL(picture.url);
    this.failure = null;
    this.#rejections = [];
    void this.storePictures();
  }

  clear() {
    for (const picture of this.pictures) URL.revokeObjectURL(picture.url);
    this.pictures = [];
    this.text = "";
    this.whoMayReply = "everyone";
    void this.storePictures();
  }

  /** Posts the draft. Returns null if that fails: then the draft stays, with its `failure`. */
  post(): Promise<api.Posted | null> {
    return (posting = this.#post());
  }

  async #post(): Promise<api.Posted | null> {
    if (!this.canPost) return null;
    this.failure = null;
    this.#rejections = [];
    if (this.#text.trim() === "") {
      this.failure = new api.ApiError("TweetEmpty", "");
      return null;
    }
    this.sending = true;
    try {
      const posted = await this.#send();
      this.#lastAttempt = null;
      this.clear();
      // The tweet is posted, even if it cannot be shown yet.
      const shown = this.parent
        ? showReply(posted.tweet_id, this.parent.id)
        : showPosted(posted.tweet_id);
      await shown.catch(() => {});
      return posted;
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return null;
      if (!(error instanceof api.ApiError)) throw error;
      // The server deletes uploads that no tweet uses. The next attempt uploads them again.
      if (error.type === "MediaNotFound")
        for (const picture of this.pictures) picture.uploaded = null;
      // An earlier attempt did post the tweet, and its author has deleted it together with the pictures.
      // The next attempt uploads them again and posts a new tweet.
      if (error.type === "TweetAlreadyDeleted") {
        this.#lastAttempt = null;
        for (const picture of this.pictures) picture.uploaded = null;
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
      for (const picture of this.pictures) mediaIds.push(await picture.upload(signal));
    } finally {
      this.#uploads = null;
    }
    const mentions = mentionsForApi(this.#mentions, this.#text);
    const tweet: api.NewTweet = {
      tweet_data: this.#text.trim(),
      ...(mentions ? { mentions } : {}),
      tweet_media_ids: mediaIds,
      ...(this.parent ? { reply_to: this.parent.id } : { replies: this.#whoMayReply }),
    };
    const content = JSON.stringify(tweet);
    if (this.#lastAttempt?.content !== content) this.#lastAttempt = { content, id: newId() };
    return api.postTweet({ ...tweet, draft_id: this.#lastAttempt.id });
  }
}

function storedList<Item>(name: string): Item[] {
  try {
    return JSON.parse(getStored(name) || "[]") as Item[];
  } catch {
    return [];
  }
}

/** The error that the server would return for the upload. */
const tooLarge = (actual: number) =>
  new api.ApiError("ImageTooLarge", "", 413, { limit: MAX_PICTURE_BYTES, actual } as api.Details);

/** The draft of a new tweet. */
export const draft = draftOf(null);

/** Deletes all drafts of a person from this device. The page must be loaded again afterwards. */
export async function deleteDrafts(id: number) {
  removeStored(`draft.${id}`);
  try {
    const all = await keys<string>();
    await delMany(all.filter((key) => `${key} `.startsWith(`draft ${id} `)));
  } catch {
    return;
  }
}

/** Signs out, and deletes the drafts from this device. */
export async function signOutAndDeleteDrafts() {
  // The event stream may tell the page that the session has ended before the call returns.
  const { id } = session.me;
  await commitUndoable();
  try {
    await signOut(() => deleteDrafts(id));
  } catch (error) {
    showToast(errorText(error), true);
  }
}

/** `crypto.randomUUID` exists over https only. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
