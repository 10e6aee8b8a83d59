/** The one door to the API. Its shapes are generated from gateway/openapi.json. */

import type { components } from "./schema";

type Schemas = components["schemas"];
export type Tweet = Schemas["TweetView"];
export type Entity = Schemas["EntityView"];
/** The place of a tweet that is deleted, or whose author has left. */
export type Tombstone = Schemas["TombstoneView"];
export type ThreadPage = Schemas["ThreadResponse"];
/** A part of a text that a search has found, in code points. */
export type Highlight = Schemas["Highlight"];
/** Somebody whom a name in a search may mean. */
export type Choice = Schemas["ChoiceView"];
export type Media = Schemas["MediaView"];
export type Person = Schemas["AuthorView"];
/** The paths of a person's picture; only profiles and lists of people have the large one. */
export type Portrait = { small: string; medium: string; large?: string };
export type Profile = Schemas["ProfileView"];

/** The reader's own profile, and what the reader may do. */
export type Me = Profile &
  Pick<
    Schemas["OwnProfileResponse"],
    "administrator" | "moderator" | "announcer" | "may_rename" | "may_change_position"
  >;

/** What a search has found in a tweet; given to the parts below it as the context `HIGHLIGHTS`. */
export type Highlights = (tweetId: number) => readonly Highlight[];
export const HIGHLIGHTS = Symbol("highlights");

/** A thumbnail shows only the top of a long picture (`LONG` in services/media/pictures.py). */
export const isLong = ({ width, height }: Media) => (height ?? 0) > 2 * (width ?? 0);

/** Somebody in a list, who tells the reader whether they are followed. */
export type Listed = Schemas["UserPage"]["users"][number];
export type NewTweet = Omit<Schemas["TweetDraft"], "replies"> & { replies?: WhoMayReply };
export type WhoMayReply = Schemas["WhoMayReply"];
export type Posted = Schemas["TweetResponse"];
export type Tag = Schemas["TagView"];
export type Key = Schemas["KeyView"];
export type NewKey = Schemas["KeyResponse"];
export type Provider = Schemas["SignOnView"]["providers"][number];
export type LinkedIdentity = Schemas["IdentityView"];
export type UserSession = Schemas["UserSessionView"];
export type Order = "popular" | "recent";
export type Scope = "following" | "everyone";
/** Which replies a list has; with `conversations` they bring the tweet with which theirs begins. */
export type Replies = Schemas["Replies"];
export type Period = Schemas["Period"];

/** What a feed shows. */
export interface Selection {
  order: Order;
  scope: Scope;
  replies: Replies;
  since: Period;
}

export interface Page<T> {
  items: T[];
  cursor: string | null;
}

/** The numbers of a limit that was exceeded; each type of error has some of them. */
export type Details = Record<
  "limit" | "actual" | "memory_bytes" | "seconds" | "stored_bytes",
  number
>;

/**
 * What the API refuses, by its stable name; `Offline` when nothing was reached, `Unreadable` for
 * an answer that is not the API's.
 */
export class ApiError extends Error {
  constructor(
    readonly type: string,
    message: string,
    readonly status = 0,
    readonly details: Details | null = null,
  ) {
    super(message);
  }
}

let signedOut = () => {};
let replaced = () => {};
let person: number | null = null;

/** `act` is called whenever the API says that nobody is signed in. */
export function onSignedOut(act: () => void) {
  signedOut = act;
}

/** `act` is called whenever the API says that somebody else is signed in than this page shows. */
export function onReplaced(act: () => void) {
  replaced = act;
}

/** All later calls are refused if somebody else than this person is signed in (all tabs share that). */
export function actAs(id: number) {
  person = id;
}

const asPerson = (): Record<string, string> =>
  person === null ? {} : { "warble-user-id": String(person) };

const PATIENCE_MS = 20_000;
/** How long an upload may stand still: its whole time depends on the connection. */
const STALLED_MS = 30_000;
/** How long the server may need for a picture that it has (GATEWAY_UPLOAD_TIMEOUT_SECONDS). */
const PREPARED_MS = 60_000;

/** `anyone`: the call is about who is signed in, so it works whoever that is. */
export async function call<T>(
  method: string,
  path: string,
  body?: unknown,
  anyone = false,
  keepalive = false,
): Promise<T> {
  let status: number;
  let text: string;
  try {
    const answer = await fetch(`/api${path}`, {
      method,
      keepalive,
      signal: AbortSignal.timeout(PATIENCE_MS),
      headers: {
        ...(anyone ? {} : asPerson()),
        // A file says itself what it is.
        ...(body === undefined || body instanceof Blob
          ? {}
          : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: body instanceof Blob ? body : JSON.stringify(body) }),
    });
    status = answer.status;
    text = await answer.text();
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw new ApiError(late ? "ServiceTimeout" : "Offline", "");
  }
  return understood(status, text, anyone) as T;
}

