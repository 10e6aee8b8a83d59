/** The client of the API. The types are generated from gateway/openapi.json. */

import type { components } from "./schema";

type Schemas = components["schemas"];
export type Tweet = Schemas["TweetView"];
export type Entity = Schemas["EntityView"];
/** In place of a tweet that is deleted, that a moderator has hidden, or whose author has left. */
export type Tombstone = Schemas["TombstoneView"];
export type ThreadPage = Schemas["ThreadResponse"];
/** A match of a search in a text, in code points. */
export type Highlight = Schemas["Highlight"];
/** A person whom a name in a search may mean. */
export type NameChoice = Schemas["ChoiceView"];
export type Media = Schemas["MediaView"];
export type Person = Schemas["AuthorView"];
/** The paths of a person's picture; only profiles and lists of people have the large one. */
export type Portrait = { small: string; medium: string; large?: string };
export type Profile = Schemas["ProfileView"];

/** The reader's own profile, and the reader's rights. */
export type Me = Profile &
  Pick<
    Schemas["OwnProfileResponse"],
    "administrator" | "moderator" | "announcer" | "may_rename" | "may_change_position"
  >;

/** The matches of a search in a tweet. The search view passes this function as the context `HIGHLIGHTS`. */
export type Highlights = (tweetId: number) => readonly Highlight[];
export const HIGHLIGHTS = Symbol("highlights");

/** A thumbnail shows only the top of a long picture (`LONG_RATIO` in services/media/picture_decoding.py). */
export const isLongPicture = ({ width, height }: Media) => (height ?? 0) > 2 * (width ?? 0);

/** A person in a list, with whether the reader follows them. */
export type ListedPerson = Schemas["UserPage"]["users"][number];
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
/** Which replies a list contains. `conversations` also contains the first tweets of their threads. */
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
 * An error response of the API, with its stable type. The type is `Offline` if there was no response, and
 * `Unreadable` if the response is not from the API.
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
let personChanged = () => {};
let expectedPerson: number | null = null;

/** `listener` is called when a response says that nobody is signed in. */
export function onSignedOut(listener: () => void) {
  signedOut = listener;
}

/** `listener` is called when a response says that another person is signed in than this page expects. */
export function onPersonChanged(listener: () => void) {
  personChanged = listener;
}

/** From now on, calls are refused if another person is signed in: all tabs share one session. */
export function setExpectedPerson(id: number) {
  expectedPerson = id;
}

const expectedPersonHeader = (): Record<string, string> =>
  expectedPerson === null ? {} : { "warble-user-id": String(expectedPerson) };

const TIMEOUT_MS = 20_000;
/** How long an upload may make no progress. Its whole duration depends on the connection. */
const STALL_TIMEOUT_MS = 30_000;
/** How long the server may process an uploaded file (GATEWAY_UPLOAD_TIMEOUT_SECONDS). */
const PROCESSING_TIMEOUT_MS = 60_000;

/** `anyone`: the call does not depend on who is signed in. `keepalive`: it is sent although the page closes. */
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
    const response = await fetch(`/api${path}`, {
      method,
      keepalive,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        ...(anyone ? {} : expectedPersonHeader()),
        // A file has its own content type.
        ...(body === undefined || body instanceof Blob
          ? {}
          : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: body instanceof Blob ? body : JSON.stringify(body) }),
    });
    status = response.status;
    text = await response.text();
  } catch (error) {
    const isTimeout = error instanceof DOMException && error.name === "TimeoutError";
    throw new ApiError(isTimeout ? "ServiceTimeout" : "Offline", "");
  }
  return parseResponse(status, text, anyone) as T;
}

function parseResponse(status: number, text: string, anyone = false): unknown {
  let body: { result?: boolean } & Partial<Omit<Schemas["ErrorBody"], "result">>;
  try {
    body = JSON.parse(text);
  } catch {
    throw new ApiError("Unreadable", "", status);
  }
  if (body.result === true) return body;
  if (status === 401 && !anyone) signedOut();
  if (body.error_type === "SessionChanged") personChanged();
  throw new ApiError(
    body.error_type ?? "Unreadable",
    body.error_message ?? "",
    status,
    body.error_details as Details | undefined,
  );
}

export function queryString(values: Record<string, string | number | null>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null) parameters.set(name, String(value));
  }
  return `?${parameters}`;
}

export const PAGE_SIZE = 20;

async function tweets(path: string, values: Record<string, string | number | null>) {
  const page = await call<Schemas["TweetPage"]>("GET", path + queryString(values));
  return { items: page.tweets, cursor: page.next_cursor } satisfies Page<Tweet>;
}

