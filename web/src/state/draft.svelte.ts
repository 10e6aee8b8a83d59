/** The tweet that is being written. It survives a reload: the text at once, its pictures too. */

import { del, get, set } from "idb-keyval";
import * as api from "../api/client";
import { reason } from "../text/reason";
import { showPosted } from "./feeds.svelte";
import { tell } from "./notices.svelte";
import { words } from "./preferences.svelte";
import { leave, who } from "./session.svelte";
import { keep, kept } from "./storage";

// The defaults of services/tweets and services/media. Whatever is set there, the server decides.
export const CHARACTERS = 280;
export const PICTURES = 4;
export const PICTURE_BYTES = 10_000_000;
export const ALT_CHARACTERS = 1000;
export const PICTURE_KINDS = ["image/jpeg", "image/png", "image/webp", "image/gif"];

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

let text = $state("");
let pictures = $state<Picture[]>([]);
let sending = $state(false);
let failure = $state<api.ApiError | null>(null);
/** Why files were not attached. */
let refusals = $state<string[]>([]);
/** Ends the uploads that are under way. */
let uploads = $state.raw<AbortController | null>(null);
/** What the last try was and its name: the same again, after a lost answer, is the same tweet. */
let tried: { content: string; id: string } | null = null;

const left = $derived(CHARACTERS - count(text.trim()));
const textKey = () => `draft.${who.me.id}`;
const picturesKey = () => `draft ${who.me.id}`;

export const draft = {
  get text() {
    return text;
  },
  set text(value) {
    text = value;
    failure = null;
    refusals = [];
    keep(textKey(), value);
  },
  get pictures() {
    return pictures;
  },
  get sending() {
    return sending;
  },
  get failure() {
    return failure;
  },
  get refusals() {
    return refusals;
  },
  /** How many characters may still be written; below 0 there are too many. */
  get left() {
    return left;
  },
  get isEmpty() {
    return text.trim() === "" && pictures.length === 0;
  },
  /** Whether Post does something: without words it says that they are missing. */
  get canPost() {
    return !draft.isEmpty && left >= 0 && !sending;
  },
  get uploading() {
    return uploads !== null;
  },
};

export const cancelUploads = () => uploads?.abort();

/** Keeps the pictures and their texts for after a reload. */
export async function keepPictures() {
  const held = pictures.map(({ blob, alt }) => ({ blob, alt }));
  try {
    await (held.length ? set(picturesKey(), held) : del(picturesKey()));
  } catch {
    // A private window may have no database: then the pictures live as long as the page.
    return;
  }
}

export async function restoreDraft() {
  failure = null;
  // What is on the screen stays: where nothing may be kept, or when the session ended meanwhile.
  text = kept(textKey()) || text;
  let held: { blob: Blob; alt: string }[] | undefined;
  try {
    held = await get(picturesKey());
  } catch {
    return;
  }
  if (held && pictures.length === 0) pictures = held.map(({ blob, alt }) => new Picture(blob, alt));
}

/** Adds the files that can be attached, and says why the others cannot. */
export function attach(files: Iterable<File>) {
  if (sending) return;
  const refused = new Set<string>();
  for (const file of files) {
    if (!PICTURE_KINDS.includes(file.type)) refused.add(words().unfit.kind);
    else if (file.size > PICTURE_BYTES) refused.add(reason(tooLarge(file.size)));
    else if (pictures.length >= PICTURES) refused.add(words().unfit.number);
    else pictures.push(new Picture(file));
  }
  refusals = [...refused];
  void keepPictures();
}

/** Takes a file away that this browser cannot show; the server could not, either. */
export function refuse(picture: Picture) {
  if (sending) return;
  detach(picture);
  refusals = [reason(new api.ApiError("ImageNotAccepted", ""))];
}

/** The error with which the server would answer the upload. */
const tooLarge = (actual: number) =>
  new api.ApiError("ImageTooLarge", "", 413, { limit: PICTURE_BYTES, actual } as api.Details);

export function detach(picture: Picture) {
  pictures = pictures.filter((other) => other.url !== picture.url);
  URL.revokeObjectURL(picture.url);
  failure = null;
  refusals = [];
  void keepPictures();
}

export function forgetDraft() {
  for (const picture of pictures) URL.revokeObjectURL(picture.url);
  pictures = [];
  draft.text = "";
  void keepPictures();
}

/** Ends the session, and takes the draft off this device. */
export async function signOut() {
  try {
    await leave(forgetDraft);
  } catch (error) {
    tell(reason(error), true);
  }
}

/** Sends the tweet; whatever goes wrong, what was written stays. Gives the tweet's id, or null. */
export async function post(): Promise<number | null> {
  if (!draft.canPost) return null;
  failure = null;
  refusals = [];
  if (text.trim() === "") {
    failure = new api.ApiError("TweetEmpty", "");
    return null;
  }
  sending = true;
  try {
    const posted = await send();
    tried = null;
    forgetDraft();
    // The tweet is there; that it cannot be shown yet is no failure of posting it.
    await showPosted(posted).catch(() => {});
    return posted;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return null;
    if (!(error instanceof api.ApiError)) throw error;
    // An upload that no tweet took in time is gone from the server: the next try sends it anew.
    if (error.type === "MediaNotFound") for (const picture of pictures) picture.sent = null;
    // The first try had posted the tweet, and its author deleted it. The pictures went with it, so
    // the next try sends them again and posts a new tweet.
    if (error.type === "TweetAlreadyDeleted") {
      tried = null;
      for (const picture of pictures) picture.sent = null;
    }
    failure = error;
    return null;
  } finally {
    sending = false;
  }
}

async function send(): Promise<number> {
  const mediaIds = [];
  const { signal } = (uploads = new AbortController());
  try {
    for (const picture of pictures) mediaIds.push(await picture.send(signal));
  } finally {
    uploads = null;
  }
  const content = JSON.stringify([text.trim(), mediaIds]);
  if (tried?.content !== content) tried = { content, id: newId() };
  return api.postTweet(text.trim(), mediaIds, tried.id);
}

/** `crypto.randomUUID` is there over https alone. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