function understood(status: number, text: string, anyone = false): unknown {
  let body: { result?: boolean } & Partial<Omit<Schemas["ErrorBody"], "result">>;
  try {
    body = JSON.parse(text);
  } catch {
    throw new ApiError("Unreadable", "", status);
  }
  if (body.result === true) return body;
  if (status === 401 && !anyone) signedOut();
  if (body.error_type === "SessionChanged") replaced();
  throw new ApiError(
    body.error_type ?? "Unreadable",
    body.error_message ?? "",
    status,
    body.error_details as Details | undefined,
  );
}

export function query(values: Record<string, string | number | null>): string {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null) asked.set(name, String(value));
  }
  return `?${asked}`;
}

export const PAGE = 20;

async function tweets(path: string, values: Record<string, string | number | null>) {
  const page = await call<Schemas["TweetPage"]>("GET", path + query(values));
  return { items: page.tweets, cursor: page.next_cursor } satisfies Page<Tweet>;
}

async function people<T extends Person>(path: string, values: Record<string, string | null>) {
  const page = await call<{ users: T[]; next_cursor: string | null }>(
    "GET",
    path + query({ limit: PAGE, ...values }),
  );
  return { items: page.users, cursor: page.next_cursor } satisfies Page<T>;
}

export const signIn = (key: string) => call("POST", "/session", { api_key: key }, true);
export const acceptInvitation = (invitation: string) =>
  call<Schemas["AcceptedInvitationView"]>("POST", "/session/invitation", { invitation }, true);

export const signOut = () => call<Schemas["SignedOutView"]>("DELETE", "/session", undefined, true);

export const signOnProviders = () =>
  call<Schemas["SignOnView"]>("GET", "/sign-on", undefined, true);

export async function identitiesOf(id: number): Promise<LinkedIdentity[]> {
  return (await call<Schemas["IdentityList"]>("GET", `/users/${id}/identities`)).identities;
}

/** Where the browser goes to link an account of this provider to the reader. */
export async function startLinking(provider: string): Promise<string> {
  const next = encodeURIComponent(location.pathname);
  return (await call<Schemas["LocationView"]>("POST", `/sign-on/${provider}/link?next=${next}`))
    .location;
}

export async function me(): Promise<Me> {
  const { user, ...rights } = await call<Schemas["OwnProfileResponse"]>(
    "GET",
    "/users/me",
    undefined,
    true,
  );
  return { ...user, ...rights };
}

export async function profile(id: number): Promise<Profile> {
  return (await call<Schemas["ProfileResponse"]>("GET", `/users/${id}`)).user;
}

/** Registers a person, who gets the first key by the invitation. */
export const invite = (name: string) =>
  call<Schemas["InvitationResponse"]>("POST", "/invitations", { name });

/** For somebody who has lost every key: earlier invitations end, keys go on working. */
export const inviteAgain = (id: number) =>
  call<Schemas["InvitationResponse"]>("POST", `/users/${id}/invitation`);

export async function keysOf(id: number): Promise<Key[]> {
  return (await call<Schemas["KeyList"]>("GET", `/users/${id}/keys`)).keys;
}

/** `days` is how long the key works; null for no end. The answer alone contains the key. */
export const createKey = (id: number, name: string, scope: Key["scope"], days: number | null) =>
  call<NewKey>("POST", `/users/${id}/keys`, { name, scope, expires_in_days: days });

export const revokeKey = (id: number, keyId: number) =>
  call("DELETE", `/users/${id}/keys/${keyId}`);

export async function sessionsOf(id: number): Promise<UserSession[]> {
  return (await call<Schemas["SessionList"]>("GET", `/users/${id}/sessions`)).sessions;
}

export const endSession = (id: number, sessionId: number) =>
  call("DELETE", `/users/${id}/sessions/${sessionId}`);

/** `name` is the person's current name, as a confirmation. */
export const eraseAccount = (id: number, name: string) =>
  call("POST", "/erasures", { user_id: id, name });

export const feed = (selection: Selection, cursor: string | null, limit = PAGE) =>
  tweets("/tweets", { ...selection, cursor, limit });

/** The tabs of a profile that list tweets. */
export type ProfileList = "tweets" | "replies" | "media" | "likes";

export function tweetsOf(id: number, list: ProfileList, cursor: string | null) {
  const page = { cursor, limit: PAGE };
  if (list === "likes") return tweets(`/users/${id}/likes`, page);
  return tweets(`/users/${id}/tweets`, {
    ...page,
    ...(list === "replies" ? { replies: "all" } : {}),
    ...(list === "media" ? { media: "true" } : {}),
  });
}