async function people<T extends Person>(path: string, values: Record<string, string | null>) {
  const page = await call<{ users: T[]; next_cursor: string | null }>(
    "GET",
    path + queryString({ limit: PAGE_SIZE, ...values }),
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

/** The address that links an account at this provider to the reader. */
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

/** Registers a person, who gets their first key by the invitation. */
export const invite = (name: string) =>
  call<Schemas["InvitationResponse"]>("POST", "/invitations", { name });

/** For a person who has lost every key. Earlier invitations become invalid, keys stay valid. */
export const inviteAgain = (id: number) =>
  call<Schemas["InvitationResponse"]>("POST", `/users/${id}/invitation`);

export async function keysOf(id: number): Promise<Key[]> {
  return (await call<Schemas["KeyList"]>("GET", `/users/${id}/keys`)).keys;
}

/** The key is valid for `days`, or for ever with null. Only this response contains it. */
export const createKey = (id: number, name: string, scope: Key["scope"], days: number | null) =>
  call<NewKey>("POST", `/users/${id}/keys`, { name, scope, expires_in_days: days });

export const revokeKey = (id: number, keyId: number) =>
  call("DELETE", `/users/${id}/keys/${keyId}`);

export async function sessionsOf(id: number): Promise<UserSession[]> {
  return (await call<Schemas["SessionList"]>("GET", `/users/${id}/sessions`)).sessions;
}

export const endSession = (id: number, sessionId: number) =>
  call("DELETE", `/users/${id}/sessions/${sessionId}`);

/** `name` is the person's current name: the confirmation. */
export const eraseAccount = (id: number, name: string) =>
  call("POST", "/erasures", { user_id: id, name });

export const feed = (selection: Selection, cursor: string | null, limit = PAGE_SIZE) =>
  tweets("/tweets", { ...selection, cursor, limit });

/** The tabs of a profile that list tweets. */
export type ProfileList = "tweets" | "replies" | "media" | "likes";

export function tweetsOf(id: number, list: ProfileList, cursor: string | null) {
  const page = { cursor, limit: PAGE_SIZE };
  if (list === "likes") return tweets(`/users/${id}/likes`, page);
  return tweets(`/users/${id}/tweets`, {
    ...page,
    ...(list === "replies" ? { replies: "all" } : {}),
    ...(list === "media" ? { media: "true" } : {}),
  });
}

export const tweetsWith = (tag: string, order: Order, cursor: string | null) =>
  tweets("/tweets", { tag, order, cursor, limit: PAGE_SIZE });

export interface FoundTweets extends Page<Tweet & { highlights: Highlight[] }> {
  choices: NameChoice[];
  onlyCommonWords: boolean;
}

/** `typing`: the last word may be the beginning of a longer one. */
export async function search(
  text: string,
  order: Order,
  cursor: string | null,
  typing: boolean,
): Promise<FoundTweets> {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const parameters = { q: text, order, cursor, limit: PAGE_SIZE, time_zone: timeZone };
  const found = await call<Schemas["SearchPage"]>(
    "GET",
    `/search${queryString(typing ? { ...parameters, prefix: "true" } : parameters)}`,
  );
  return {
    items: found.tweets,
    cursor: found.next_cursor,
    choices: found.choices,
    onlyCommonWords: found.only_common_words,
  };
}

/** Hashtags that begin with `beginning`; with null, those of the week. */
export async function tags(beginning: string | null, limit: number): Promise<Tag[]> {
  return (await call<Schemas["TagList"]>("GET", `/tags${queryString({ query: beginning, limit })}`))
    .tags;
}

export async function followedTags(): Promise<Tag[]> {
  return (await call<Schemas["TagList"]>("GET", "/tags?followed=true")).tags;
}

export const setTagFollow = (tag: string, on: boolean) =>
  on
    ? call("POST", "/tags/followed", { tag })
    : call("DELETE", `/tags/followed${queryString({ tag })}`);

/** Without a cursor: the tweets above it, and the first page of replies. */
export const thread = (id: number, cursor: string | null) =>
  call<ThreadPage>("GET", `/tweets/${id}/thread${queryString({ cursor })}`);

export const findPeople = (name: string, cursor: string | null) =>
  people<ListedPerson>("/users", { query: name, cursor });

export const followersOf = (id: number, cursor: string | null) =>
  people<ListedPerson>(`/users/${id}/followers`, { cursor });

export const followedBy = (id: number, cursor: string | null) =>
  people<ListedPerson>(`/users/${id}/following`, { cursor });

export const likersOf = (tweetId: number, cursor: string | null) =>
  people<Person>(`/tweets/${tweetId}/likes`, { cursor });

export const setFollow = (id: number, on: boolean) =>
  call(on ? "POST" : "DELETE", `/users/${id}/follow`);

export const setLike = (tweetId: number, on: boolean) =>
  call(on ? "POST" : "DELETE", `/tweets/${tweetId}/likes`);

/** Sent even if the page is being closed. */
export const deleteTweet = (tweetId: number) =>
  call("DELETE", `/tweets/${tweetId}`, undefined, false, true);

/** Posts a tweet. A second call with the same `draft_id` creates no second tweet. */
export const postTweet = (draft: NewTweet) => call<Posted>("POST", "/tweets", draft);

export async function tweet(id: number): Promise<Tweet> {
  return (await call<Schemas["SingleTweet"]>("GET", `/tweets/${id}`)).tweet;
}

/**
 * Uploads a picture. `progress` is called with the uploaded share, from 0 to 1. If `signal` is aborted, the
 * promise is rejected with its reason.
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
  return sendForm("POST", "/medias", form, progress, signal);
}

/** Sends a form with a file; see `upload`. */
export function sendForm<T>(
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
      wait(STALL_TIMEOUT_MS);
      if (event.lengthComputable) progress(event.loaded / event.total);
    };
    request.upload.onload = () => wait(PROCESSING_TIMEOUT_MS);
    request.onloadend = () => clearTimeout(timer);
    request.onerror = () => reject(new ApiError("Offline", ""));
    request.onload = () => {
      try {
        resolve(parseResponse(request.status, request.responseText) as T);
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
    for (const [name, value] of Object.entries(expectedPersonHeader()))
      request.setRequestHeader(name, value);
    request.send(form);
    wait(STALL_TIMEOUT_MS);
  });
}