export const tweetsWith = (tag: string, order: Order, cursor: string | null) =>
  tweets("/tweets", { tag, order, cursor, limit: PAGE });

export interface Found extends Page<Tweet & { highlights: Highlight[] }> {
  choices: Choice[];
  onlyCommonWords: boolean;
}

/** `typing`: the last word may be the beginning of a longer one. */
export async function search(
  text: string,
  order: Order,
  cursor: string | null,
  typing: boolean,
): Promise<Found> {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const asked = { q: text, order, cursor, limit: PAGE, time_zone: timeZone };
  const found = await call<Schemas["SearchPage"]>(
    "GET",
    `/search${query(typing ? { ...asked, prefix: "true" } : asked)}`,
  );
  return {
    items: found.tweets,
    cursor: found.next_cursor,
    choices: found.choices,
    onlyCommonWords: found.only_common_words,
  };
}

/** Hashtags that begin with `beginning`; without one, those of the week. */
export async function tags(beginning: string | null, limit: number): Promise<Tag[]> {
  return (await call<Schemas["TagList"]>("GET", `/tags${query({ query: beginning, limit })}`)).tags;
}

export async function followedTags(): Promise<Tag[]> {
  return (await call<Schemas["TagList"]>("GET", "/tags?followed=true")).tags;
}

export const setTagFollow = (tag: string, on: boolean) =>
  on ? call("POST", "/tags/followed", { tag }) : call("DELETE", `/tags/followed${query({ tag })}`);

/** Without a cursor: the tweets above it, and the first of the replies below it. */
export const thread = (id: number, cursor: string | null) =>
  call<ThreadPage>("GET", `/tweets/${id}/thread${query({ cursor })}`);

export const findPeople = (name: string, cursor: string | null) =>
  people<Listed>("/users", { query: name, cursor });

export const followersOf = (id: number, cursor: string | null) =>
  people<Listed>(`/users/${id}/followers`, { cursor });

export const followedBy = (id: number, cursor: string | null) =>
  people<Listed>(`/users/${id}/following`, { cursor });

export const likersOf = (tweetId: number, cursor: string | null) =>
  people<Person>(`/tweets/${tweetId}/likes`, { cursor });

export const setFollow = (id: number, on: boolean) =>
  call(on ? "POST" : "DELETE", `/users/${id}/follow`);

export const setLike = (tweetId: number, on: boolean) =>
  call(on ? "POST" : "DELETE", `/tweets/${tweetId}/likes`);

/** It is sent although the page is closed meanwhile. */
export const deleteTweet = (tweetId: number) =>
  call("DELETE", `/tweets/${tweetId}`, undefined, false, true);

/** Posts a tweet; the same `draft_id` again is the same tweet. */
export const postTweet = (draft: NewTweet) => call<Posted>("POST", "/tweets", draft);

export async function tweet(id: number): Promise<Tweet> {
  return (await call<Schemas["SingleTweet"]>("GET", `/tweets/${id}`)).tweet;
}

/**
 * Uploads a picture. `progress` is called with the share that is sent, from 0 to 1. Raises the reason
 * of `signal` when it is aborted.
 */
export function upload(
  picture: Blob,
  alt: string,
  progress: (share: number) => void,
  signal: AbortSignal,
): Promise<Schemas["MediaResponse"]> {
  const form = new FormData();
  form.append("file", picture);
  form.append("alt", alt);
  return send("POST", "/medias", form, progress, signal);
}

/** Sends a form with a file, as `upload` does. */
export function send<T>(
  method: string,
  path: string,
  form: FormData,
  progress: (share: number) => void,
  signal: AbortSignal,
): Promise<T> {
  // fetch reports no progress of an upload.
  const request = new XMLHttpRequest();
  return new Promise<T>((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout>;
    const wait = (milliseconds: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        reject(new ApiError("ServiceTimeout", ""));
        request.abort();
      }, milliseconds);
    };
    request.upload.onprogress = (event) => {
      wait(STALLED_MS);
      if (event.lengthComputable) progress(event.loaded / event.total);
    };
    request.upload.onload = () => wait(PREPARED_MS);
    request.onloadend = () => clearTimeout(timer);
    request.onerror = () => reject(new ApiError("Offline", ""));
    request.onload = () => {
      try {
        resolve(understood(request.status, request.responseText) as T);
      } catch (error) {
        reject(error);
      }
    };
    signal.throwIfAborted();
    signal.onabort = () => {
      reject(signal.reason);
      request.abort();
    };
    request.open(method, `/api${path}`);
    for (const [name, value] of Object.entries(asPerson())) request.setRequestHeader(name, value);
    request.send(form);
    wait(STALLED_MS);
  });
}
